"""What is measured of one video, and in which form it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.errors import InputError
from kinema.files import write_atomically
from kinema.interfaces import Case, Metric, NamedMetric, TruthMetric
from kinema.offers import Need


def outcome(
    identity: str, status: str, values: Mapping[str, float] | None = None, reason: str = ""
) -> dict[str, Any]:
    """What a record says of one metric: whose identity, how it went, and the numbers."""
    made: dict[str, Any] = {"identity": identity, "status": status, "reason": reason}
    if values is not None:
        made["values"] = dict(values)
    return made


def lacking(needs: tuple[Need, ...], case: Case) -> str:
    """Why a metric with these needs cannot be computed for an item; empty if it can."""
    motion, known = case.motion, case.truth.known
    there = {
        "drags": bool(motion.drags) and motion.camera is None,
        "camera": motion.camera is not None,
        "truth-frames": "frames" in known,
        "truth-motion": "motion" in known,
        "truth-camera": "camera" in known,
        "truth-depth": "depth" in known,
        "reference": True,
    }
    words = {
        "drags": "its motion has no drag, or a camera that carries its drags along",
        "camera": "its motion has no camera path",
        "truth-frames": "its real video is not known",
        "truth-motion": "where its points go is not known",
        "truth-camera": "its camera's poses are not known",
        "truth-depth": "its depth is not known",
    }
    return "; ".join(words[need] for need in needs if not there[need])


def values_of(
    name: str, metric: Metric, frames: torch.Tensor, case: Case, video: str
) -> dict[str, float]:
    """The finite numbers of one metric; ``video`` is the name that such metrics are told.

    Raises:
        InputError: a number is not finite.
    """
    height, width = frames.shape[1:3]
    motion = case.motion.fitted((width, height))
    if isinstance(metric, NamedMetric):
        values = metric.compare_named(frames, motion, case.truth, video)
    elif isinstance(metric, TruthMetric):
        values = metric.compare(frames, motion, case.truth)
    else:
        values = metric.measure(frames, motion)
    for key, value in values.items():
        if not np.isfinite(value):
            raise InputError(f"The metric {name!r} gives {key} = {value!r}, no finite number.")
    return {key: float(value) for key, value in values.items()}


def write_features(path: Path, features: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """Keep features ``(n, d)`` of one video.

    Raises:
        InputError: they are of another form, or not finite.
    """
    array = np.asarray(features)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise InputError(f"Features must be finite and (n, d), got the shape {array.shape!r}.")

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, array.astype(np.float32))

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)
