"""Say what in a photo should move, and how; get a video.

The names below are the public API. Those that need a tensor library are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema import offers
from kinema.errors import (
    Cancelled,
    ExtraError,
    FormError,
    InputError,
    KinemaError,
    MotionError,
    NotFiniteError,
    PluginError,
    WeightsError,
)
from kinema.hooks import hookimpl
from kinema.motion.camera import CAMERA_MOVES, CameraMove, CameraPath
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.motion.tracks import Tracks
from kinema.motion.transform import Keyframe
from kinema.plugins import Plugins

if TYPE_CHECKING:
    from kinema.config import SampleConfig
    from kinema.evaluation.run import evaluate
    from kinema.media.video import Video, read_photo
    from kinema.observing.compose import compose
    from kinema.observing.observe import observe
    from kinema.sampling import sample
    from kinema.session.animate import animate
    from kinema.session.job import Job
    from kinema.session.replay import rerun
    from kinema.session.session import Session
    from kinema.signals import MotionSignal, Observation

__all__ = [
    "CAMERA_MOVES",
    "CameraMove",
    "CameraPath",
    "Cancelled",
    "Drag",
    "ExtraError",
    "FormError",
    "InputError",
    "Job",
    "Keyframe",
    "KinemaError",
    "Motion",
    "MotionError",
    "MotionSignal",
    "NotFiniteError",
    "Observation",
    "PluginError",
    "Plugins",
    "Region",
    "SampleConfig",
    "Session",
    "Tracks",
    "Video",
    "WeightsError",
    "__version__",
    "animate",
    "compose",
    "evaluate",
    "hookimpl",
    "observe",
    "offers",
    "read_photo",
    "rerun",
    "sample",
]

_LAZY = {
    "Job": "kinema.session.job",
    "MotionSignal": "kinema.signals",
    "Observation": "kinema.signals",
    "SampleConfig": "kinema.config",
    "Session": "kinema.session.session",
    "Video": "kinema.media.video",
    "animate": "kinema.session.animate",
    "compose": "kinema.observing.compose",
    "evaluate": "kinema.evaluation.run",
    "observe": "kinema.observing.observe",
    "read_photo": "kinema.media.photo",
    "rerun": "kinema.session.replay",
    "sample": "kinema.sampling",
}

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> object:
        import importlib

        if name == "__version__":
            from importlib.metadata import version

            return version("kinema")
        if name not in _LAZY:
            raise AttributeError(f"module 'kinema' has no attribute {name!r}")
        return getattr(importlib.import_module(_LAZY[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
