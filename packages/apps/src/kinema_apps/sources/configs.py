"""Options of the clip sources. Plain data: nothing here loads torch."""

from __future__ import annotations

import attrs

from kinema.errors import InputError


def check_cut(name: str, cut: float) -> None:
    """Refuse a threshold out of range.

    Raises:
        InputError: naming the source.
    """
    if not 0 < cut <= 1:
        raise InputError(f"The option cut of {name!r} must be within (0, 1], got {cut!r}.")


@attrs.frozen(kw_only=True)
class VideosConfig:
    """Options of ``videos``.

    Raises:
        InputError: a value is out of range.
    """

    folder: str = ""
    """Folder of videos, searched with its sub-folders. A text file beside a video, of its name and
    the suffix .txt, is its caption."""
    stride: float = 0.0
    """Seconds from one clip's start to the next one's; 0 takes a clip's length."""
    most_per_video: int = 0
    """At most so many clips of each video, from its start; 0 takes all."""
    cut: float = 0.2
    """A clip is dropped as ``scene cut`` where the colours of two neighbouring frames differ by
    more than this share, and by four times what the clip's frames usually do; 1 is off."""
    licence: str = ""
    """Of the videos, to be kept with each clip."""

    def __attrs_post_init__(self) -> None:
        check_cut("videos", self.cut)
        if self.stride < 0 or self.most_per_video < 0:
            raise InputError(
                f"'videos' needs stride and most_per_video of at least 0, got {self.stride!r} and "
                f"{self.most_per_video!r}."
            )


@attrs.frozen(kw_only=True)
class MotionProFolderConfig:
    """Options of ``motionpro-folder``."""

    folder: str = ""
    """Folder with one sub-folder per clip: video.mp4, its flow as .npy, its visibility as .jpg."""
    licence: str = ""
    """Of the videos, to be kept with each clip."""


@attrs.frozen(kw_only=True)
class WebDatasetConfig:
    """Options of ``webdataset``.

    Raises:
        InputError: a value is out of range.
    """

    folder: str = ""
    """Folder of .tar files. Members of one name belong together: a video, and .txt or .json with
    its caption."""
    caption_key: str = "caption"
    """Where a .json says the caption."""
    cut: float = 0.2
    """As of ``videos``."""
    licence: str = ""
    """Of the videos, to be kept with each clip."""

    def __attrs_post_init__(self) -> None:
        check_cut("webdataset", self.cut)
