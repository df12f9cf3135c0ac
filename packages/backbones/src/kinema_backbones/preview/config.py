"""Options of the backbone ``preview``."""

from __future__ import annotations

import math
from typing import Literal, get_args

import attrs

from kinema.errors import InputError

#: Whether regions are attached to what they touch: where it looks so, never, or all around.
Attached = Literal["auto", "never", "always"]


@attrs.frozen(kw_only=True)
class PreviewConfig:
    """How the preview looks.

    Raises:
        InputError: a value is out of range.
    """

    feather: float = 0.0
    """Pixels over which the edge of a moved region fades inward, beyond what the photo shows."""

    attached: Attached = "auto"
    """Whether a region stretches at its joint to the background instead of being cut: ``auto``
    where the colours go on beyond a long enough part of its outline and it moves little there,
    ``never``, or ``always`` and all around. A region's own ``attached`` comes first."""

    def __attrs_post_init__(self) -> None:
        if self.attached not in get_args(Attached):
            raise InputError(
                f"preview's attached must be auto, never or always, got {self.attached!r}."
            )
        if not (math.isfinite(self.feather) and 0 <= self.feather <= 64):
            raise InputError(
                f"preview's feather must be from 0 to 64 pixels, got {self.feather!r}."
            )
