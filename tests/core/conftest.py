"""What tests of sessions share: the toys, a photo, and offers of a test's own."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import kinema
from kinema.offers import KINDS, Offer
from kinema.plugins import Plugins
from kinema.testing import toy_plugin

#: Registers offers under the plugin's name that is given first.
Offering = Callable[..., None]


@pytest.fixture
def toys(kinema_plugins: Plugins) -> Plugins:
    kinema_plugins.register(toy_plugin, "toys", "kinema", "0.1.0")
    return kinema_plugins


@pytest.fixture
def offering(toys: Plugins) -> Offering:
    """Lets a test offer what it needs, as the plugin of a third party would."""

    def offer(plugin: str, *given: Offer) -> None:
        hooks: dict[str, Any] = {}
        for kind in KINDS:
            alike = [each for each in given if isinstance(each, kind.record)]
            if alike:
                hooks[kind.hook] = kinema.hookimpl(_yielding(kind.hook, alike))
        toys.register(SimpleNamespace(**hooks), plugin, f"kinema-{plugin}", "1.2")
        assert plugin not in toys.broken

    return offer


def _yielding(name: str, given: list[Offer]) -> Callable[[], list[Offer]]:
    def hook() -> list[Offer]:
        return given

    hook.__name__ = name
    return hook


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
