"""``motion-frechet[dis]``: whether videos move as real ones do, without looking at pictures.

After FVMD (Liu et al. 2024): the Fréchet distance of histograms of velocity and acceleration.
There, points are tracked by PIPs++; here the tracker ``dis`` gives the motion of a grid of points.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.errors import InputError
from kinema.evaluation.frechet import estimate
from kinema.interfaces import Estimate
from kinema.plugins import Plugins
from kinema_apps.metrics.configs import DisConfig
from kinema_apps.metrics.seen_motion import check_video, seen_motion

#: Directions that are told apart, and lengths per frame in pixels of a picture 512 wide.
DIRECTIONS = 8
LENGTHS = (0.5, 2.0, 8.0)

#: Points per side of the grid.
GRID = 32

WIDTH = 512.0


class MotionFrechet:
    """Squared Fréchet distance of motion histograms; a number without a unit."""

    def __init__(self, config: DisConfig, plugins: Plugins | None = None) -> None:
        self._seen = seen_motion(config.side, config.quality, plugins)

    def features(self, frames: Tensor) -> NDArray[np.float32]:
        """One row of 64 numbers for uint8 ``(T, H, W, 3)`` frames.

        Raises:
            InputError: the video has fewer than three frames, so that nothing accelerates.
        """
        check_video(frames, least=3)
        moved = self._seen(frames).displacement
        height, width = moved.shape[1:3]
        rows = torch.linspace(0, height - 1, min(GRID, height)).round().long()
        columns = torch.linspace(0, width - 1, min(GRID, width)).round().long()
        points = moved[:, rows][:, :, columns] * (WIDTH / width)
        velocity = points.diff(dim=0)
        both = [histogram(velocity), histogram(velocity.diff(dim=0))]
        return np.concatenate(both)[None].astype(np.float32)

    def score(
        self, videos: Iterable[NDArray[np.float32]], reference: Iterable[NDArray[np.float32]]
    ) -> Estimate:
        """The distance, with its interval.

        Raises:
            InputError: there are fewer than two videos on a side.
        """
        return estimate(videos, reference)


def histogram(vectors: Tensor) -> NDArray[np.float64]:
    """The square roots of the shares of 8 directions times 4 lengths among ``(..., 2)`` vectors."""
    x, y = vectors[..., 0].flatten().double(), vectors[..., 1].flatten().double()
    turn = torch.atan2(y, x) / (2 * torch.pi) * DIRECTIONS
    direction = (turn.round().long()) % DIRECTIONS
    edges = torch.tensor(LENGTHS, dtype=torch.float64)
    length = torch.bucketize(torch.hypot(x, y), edges)
    bins = DIRECTIONS * (len(LENGTHS) + 1)
    counts = torch.bincount(direction * (len(LENGTHS) + 1) + length, minlength=bins)
    if not len(x):
        raise InputError("A histogram needs at least one vector.")
    return (counts.double() / len(x)).sqrt().numpy()
