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


@attrs.frozen(kw_only=True)
class DisConfig:
    """Options of the metrics ``[dis]``.

    Raises:
        InputError: a number is out of range.
    """

    side: int = 192
    """Short side in pixels to which larger frames are reduced before their motion is looked for;
    0 leaves them. Smaller frames are enlarged by the tracker itself."""
    quality: str = "balanced"
    """Of the tracker dis: fast, balanced or high."""

    def __attrs_post_init__(self) -> None:
        if self.side != 0 and self.side < 32:
            raise InputError(
                f"The side of what the tracker sees must be 0 or at least 32, got {self.side!r}."
            )


@attrs.frozen(kw_only=True)
class PosesConfig:
    """Options of ``camera-error[poses]``."""

    folder: str = ""
    """Where the poses lie that you found in the videos, MODEL/SUBSET/ITEM-seed0.txt each."""


@attrs.frozen(kw_only=True)
class MdVidConfig(DisConfig):
    """Options of ``md-vid[dis]``.

    Raises:
        InputError: a number is out of range.
    """

    frames: tuple[int, ...] = ()
    """The frames that are compared; all but the first unless given."""


@attrs.frozen(kw_only=True)
class PublishedMdVidConfig:
    """Options of ``md-vid``."""

    path: str = ""
    """The file scaled_offline.pth of facebook/cotracker3. Nothing is downloaded."""
    device: str = ""
    """Where the network runs; empty means where the frames are."""
    frames: tuple[int, ...] = ()
    """The frames that are compared; all but the first unless given."""


@attrs.frozen(kw_only=True)
class FrechetConfig:
    """Options of ``fid[efficientnet-lite0]``.

    Raises:
        InputError: the number is negative.
    """

    frames: int = 4
    """How many frames of a video count, evenly spread; 0 is all."""

    def __attrs_post_init__(self) -> None:
        if self.frames < 0:
            raise InputError(f"frames must be at least 0, got {self.frames!r}.")


@attrs.frozen(kw_only=True)
class MdImgConfig:
    """Options of ``md-img[efficientnet-lite0]``.

    Raises:
        InputError: a frame is below 1.
    """

    frames: tuple[int, ...] = ()
    """The frames that are compared with the first one; the last unless given."""

    def __attrs_post_init__(self) -> None:
        if any(frame < 1 for frame in self.frames):
            raise InputError(f"Frames to compare are at least 1, got {self.frames!r}.")


@attrs.frozen(kw_only=True)
class PublishedConfig:
    """Options of a metric whose network's weights the user brings."""

    path: str = ""
    """The file of the weights, or their folder where there are several. Nothing is downloaded."""
    device: str = "cpu"
    """Where the network runs."""


@attrs.frozen(kw_only=True)
class PublishedFrechetConfig(PublishedConfig):
    """Options of ``fid``.

    Raises:
        InputError: the number is negative.
    """

    frames: int = 0
    """How many frames of a video count, evenly spread; 0 is all, as published."""

    def __attrs_post_init__(self) -> None:
        if self.frames < 0:
            raise InputError(f"frames must be at least 0, got {self.frames!r}.")


@attrs.frozen(kw_only=True)
class DiftConfig(MdImgConfig):
    """Options of ``md-img``.

    Raises:
        InputError: a number is out of range.
    """

    path: str = ""
    """Folder of Stable Diffusion 2.1 in diffusers' form. Nothing is downloaded."""
    device: str = "cpu"
    """Where the networks run."""
    prompt: str = ""
    """What the photos show."""
    step: int = 261
    """Of the noise."""
    block: int = 1
    """Which up block of the network gives the features."""
    ensemble: int = 8
    """Draws of the noise that are averaged."""
    seed: int = 42
    """Of those draws."""
    side: int = 768
    """Side in pixels to which pictures are brought."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.ensemble < 1 or self.side < 64 or not 0 <= self.step < 1000:
            raise InputError(
                "md-img needs an ensemble of at least 1, a side of at least 64 and a step within "
                f"[0, 1000), got {self.ensemble!r}, {self.side!r} and {self.step!r}."
            )
