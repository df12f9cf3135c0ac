"""How long finding the installed plugins and one of their offers takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.plugins import Plugins

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


def discovered() -> Plugins:
    plugins = Plugins()
    plugins.load_entry_points()
    return plugins


def test_discovering_the_installed_plugins(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "discovery"
    plugins = benchmark(discovered)
    assert not plugins.broken
    assert len(plugins.all()) >= 10


def test_finding_one_offer(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "discovery"
    plugins = discovered()
    assert benchmark(plugins.find, "condition", "motion-mask").offer.name == "motion-mask"
