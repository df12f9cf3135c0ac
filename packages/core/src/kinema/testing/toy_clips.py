"""A clip source and a tracker small enough to read, for tests of preparation and training.

This module is a plugin: register it, or name it as an entry point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import torch
from torch import Tensor

from kinema import offers
from kinema.errors import InputError
from kinema.hooks import hookimpl
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema.signals import Observation

#: Every toy clip drifts to the right by so many pixels per frame.
DRIFT = 1


@attrs.frozen(kw_only=True)
class ToyClipsConfig:
    """Options of ``toy-clips``."""

    count: int = 8
    """How many clips."""
    broken: tuple[int, ...] = ()
    """Clips that cannot be read."""
    still: tuple[int, ...] = ()
    """Clips in which nothing moves."""
    folder: str = ""
    """Not read; sources of files have this option."""


class ToyClips:
    """Noise that drifts to the right; every second clip knows so itself."""

    def __init__(self, config: ToyClipsConfig | None = None) -> None:
        self.config = config or ToyClipsConfig()

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """By number."""
        return [ClipItem(key=f"toy-{n}", place=(n,)) for n in range(self.config.count)]

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """Draw a clip."""
        number = int(item.place[0])
        if number in self.config.broken:
            raise InputError(f"The toy clip {number} cannot be read.")
        noise = torch.Generator().manual_seed(number)
        width, height = form.size
        picture = torch.randint(0, 256, (height, width, 3), generator=noise, dtype=torch.uint8)
        step = 0 if number in self.config.still else DRIFT
        frames = torch.stack([picture.roll(step * t, 1) for t in range(form.frames)])
        seen = drift(frames, step) if number % 2 else None
        return RawClip(frames=frames, caption=f"noise {number}", source=item.key, observation=seen)


class ToyTracker:
    """Says that everything drifts as toy clips do."""

    def observe(self, frames: Tensor) -> Observation:
        """The drift, whatever the frames show."""
        return drift(frames, DRIFT)

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """The points, drifting."""
        time = torch.arange(len(frames)) - frame
        shift = torch.stack([time * DRIFT, time * 0], dim=-1)
        return points + shift[:, None], torch.ones(len(frames), len(points), dtype=torch.bool)


def drift(frames: Tensor, step: int) -> Observation:
    """What is true about frames ``(T, H, W, 3)`` that move right by ``step`` pixels a frame."""
    count, height, width = frames.shape[:3]
    displacement = torch.zeros(count, height, width, 2)
    displacement[..., 0] = step * torch.arange(count)[:, None, None]
    visible = torch.arange(width) + displacement[..., 0] <= width - 1
    return Observation(displacement=displacement, visible=visible)


@hookimpl
def kinema_clip_sources() -> Iterable[offers.ClipSourceOffer]:
    """Offer the clips."""
    yield offers.ClipSourceOffer(
        name="toy-clips", summary="Drifting noise.", factory=ToyClips, config=ToyClipsConfig
    )


@hookimpl
def kinema_trackers() -> Iterable[offers.TrackerOffer]:
    """Offer the tracker."""
    yield offers.TrackerOffer(
        name="toy-drift", summary="Says that all drifts.", factory=lambda _: ToyTracker()
    )
