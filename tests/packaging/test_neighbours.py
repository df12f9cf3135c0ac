"""The plugin template next to a plugin that breaks and one that collides."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from kinema.errors import PluginError
from kinema.plugins import Plugins

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "plugin-template"
NEIGHBOURS = Path(__file__).parent / "plugins"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    """Make the project in ``folder`` look installed, as an editable install does."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    record = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    entries = [f"{key} = {value}" for key, value in project["entry-points"]["kinema"].items()]
    (record / "entry_points.txt").write_text("\n".join(["[kinema]", *entries, ""]))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(folder / "src"))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plugins:
    for folder in (TEMPLATE, NEIGHBOURS / "broken", NEIGHBOURS / "colliding"):
        install(folder, monkeypatch, tmp_path / "site")
    plugins = Plugins()
    plugins.load_entry_points()
    return plugins


def test_a_plugin_that_breaks_is_kept_aside_with_its_reason(plugins: Plugins) -> None:
    broken = plugins.broken["broken"]
    assert str(broken.source) == "kinema-broken 0.3.0"
    assert broken.reason == "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"


def test_a_collision_spoils_only_the_name_in_question(plugins: Plugins) -> None:
    assert plugins.find("condition", "calm").source.distribution == "kinema-colliding"
    with pytest.raises(
        PluginError,
        match=r"^The condition 'ripple' is offered by kinema-\w+ [\d.]+ and by kinema-\w+ [\d.]+\. "
        r"Uninstall one of them\.$",
    ) as caught:
        plugins.build("condition", "ripple")
    assert "kinema-ripple 0.1.0" in str(caught.value)
    assert "kinema-colliding 0.3.0" in str(caught.value)


def test_the_template_is_found_when_it_is_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(TEMPLATE, monkeypatch, tmp_path / "site")
    plugins = Plugins()
    plugins.load_entry_points()
    found = plugins.find("condition", "ripple")
    assert str(found.source) == "kinema-ripple 0.1.0"
    assert plugins.build("condition", "ripple", {"rings": 2}).config.rings == 2
