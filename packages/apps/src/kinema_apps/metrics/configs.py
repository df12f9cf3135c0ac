"""Options of the metrics. Plain data: nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class TrajectoryDistanceConfig:
    """Options of ``trajectory-distance``.

    Raises:
        InputError: a number is out of range.
    """

    tracker: str = "dis"
    """Name of the tracker that follows the dragged points."""
    tracker_options: Mapping[str, Any] = attrs.field(factory=dict)
    """Options of that tracker."""
    block: int = 8
    """Side in pixels of the block of points around each drag's start, whose median counts; smaller
    in proportion where the short side has less than 320 pixels."""
    frames: int = 0
    """How many frames from the first are measured; 0 is all."""
    upscale: float = 0.0
    """How much the frames are enlarged (bicubic) for the tracker; 0 enlarges by the whole factor
    that brings the short side to 256 pixels."""

    def __attrs_post_init__(self) -> None:
        if self.block < 1 or self.frames < 0 or self.frames == 1:
            raise InputError(
                f"trajectory-distance needs a block of at least 1 and 0 or at least 2 frames, got "
                f"{self.block!r} and {self.frames!r}."
            )
        if not (self.upscale == 0.0 or 1.0 <= self.upscale <= 16.0):
            raise InputError(
                f"trajectory-distance's upscale must be 0 or within [1, 16], got {self.upscale!r}."
            )
