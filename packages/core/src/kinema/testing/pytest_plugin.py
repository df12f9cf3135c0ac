"""Fixtures for plugin authors; loaded by pytest wherever kinema is installed."""

from __future__ import annotations

import pytest

import kinema.plugins
from kinema.plugins import Plugins


@pytest.fixture
def kinema_plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """An empty plugin manager that stands in for the installed plugins.

    Whatever a test registers there is all that ``kinema.Session``, ``kinema.animate`` and the
    command line see; the environment's own plugins are hidden until the test ends.
    """
    plugins = Plugins()
    monkeypatch.setattr(kinema.plugins, "_installed", lambda: plugins)
    return plugins
