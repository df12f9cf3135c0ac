"""What observers of a run or of a training are told, and how they are called."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pluggy

from kinema.errors import KinemaWarning
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion


@attrs.frozen(kw_only=True)
class Run:
    """One video in the making, as events see it.

    Attributes:
        backbone, controller: names of their offers; the controller's is empty if there is none.
        motion: on a canvas of the video's size.
        size: (width, height).
        frames: T.
        fps: frames per second.
        seed: of all randomness.
        sample: the sampling options, of the backbone's own class.
        prompt: what is to be seen, or empty.
    """

    backbone: str
    controller: str
    motion: Motion
    size: Size
    frames: int
    fps: float
    seed: int
    sample: Any
    prompt: str = ""


@attrs.frozen(kw_only=True)
class Training:
    """One training in progress.

    Attributes:
        name: of the run folder.
        folder: where checkpoints, the resolved config and the samples go.
        config: the resolved recipe, as plain data.
        clips: clips of the data set.
        trainable: parameters being trained.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    clips: int
    trainable: int


def notify(observers: pluggy.HookRelay, event: str, **values: Any) -> None:
    """Call ``event`` on every observer; one that fails is named in a warning, nothing more."""
    for implementation in getattr(observers, event).get_hookimpls():
        try:
            implementation.function(*(values[name] for name in implementation.argnames))
        except Exception as error:
            warnings.warn(
                f"The plugin {implementation.plugin_name!r} failed in {event}: "
                f"{type(error).__name__}: {error}",
                KinemaWarning,
                stacklevel=2,
            )
