"""What this package offers to kinema. Nothing at module level loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema import hookimpl, offers

from kinema_ripple.config import RippleConfig

if TYPE_CHECKING:
    from kinema.interfaces import Condition


def build(config: RippleConfig) -> Condition:
    """Build the condition; torch loads here, not when plugins are listed."""
    from kinema_ripple.ripple import Ripple

    return Ripple(config)


@hookimpl
def kinema_conditions() -> Iterable[offers.ConditionOffer]:
    """Offer ``ripple``."""
    yield offers.ConditionOffer(
        name="ripple",
        summary="Rings that run outward from each drag, as on water.",
        factory=build,
        config=RippleConfig,
    )
