"""A plugin that offers a name which another plugin offers too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kinema import hookimpl, offers


def build(config: Any) -> Any:
    """Fail: nobody may get as far as building one of two."""
    raise AssertionError("one of two offers was chosen silently")


@hookimpl
def kinema_conditions() -> Iterable[offers.ConditionOffer]:
    """Offer a name of the plugin template, and one of its own."""
    for name in ("ripple", "calm"):
        yield offers.ConditionOffer(name=name, summary="For tests.", factory=build)
