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
