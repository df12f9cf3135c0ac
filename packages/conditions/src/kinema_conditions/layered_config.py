"""Options of the condition ``layered-motion``."""

from __future__ import annotations

import math

import attrs

from kinema.errors import InputError
from kinema.motion.drag import Interpolation


@attrs.frozen(kw_only=True)
class LayeredMotionConfig:
    """How drags become a dense field.

    Raises:
        InputError: a value is out of range.
    """

    interpolation: Interpolation = "pchip"
    """How a drag's points are joined over time: ``pchip`` or ``linear``."""
    scaling: bool = False
    """Let a region grow and shrink to follow its drags (similarity instead of rigid)."""
    falloff: float = 1.5
    """How fast a control point loses influence inside a region; 1 is inverse squared distance.
    Above 1, near control points outweigh any number of far ones."""
    softness: float = 0.15
    """Smallest radius that a drag without a region moves, as a share of the canvas's short side."""
    squeeze: float = 0.65
    """How strongly a drag without a region may squeeze what is in its way; its radius grows until
    the slope of its field is at most this."""
    inside: bool = False
    """Zoom in by as much as it takes that nothing beyond the sides of the photo comes into view."""

    def __attrs_post_init__(self) -> None:
        if self.interpolation not in ("pchip", "linear"):
            raise InputError(
                f"Unknown interpolation {self.interpolation!r}. Choose one of: pchip, linear."
            )
        for name, low, high in (("falloff", 0, 8), ("softness", 0, 4), ("squeeze", 0, 0.95)):
            value = getattr(self, name)
            if not (math.isfinite(value) and low < value <= high):
                raise InputError(
                    f"layered-motion's {name} must be above {low} and at most {high}, got "
                    f"{value!r}."
                )
