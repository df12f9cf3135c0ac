"""Options of the backbone ``preview``."""

from __future__ import annotations

import math

import attrs

from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class PreviewConfig:
    """How the preview looks.

    Raises:
        InputError: a value is out of range.
    """

    feather: float = 0.0
    """Pixels over which the edge of a moved region fades inward, beyond what the photo shows."""

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.feather) and 0 <= self.feather <= 64):
            raise InputError(
                f"preview's feather must be from 0 to 64 pixels, got {self.feather!r}."
            )
