"""What a look for plugins finds: offers, observers and broken plugins, and where they come from."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import attrs

from kinema.errors import KinemaError
from kinema.offers import Kind, Offer

_OfferFound = TypeVar("_OfferFound", bound=Offer, covariant=True)


@attrs.frozen
class Source:
    """Where a plugin comes from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@attrs.frozen
class Broken:
    """A plugin that was kept aside, and why."""

    source: Source
    error: BaseException

    @property
    def reason(self) -> str:
        """The error in one line."""
        text = " ".join(str(self.error).split()) or "no message"
        if isinstance(self.error, KinemaError):
            return text
        return f"{type(self.error).__name__}: {text}"


@attrs.frozen
class Found(Generic[_OfferFound]):
    """An offer and where it comes from."""

    kind: Kind[_OfferFound, Any]
    offer: _OfferFound
    source: Source


@attrs.frozen
class Observer:
    """A plugin that can observe runs or trainings.

    Attributes:
        source: where it comes from; ``source.plugin`` is the name that enables it.
        summary: the first paragraph of its docstring.
        events: the event hooks that it implements.
        by_default: whether it observes the trainings whose recipe names no events.
    """

    source: Source
    summary: str
    events: tuple[str, ...]
    by_default: bool = False
