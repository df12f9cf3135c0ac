"""Building what is named: a backbone, a controller, their conditions, a solver, depth."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from kinema.checkpoints import RECORD, ControllerRecord
from kinema.config import from_mapping
from kinema.errors import InputError
from kinema.interfaces import Backbone, Condition, Controller, DepthEstimator, DepthMap, Solver
from kinema.media.photo import Photo
from kinema.offers import (
    BACKBONE,
    CONDITION,
    CONTROLLER,
    DEPTH_ESTIMATOR,
    SOLVER,
    BackboneOffer,
    no_files,
)
from kinema.plugins import Plugins
from kinema.sampling import SOLVERS
from kinema.session.parts import Part, Parts, is_path

Options = Mapping[str, Any]

#: Roles under which a manifest tells the conditions of a controller from a backbone's own.
OWN, CONTROL = "condition", "control condition"


def control_role(place: int) -> str:
    """The role of the conditions of the controller at a place among several, from 0."""
    return CONTROL if place == 0 else f"{CONTROL} {place + 1}"


def build_backbone(parts: Parts, name: str, place: Options, options: Options) -> Part[Backbone]:
    """A backbone with its options.

    Args:
        place: where it computes and what it reads (``device``, ``weights``, ``dtype``); None leaves
            one to the backbone. ``options`` win.

    Raises:
        InputError: it has no such option.
        WeightsError: weights are absent.
    """
    known = parts.options_of(BACKBONE, name)
    chosen = dict(options)
    for key, value in place.items():
        if key in known and value is not None:
            chosen.setdefault(key, os.fspath(value) if key == "weights" else value)
        elif value is not None and key != "device":
            raise InputError(f"The backbone {name!r} has no {key} to choose, got {value!r}.")
    return parts.build(BACKBONE, name, chosen)


def sample_config(offer: BackboneOffer, given: Any) -> Any:
    """The sampling config of a backbone's own class.

    Args:
        given: such a config, or a mapping of its options.

    Raises:
        InputError: an option is unknown or refused.
    """
    if isinstance(given, offer.sample):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise InputError(
            f"The sampling options of the backbone {offer.name!r} are a mapping or a "
            f"{offer.sample.__name__}, got {type(given).__name__}."
        )
    what = f"The config of sampling with {offer.name!r}"
    return from_mapping(offer.sample, dict(given or {}), what)


def build_controller(
    parts: Parts, choice: str, options: Options
) -> tuple[Part[Controller], Mapping[str, Options]]:
    """A controller by its name or its folder, and the conditions it was trained on, if it was.

    Raises:
        InputError: the name or an option is unknown.
        WeightsError: the folder is absent or holds no controller.
    """
    if not is_controller_folder(choice):
        return parts.build(CONTROLLER, choice, options), {}
    folder = Path(choice)
    record = ControllerRecord.read(folder)
    part = parts.build(
        CONTROLLER,
        record.controller,
        {**record.config, **options, "weights": str(folder.absolute())},
    )
    parts.read(folder / RECORD)
    if part.found.offer.files is no_files:
        parts.read(*sorted(folder.rglob("*.safetensors")))
    if record.licence:
        parts.licences.append(f"{folder.name}: {record.licence}")
    return part, record.conditions


def is_controller_folder(choice: str) -> bool:
    """Whether a choice of controller is a folder: it has a separator, or holds a record."""
    separators = [os.sep, *([os.altsep] if os.altsep else [])]
    return any(each in choice for each in separators) or (Path(choice) / RECORD).is_file()


def wanted_conditions(
    parts: Parts,
    controller: str,
    trained: Mapping[str, Options],
    names: Iterable[str] | None,
    options: Mapping[str, Options],
) -> dict[str, dict[str, Any]]:
    """The conditions of a controller in channel order, each with its options.

    Args:
        trained: what it was trained on.
        names: which to take instead; None takes those it was trained on, or asks for.
        options: by condition; they win over those of training.
    """
    chosen = list(trained) if trained else _asked(parts, controller)
    if names is not None:
        chosen = list(names)
    return {name: {**trained.get(name, {}), **options.get(name, {})} for name in chosen}


def _asked(parts: Parts, controller: str) -> list[str]:
    return list(parts.plugins.find(CONTROLLER, controller).offer.conditions)


def build_conditions(
    parts: Parts, wanted: Mapping[str, Options], role: str
) -> list[Part[Condition]]:
    """Conditions by name, with their options, under a role of the manifest."""
    return [parts.build(CONDITION, name, options, role) for name, options in wanted.items()]


def place(controller: Controller, backbone: Backbone) -> None:
    """Move a controller with parameters to where its backbone computes."""
    module: Any = controller
    if isinstance(module, nn.Module):
        module.to(backbone.device, backbone.dtype).eval()


def build_solver(parts: Parts, config: Any, options: Options, record: bool) -> Solver:
    """A fresh solver for one run, by the name that a sampling config gives.

    Args:
        record: whether the manifest is to name it; once per session.

    Raises:
        InputError: the name or an option is unknown.
    """
    name = getattr(config, "solver", "")
    if not name:
        return SOLVERS["euler"]  # a backbone of one step, which any solver takes
    if record:
        return parts.build(SOLVER, name, options).built
    return parts.plugins.build(SOLVER, name, options)


class Depths:
    """The depth estimator of a session, built when a photo's depth is first asked for.

    Args:
        choice: its name, or the path of a file of depth; None takes the one that offers itself
            where none is named.
        options: of it.

    Raises:
        InputError: the choice is neither a depth estimator nor an existing file, or an option is
            unknown or refused.
    """

    def __init__(self, parts: Parts, choice: str | None, options: Options, device: Any) -> None:
        self._parts = parts
        self._options = dict(options)
        self._device = str(device)
        self._built: Part[DepthEstimator] | None = None
        self._name = choice
        if choice is not None:
            self._name, said = chosen_depth(parts.plugins, choice)
            self._options.update(said)
        if options:  # a photo's depth may never be asked for, and a typo not be noticed
            parts.plugins.configure(DEPTH_ESTIMATOR, self._chosen(), self._options)

    def of(self, photo: Photo, fit: Any) -> DepthMap:
        """The depth of a photo that lies on a canvas already."""
        part = self._part()
        with part.calling("estimate()") as estimator:
            return estimator.estimate(photo.tensor(), fit)

    def _part(self) -> Part[DepthEstimator]:
        if self._built is None:
            name = self._chosen()
            if "device" in self._parts.options_of(DEPTH_ESTIMATOR, name):
                self._options = {"device": self._device, **self._options}
            self._built = self._parts.build(DEPTH_ESTIMATOR, name, self._options)
        return self._built

    def _chosen(self) -> str:
        return self._name or chosen_depth(self._parts.plugins, None)[0]


def chosen_depth(plugins: Plugins, choice: str | None) -> tuple[str, dict[str, str]]:
    """The depth estimator that a choice means, and the options that the choice gives it.

    Args:
        plugins: where it is looked up.
        choice: its name, or the path of a file of depth, which one that reads files takes; None
            means the one that offers itself where none is named.

    Raises:
        InputError: it is neither a depth estimator nor an existing file.
    """
    if choice is None:
        return plugins.default(DEPTH_ESTIMATOR).offer.name, {}
    if not is_path(choice):
        return plugins.find(DEPTH_ESTIMATOR, choice).offer.name, {}
    if not Path(choice).is_file():
        raise InputError(f"The depth file {choice!r} does not exist.")
    for found in plugins.all(DEPTH_ESTIMATOR):
        if found.offer.path_option:
            return found.offer.name, {found.offer.path_option: choice}
    raise InputError(f"Nothing that is installed reads the depth file {choice!r}.")
