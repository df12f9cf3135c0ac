"""The options of ``ripple``. Plain data: nothing here loads torch."""

from __future__ import annotations

import attrs
from kinema import InputError


@attrs.frozen(kw_only=True)
class RippleConfig:
    """Options of ``ripple``.

    Raises:
        InputError: a value is out of range.
    """

    height: float = 4.0
    """How far a ring pushes a pixel, in pixels."""
    wavelength: float = 32.0
    """Distance between two rings, in pixels."""
    rings: float = 4.0
    """How many rings each drag sends out over the clip."""

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            if not 0 < value < float("inf"):
                raise InputError(
                    f"ripple's {name} must be a positive number, got {value!r}."
                )
