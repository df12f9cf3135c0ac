"""The tracker ``dis``: OpenCV's dense inverse search, with no weights to fetch.

Direct flow from the first frame to a late one loses whatever moved far, and a chain of flows
between neighbours drifts. So the chain starts the direct flow, and stays where the direct flow does
not agree with its own way back. Method: Kroeger et al., Fast Optical Flow using Dense Inverse
Search, ECCV 2016; the test of the way back: Sundaram et al., ECCV 2010, equation 5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.signals import Observation
from kinema_conditions.tracker_configs import DisConfig
from kinema_conditions.trackers.inputs import at_points, check_frames, check_points

#: Smaller frames are enlarged by a whole factor until their short side has this many pixels; the
#: patches of dense inverse search are 8 pixels wide and would swallow small objects.
SHORT_SIDE = 192
LARGEST_FACTOR = 8

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]
Grey = NDArray[np.uint8]


class Dis:
    """Dense motion by optical flow, visible where the way there and back agree."""

    def __init__(self, config: DisConfig) -> None:
        self.config = config

    def observe(self, frames: Tensor) -> Observation:
        """Dense motion from frame 0 of uint8 ``(T, H, W, 3)``, on the device of the frames.

        Raises:
            InputError: ``frames`` is no clip, or smaller than 8x8 pixels.
        """
        check_frames(frames)
        displacement, visible = self._from(frames, 0)
        return Observation(displacement=displacement, visible=visible)

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` of ``frame`` go: ``(T, N, 2)``, visible ``(T, N)``.

        Raises:
            InputError: ``frames`` is no clip, or a point is not in it.
        """
        check_frames(frames)
        check_points(frames, points, frame)
        displacement, visible = self._from(frames, frame)
        return at_points(displacement, visible, points.to(displacement))

    def _from(self, frames: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Displacement (T, H, W, 2) from frame ``start``, and whether each pixel is seen."""
        height, width = frames.shape[1:3]
        factor = min(max(1, math.ceil(SHORT_SIDE / min(height, width))), LARGEST_FACTOR)
        greys = [_grey(frame, factor) for frame in frames.cpu().numpy()]
        after = _Search(self.config).follow(greys[start:])
        before = _Search(self.config).follow(greys[start::-1])
        still = np.zeros((*greys[0].shape, 2), np.float32), np.ones(greys[0].shape, bool)
        found = [*reversed(list(before)), still, *after]
        moved = np.stack([_shrunk(flow, factor) / factor for flow, _ in found])
        seen = np.stack([_shrunk(mask.astype(np.float32), factor) > 0.5 for _, mask in found])
        return torch.from_numpy(moved).to(frames.device), torch.from_numpy(seen).to(frames.device)


class _Search:
    """Flow between pictures of one size."""

    def __init__(self, config: DisConfig) -> None:
        fast = config.quality == "fast"
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        self.corrected = not fast
        self.flow: Any = cv2.DISOpticalFlow.create(preset)
        if config.quality == "high":
            self.flow.setFinestScale(0)

    def follow(self, greys: list[Grey]) -> Iterator[tuple[Flow, Mask]]:
        """Flow (H, W, 2) from the first picture to each later one, and where it can be trusted."""
        first = greys[0]
        there = np.zeros((*first.shape, 2), np.float32)
        back = there.copy()
        for earlier, later in itertools.pairwise(greys):
            there = _joined(there, self._between(earlier, later))
            back = _joined(self._between(later, earlier), back)
            if not self.corrected:
                yield there, _returns(there, back)
                continue
            direct = self._between(first, later, there)
            direct_back = self._between(later, first, back)
            best = _where(_returns(direct, direct_back), direct, there)
            best_back = _where(_returns(direct_back, direct), direct_back, back)
            yield best, _returns(best, best_back)

    def _between(self, first: Grey, second: Grey, guess: Flow | None = None) -> Flow:
        # OpenCV writes the result into the guess.
        found: Flow = self.flow.calc(first, second, None if guess is None else guess.copy())
        return found


def _grey(frame: NDArray[np.uint8], factor: int) -> Grey:
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
    if factor > 1:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.asarray(grey, dtype=np.uint8)


def _shrunk(picture: Flow, factor: int) -> Flow:
    """The mean of each block of ``factor`` pixels, which lie about the centre of one."""
    size = picture.shape[1] // factor, picture.shape[0] // factor
    shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if factor > 1 else picture
    return np.asarray(shrunk, dtype=np.float32)


def _joined(first: Flow, second: Flow) -> Flow:
    """The flow that goes by ``first`` and from there by ``second``."""
    joined: Flow = first + _looked_up(second, first)
    return joined


def _returns(there: Flow, back: Flow) -> Mask:
    """Where ``there`` stays in the picture and ``back`` leads to the start again (equation 5)."""
    height, width = there.shape[:2]
    home = _looked_up(back, there)
    error = _squared(there + home)
    length = _squared(there) + _squared(home)
    x, y = _places(there)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    trusted: Mask = (error < 0.01 * length + 0.5) & inside
    return trusted


def _squared(flow: Flow) -> Flow:
    """The squared length; numpy is slow to sum over an axis of two."""
    length: Flow = np.square(flow[..., 0]) + np.square(flow[..., 1])
    return length


def _looked_up(flow: Flow, by: Flow) -> Flow:
    """``flow`` at the places that ``by`` leads to; outside, at the nearest border pixel."""
    x, y = _places(by)
    found = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def _places(flow: Flow) -> tuple[Flow, Flow]:
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)


def _where(mask: Mask, yes: Flow, no: Flow) -> Flow:
    chosen: Flow = np.where(mask[..., None], yes, no)
    return chosen
