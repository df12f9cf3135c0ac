"""The parts of a training, built by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import nn

from kinema.clips.dataset import ClipDataset
from kinema.config import from_mapping
from kinema.errors import InputError, PluginError
from kinema.interfaces import Backbone, Controller, SavedController, Trainable, check_form
from kinema.offers import BACKBONE, CONDITION
from kinema.plugins import Plugins
from kinema.session import building
from kinema.session.parts import Part, Parts
from kinema.session.steering import Steering
from kinema.training.config import TrainConfig
from kinema.training.objective import Objective

_DTYPES = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}

#: Options that say where something is or runs; they are resolved anew in every training.
_OF_PLACE = ("device", "weights")


@attrs.frozen(eq=False, kw_only=True)
class Assembly:
    """What one training works with.

    Attributes:
        config: the recipe, with every option of every part.
        dataset: the clips.
        steering: the backbone, trainable, with the controller attached, and their conditions.
        conditions: names of the controller's conditions with all their options.
        options: the backbone's options of training.
        objective: the loss; its parameters with ``requires_grad`` are trained.
        parts: what was built and read.
        detach: restores the backbone.
    """

    config: TrainConfig
    dataset: ClipDataset
    steering: Steering
    conditions: Mapping[str, Mapping[str, Any]]
    options: Any
    objective: Objective
    parts: Parts
    detach: Callable[[], None]

    @property
    def backbone(self) -> Backbone:
        """The video model."""
        return self.steering.backbone.built

    @property
    def trainable(self) -> Trainable:
        """Its side of training."""
        backbone = self.backbone
        assert isinstance(backbone, Trainable)
        return backbone

    @property
    def controller(self) -> Controller | None:
        """None if the backbone is trained alone."""
        return self.steering.controller.built if self.steering.controller else None

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {k: p for k, p in self.objective.named_parameters() if p.requires_grad}


def assemble(config: TrainConfig, plugins: Plugins, device: torch.device) -> Assembly:
    """Build all that a recipe names, on ``device``.

    Raises:
        InputError: a name or an option is unknown, or the parts do not fit one another.
        WeightsError: weights are absent.
        PluginError: a plugin broke.
    """
    parts = Parts(plugins)
    dataset = ClipDataset(Path(config.data))
    if not len(dataset):
        raise InputError(f"The data folder {config.data!r} holds no clips; prepare some first.")
    offer = plugins.find(BACKBONE, config.backbone).offer
    options = from_mapping(offer.training, config.objective, "The table [objective] of the recipe")
    backbone = _backbone(config, parts, device)
    check_data(dataset, config.backbone, backbone.built)
    own = {name: config.condition_options.get(name, {}) for name in offer.conditions}
    controller = _controller(config, parts)
    wanted = _wanted(config, parts, own)
    steering = Steering(
        backbone=backbone,
        own=building.build_conditions(parts, own, building.OWN),
        controller=controller,
        control=building.build_conditions(parts, wanted, building.CONTROL),
    )
    torch.manual_seed(config.seed)
    detach = backbone.built.attach(controller.built) if controller is not None else _nothing
    trainable: Any = backbone.built
    objective = Objective(steering, trainable.adapt(config.adaptation))
    for parameter in objective.parameters():
        if parameter.requires_grad:
            # Steps of 1e-5 are lost in half precision.
            parameter.data = parameter.data.float()
    assembly = Assembly(
        config=_resolved(config, parts, wanted, options),
        dataset=dataset,
        steering=steering,
        conditions=wanted,
        options=options,
        objective=objective,
        parts=parts,
        detach=detach,
    )
    if not assembly.trained:
        raise InputError(
            f"Nothing can be trained: the controller {config.controller!r} has no parameters and "
            f"adaptation.method is {config.adaptation.method!r}."
        )
    return assembly


def check_data(dataset: ClipDataset, name: str, backbone: Backbone) -> None:
    """Refuse clips that were prepared for another backbone, or whose size it cannot make.

    Raises:
        InputError: they do not fit.
    """
    made_for = dataset.meta.get("backbone")
    if isinstance(made_for, Mapping):
        made_for = made_for.get("name")
    if made_for and made_for != name:
        raise InputError(
            f"The clips were prepared for the backbone {made_for!r}, but {name!r} is to be "
            "trained; prepare them for it."
        )
    clip = dataset[0]
    check_form(backbone, name, clip.size, clip.frames)
    expected = backbone.latent_shape(clip.size, clip.frames)
    if tuple(clip.latents.shape) != tuple(expected):
        raise InputError(
            f"The clips' latents are {tuple(clip.latents.shape)!r}, but the backbone {name!r} "
            f"makes {tuple(expected)!r} of {clip.size[0]}x{clip.size[1]}; prepare them for it."
        )


def _backbone(config: TrainConfig, parts: Parts, device: torch.device) -> Part[Backbone]:
    known = parts.options_of(BACKBONE, config.backbone)
    place: dict[str, Any] = {"device": str(device), "weights": config.weights or None}
    if "dtype" in known:
        place["dtype"] = _DTYPES[config.precision]
    part = building.build_backbone(parts, config.backbone, place, config.backbone_options)
    if not isinstance(part.built, Trainable):
        raise InputError(
            f"The backbone {config.backbone!r} cannot be trained: it has no encodings(), draw(), "
            "adapt(), adapter_files() and save_weights()."
        )
    return part


def _controller(config: TrainConfig, parts: Parts) -> Part[Controller] | None:
    if not config.controller:
        return None
    if building.is_controller_folder(config.controller):
        raise InputError(
            f"controller must be the name of a controller, got the path {config.controller!r}."
        )
    part, _ = building.build_controller(parts, config.controller, config.controller_options)
    if not isinstance(part.built, SavedController):
        raise PluginError(
            f"The controller {config.controller!r} of {part.found.source} cannot be trained: it "
            "lacks save()."
        )
    return part


def _wanted(config: TrainConfig, parts: Parts, own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The controller's conditions, each with all its options."""
    wanted: dict[str, dict[str, Any]] = {}
    if config.controller:
        wanted = building.wanted_conditions(
            parts, config.controller, {}, config.conditions or None, config.condition_options
        )
    unread = [name for name in config.condition_options if name not in wanted and name not in own]
    if unread:
        parts.plugins.find(CONDITION, unread[0])
        raise InputError(
            f"The recipe has options of the condition {unread[0]!r}, but nothing reads it. The "
            f"conditions in use: {', '.join((*own, *wanted)) or 'none'}."
        )
    return {
        name: attrs.asdict(parts.plugins.configure(CONDITION, name, options))
        for name, options in wanted.items()
    }


def _resolved(
    config: TrainConfig, parts: Parts, conditions: Mapping[str, dict[str, Any]], options: Any
) -> TrainConfig:
    used = parts.used

    def of(role: str) -> dict[str, Any]:
        [given] = [each["config"] for each in used.get(role, [{"config": {}}])]
        return {key: value for key, value in given.items() if key not in _OF_PLACE}

    own = {each["name"]: each["config"] for each in used.get(building.OWN, [])}
    return attrs.evolve(
        config,
        backbone_options=of("backbone"),
        controller_options=of("controller"),
        conditions=tuple(conditions),
        condition_options={**own, **conditions},
        objective=attrs.asdict(options),
    )


def _nothing() -> None:
    return None
