"""The parts of a training, built by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import nn

from kinema.clips.dataset import ClipDataset
from kinema.errors import InputError, PluginError
from kinema.interfaces import Backbone, Condition, Controller, SavedController, Trainable
from kinema.offers import BackboneOffer, ControllerOffer
from kinema.plugins import Plugins
from kinema.session.parts import Parts
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
        backbone: with the controller attached, and trainable.
        controller: None if the backbone is trained alone.
        conditions: names of the controller's conditions with all their options.
        control: those conditions.
        own: the conditions that the backbone reads itself.
        objective: the loss; its parameters with ``requires_grad`` are trained.
        parts: what was built and read.
        detach: restores the backbone.
    """

    config: TrainConfig
    dataset: ClipDataset
    backbone: Backbone
    controller: Controller | None
    conditions: Mapping[str, Mapping[str, Any]]
    control: Sequence[Condition]
    own: Sequence[Condition]
    objective: Objective
    parts: Parts
    detach: Callable[[], None]

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
    backbone = _backbone(config, parts, device)
    check_data(dataset, config.backbone, backbone)
    offer = parts.plugins.find("backbone", config.backbone).offer
    assert isinstance(offer, BackboneOffer)
    own = [parts.build("condition", name, {}) for name in offer.conditions]
    controller = _controller(config, parts)
    wanted = _wanted(config, parts)
    control: list[Condition] = [
        parts.build("condition", name, options, "control condition")
        for name, options in wanted.items()
    ]
    torch.manual_seed(config.seed)
    detach = backbone.attach(controller) if controller is not None else _nothing
    assert isinstance(backbone, Trainable)
    network = backbone.adapt(config.adaptation)
    objective = Objective(backbone, network, controller, control, own, config.motion_bucket)
    for parameter in objective.parameters():
        if parameter.requires_grad:
            # Steps of 1e-5 are lost in half precision.
            parameter.data = parameter.data.float()
    assembly = Assembly(
        config=_resolved(config, parts, wanted),
        dataset=dataset,
        backbone=backbone,
        controller=controller,
        conditions=wanted,
        control=control,
        own=own,
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
    backbone.check(clip.size, clip.frames)
    expected = backbone.latent_shape(clip.size, clip.frames)
    if tuple(clip.latents.shape) != tuple(expected):
        raise InputError(
            f"The clips' latents are {tuple(clip.latents.shape)!r}, but the backbone {name!r} "
            f"makes {tuple(expected)!r} of {clip.size[0]}x{clip.size[1]}; prepare them for it."
        )


def _backbone(config: TrainConfig, parts: Parts, device: torch.device) -> Backbone:
    known = parts.options_of("backbone", config.backbone)
    options = dict(config.backbone_options)
    if config.weights:
        if "weights" not in known:
            raise InputError(
                f"The backbone {config.backbone!r} has no weights to choose, got "
                f"{config.weights!r}."
            )
        options["weights"] = config.weights
    if "device" in known:
        options.setdefault("device", str(device))
    if "dtype" in known:
        options.setdefault("dtype", _DTYPES[config.precision])
    backbone: Backbone = parts.build("backbone", config.backbone, options)
    if not isinstance(backbone, Trainable):
        raise InputError(
            f"The backbone {config.backbone!r} cannot be trained: it has no encodings(), adapt(), "
            "adapter_files() and save_weights()."
        )
    return backbone


def _controller(config: TrainConfig, parts: Parts) -> Controller | None:
    if not config.controller:
        return None
    if os.sep in config.controller:
        raise InputError(
            f"controller must be the name of a controller, got the path {config.controller!r}."
        )
    controller: Controller = parts.build("controller", config.controller, config.controller_options)
    if not isinstance(controller, SavedController):
        found = parts.plugins.find("controller", config.controller)
        raise PluginError(
            f"The controller {config.controller!r} of {found.source} cannot be trained: it lacks "
            "save()."
        )
    return controller


def _wanted(config: TrainConfig, parts: Parts) -> dict[str, dict[str, Any]]:
    if not config.controller:
        return {}
    offer = parts.plugins.find("controller", config.controller).offer
    assert isinstance(offer, ControllerOffer)
    wanted = config.conditions or {name: {} for name in offer.conditions}
    return {
        name: attrs.asdict(parts.plugins.configure("condition", name, options))
        for name, options in wanted.items()
    }


def _resolved(
    config: TrainConfig, parts: Parts, conditions: Mapping[str, dict[str, Any]]
) -> TrainConfig:
    used = {role: items[0]["config"] for role, items in parts.used.items()}

    def options(role: str) -> dict[str, Any]:
        given = used.get(role, {})
        return {key: value for key, value in given.items() if key not in _OF_PLACE}

    return attrs.evolve(
        config,
        backbone_options=options("backbone"),
        controller_options=options("controller"),
        conditions=dict(conditions),
    )


def _nothing() -> None:
    return None
