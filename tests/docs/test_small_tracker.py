"""The tracker that "Write a tracker" shows, whole."""

from __future__ import annotations

# --8<-- [start:class]
import itertools
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from kinema.interfaces import Tracker
from kinema.signals import Observation


class Shift:
    def observe(self, frames: Tensor) -> Observation:
        moved = self.shifts(frames)  # (T, 2)
        rows, columns = torch.arange(frames.shape[1]), torch.arange(frames.shape[2])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        tracks, visible = self.follow(torch.stack([x, y], dim=-1).float(), moved, frames)
        return Observation(displacement=tracks - tracks[:1], visible=visible)

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        moved = self.shifts(frames)
        return self.follow(points, moved - moved[frame], frames)

    def shifts(self, frames: Tensor) -> Tensor:
        greys = frames.float().mean(-1).numpy()
        steps = torch.zeros(len(greys), 2)
        for number, (earlier, later) in enumerate(itertools.pairwise(greys), start=1):
            still = np.eye(2, 3, dtype=np.float32)
            _, slide = cv2.findTransformECC(earlier, later, still, cv2.MOTION_TRANSLATION)
            steps[number] = torch.tensor(slide[:, 2])
        return steps.cumsum(dim=0)

    def follow(self, points: Tensor, moved: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        tracks = points + moved.reshape(-1, *[1] * (points.ndim - 1), 2)
        far = torch.tensor([frames.shape[2] - 1, frames.shape[1] - 1])
        return tracks, ((tracks >= 0) & (tracks <= far)).all(-1)


# --8<-- [end:class]

# --8<-- [start:contract]
from kinema.testing import TrackerContract  # noqa: E402


class TestShift(TrackerContract):
    def make(self) -> Tracker:
        return Shift()


# --8<-- [end:contract]

# --8<-- [start:offer]
from collections.abc import Iterable  # noqa: E402

from kinema import hookimpl, offers  # noqa: E402


def build(config: Any) -> Tracker:
    return Shift()


@hookimpl
def kinema_trackers() -> Iterable[offers.TrackerOffer]:
    yield offers.TrackerOffer(
        name="shift",
        summary="Takes the whole picture to slide.",
        factory=build,
    )


# --8<-- [end:offer]


def test_it_can_be_offered() -> None:
    [offer] = kinema_trackers()
    assert isinstance(offer.factory(offer.config()), Tracker)
