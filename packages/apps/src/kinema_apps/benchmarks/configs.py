"""Options of the benchmarks. Plain data: nothing here loads torch."""

from __future__ import annotations

import attrs

from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class FolderConfig:
    """Options of the benchmark ``folder``.

    Raises:
        InputError: a number is out of range.
    """

    folder: str = ""
    """Where the photos and motions lie."""
    frames: int = 0
    """T of the videos; 0 leaves it to the motion and the model."""

    def __attrs_post_init__(self) -> None:
        if self.frames < 0 or self.frames == 1:
            raise InputError(f"A video has at least 2 frames, got {self.frames!r}.")


@attrs.frozen(kw_only=True)
class McBenchConfig:
    """Options of the benchmark ``mc-bench``.

    Raises:
        InputError: a number is out of range.
    """

    folder: str = ""
    """Where Fine_grained_control/ and object_control/ lie."""
    frames: int = 16
    """T of the videos; the paper's is 16."""

    def __attrs_post_init__(self) -> None:
        if self.frames < 2:
            raise InputError(f"A video has at least 2 frames, got {self.frames!r}.")


@attrs.frozen(kw_only=True)
class VideosBenchmarkConfig:
    """Options of the benchmark ``videos``.

    Raises:
        InputError: a number is out of range.
    """

    folder: str = ""
    """Where the videos lie."""
    width: int = 512
    """Of the clips, in pixels; videos are resized to cover them and cropped at the centre."""
    height: int = 320
    """Of the clips, in pixels."""
    frames: int = 16
    """T."""
    fps: float = 8.0
    """Frames per second."""
    k: int = 8
    """Side in pixels of the blocks that may become trajectories."""
    ratio: float = 0.85
    """Share of the blocks that does not; the paper keeps 15 %."""
    tracker: str = "dis"
    """Name of the tracker that sees how the real clips move."""
    seed: int = 0
    """Which blocks are kept."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def __attrs_post_init__(self) -> None:
        if min(self.size) < 16 or self.frames < 2 or not self.fps > 0:
            raise InputError(
                "The benchmark 'videos' needs at least 16x16 pixels, 2 frames and a positive fps, "
                f"got {self.width}x{self.height}, {self.frames!r} and {self.fps!r}."
            )
        if self.k < 1 or not 0 <= self.ratio < 1:
            raise InputError(
                "The benchmark 'videos' needs k of at least 1 and a ratio in [0, 1), got "
                f"{self.k!r} and {self.ratio!r}."
            )


@attrs.frozen(kw_only=True)
class MoveBenchConfig:
    """Options of the benchmark ``movebench``.

    Raises:
        InputError: the language is unknown, or the number out of range.
    """

    folder: str = ""
    """Where en/ and zh/ lie."""
    language: str = "en"
    """Of the captions: en or zh."""
    frames: int = 0
    """T of the videos, evenly from the clip; 0 is all 81."""

    def __attrs_post_init__(self) -> None:
        if self.language not in ("en", "zh") or self.frames < 0 or self.frames == 1:
            raise InputError(
                "The benchmark 'movebench' has the languages en and zh, and needs 0 or at least 2 "
                f"frames; got {self.language!r} and {self.frames!r}."
            )


@attrs.frozen(kw_only=True)
class CameraBenchmarkConfig:
    """Options of the benchmark ``camera``.

    Raises:
        InputError: a number is out of range.
    """

    folder: str = ""
    """Where photos/, poses/ and perhaps depth/ lie."""
    frames: int = 16
    """T; evenly spread poses of each path."""
    fps: float = 8.0
    """Frames per second."""
    focal: float = 582.69
    """Focal length in pixels of a photo 512 wide, for paths that do not say their own."""

    def __attrs_post_init__(self) -> None:
        if self.frames < 2 or not self.fps > 0 or not self.focal > 0:
            raise InputError(
                "The benchmark 'camera' needs at least 2 frames and a positive fps and focal "
                f"length, got {self.frames!r}, {self.fps!r} and {self.focal!r}."
            )
