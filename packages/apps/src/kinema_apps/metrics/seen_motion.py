"""How a video moves, as the tracker ``dis`` sees it: looked at once, for all metrics that ask."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Tracker
from kinema.offers import TRACKER
from kinema.plugins import Plugins
from kinema.signals import Observation

_Found = TypeVar("_Found")


class Once(Generic[_Found]):
    """A function of a video, remembered for the last video alone.

    Args:
        of: the function.
    """

    def __init__(self, of: Callable[[Tensor], _Found]) -> None:
        self._of = of
        self._last: tuple[weakref.ref[Tensor], _Found] | None = None

    def __call__(self, frames: Tensor) -> _Found:
        """What the function gives for these very frames, which nobody changes."""
        if self._last is None or self._last[0]() is not frames:
            self._last = weakref.ref(frames), self._of(frames)
        return self._last[1]


class SeenMotion:
    """Dense motion of a video from its first frame, in pixels of the video.

    Args:
        side: short side to which larger frames are reduced first; 0 leaves them.
        quality: of the tracker.
        plugins: where it is looked up.
    """

    def __init__(self, side: int, quality: str, plugins: Plugins) -> None:
        self.side = side
        self._tracker: Tracker = plugins.build(TRACKER, "dis", {"quality": quality})
        self._observe = Once(self._look)

    def __call__(self, frames: Tensor) -> Observation:
        """Of uint8 ``(T, H, W, 3)``; the same object for the same frames.

        Raises:
            InputError: the frames are no video of at least two frames.
        """
        return self._observe(frames)

    def _look(self, frames: Tensor) -> Observation:
        check_video(frames)
        reduced = smaller(frames, self.side)
        seen = self._tracker.observe(reduced)
        if reduced is frames:
            return seen
        height, width = frames.shape[1:3]
        low = reduced.shape[1:3]
        scale = torch.tensor([width / low[1], height / low[0]])
        # Planes are interpolated, and vectors added up, many times as fast where they lie in order.
        planes = seen.displacement.permute(0, 3, 1, 2).contiguous()
        maps = F.interpolate(planes, (height, width), mode="bilinear").permute(0, 2, 3, 1)
        visible = F.interpolate(seen.visible[:, None].float(), (height, width), mode="nearest")
        return Observation(displacement=maps.contiguous() * scale, visible=visible[:, 0] > 0.5)


def seen_motion(side: int, quality: str, plugins: Plugins | None = None) -> SeenMotion:
    """The one of these options: all metrics of a process share it, so that a video is seen once."""
    return _shared(side, quality, plugins or Plugins.installed())


@functools.lru_cache(maxsize=4)
def _shared(side: int, quality: str, plugins: Plugins) -> SeenMotion:
    return SeenMotion(side, quality, plugins)


def smaller(frames: Tensor, side: int) -> Tensor:
    """uint8 frames ``(T, H, W, 3)`` whose short side has at most ``side`` pixels, averaged."""
    height, width = frames.shape[1:3]
    short = min(height, width)
    if side == 0 or short <= side:
        return frames
    size = round(height * side / short), round(width * side / short)
    # 8-bit pictures are averaged many times as fast as floats, on processors alone.
    pictures = frames.cpu().permute(0, 3, 1, 2)
    reduced = F.interpolate(pictures, size, mode="bilinear", antialias=True)
    return reduced.permute(0, 2, 3, 1).contiguous().to(frames.device)


def check_video(frames: Tensor, least: int = 2) -> None:
    """Refuse what is no video.

    Raises:
        InputError: it is not uint8 ``(T, H, W, 3)``, or has fewer frames than ``least``.
    """
    shape = tuple(frames.shape)
    if len(shape) != 4 or shape[-1] != 3 or shape[0] < least or frames.dtype != torch.uint8:
        raise InputError(
            f"A video to measure must be uint8 frames (T, H, W, 3), at least {least} of them; got "
            f"{shape!r} of {frames.dtype}."
        )


def sampled(maps: Tensor, points: Tensor) -> Tensor:
    """``maps`` ``(T, H, W, C)`` at ``points`` ``(N, 2)`` pixels, bilinear: ``(T, N, C)``."""
    height, width = maps.shape[1:3]
    far = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=torch.float32)
    grid = (points.float() / far * 2 - 1).expand(len(maps), 1, -1, -1)
    found: Any = F.grid_sample(
        maps.permute(0, 3, 1, 2).float(),
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return found[:, :, 0].permute(0, 2, 1)  # type: ignore[no-any-return]
