"""What each distribution declares is what its code needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = {
    "core": ("kinema", "kinema"),
    "conditions": ("kinema-conditions", "kinema_conditions"),
    "backbones": ("kinema-backbones", "kinema_backbones"),
    "apps": ("kinema-apps", "kinema_apps"),
}
OURS = {module for _, module in MEMBERS.values()}

each_member = pytest.mark.parametrize("folder", MEMBERS)


def _project(folder: str) -> dict[str, Any]:
    text = (ROOT / "packages" / folder / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def _requirements(folder: str) -> list[str]:
    """All but those by which an extra takes in another of the same distribution."""
    project = _project(folder)
    extras = project.get("optional-dependencies", {}).values()
    entries = [*project["dependencies"], *(entry for extra in extras for entry in extra)]
    return [entry for entry in entries if _name(entry) != project["name"]]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def _range(requirement: str) -> str:
    return re.sub(r"^[^<>=!~]*", "", requirement.partition(";")[0])


def _imports(folder: str) -> Iterator[tuple[str, str]]:
    """Every top-level name imported anywhere in a package, with the place, functions included."""
    for path in sorted((ROOT / "packages" / folder / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                yield name.partition(".")[0], f"{path.relative_to(ROOT)}:{node.lineno}"


@each_member
def test_every_imported_distribution_is_declared(folder: str) -> None:
    declared = {_name(requirement) for requirement in _requirements(folder)}
    providers = packages_distributions()
    undeclared = {}
    for module, place in _imports(folder):
        if module in sys.stdlib_module_names or module == MEMBERS[folder][1]:
            continue
        distributions = {_name(found) for found in providers.get(module, [module])}
        if not distributions & declared:
            undeclared[module] = place
    assert undeclared == {}


@pytest.mark.parametrize("folder", ["conditions", "backbones", "apps"])
def test_a_room_imports_only_the_ground_floor(folder: str) -> None:
    allowed = {"kinema", MEMBERS[folder][1]}
    wrong = [place for module, place in _imports(folder) if module in OURS - allowed]
    assert wrong == []


def test_the_ground_floor_imports_no_room() -> None:
    assert [place for module, place in _imports("core") if module in OURS - {"kinema"}] == []


@each_member
def test_every_range_has_a_floor_and_a_cap(folder: str) -> None:
    for requirement in _requirements(folder):
        specifier = requirement.partition(";")[0]
        assert re.search(r">=\d[\d.]*,<\d[\d.]*", specifier), requirement


@pytest.mark.parametrize(
    ("folder", "extra", "brings"),
    [
        ("core", "all", {"kinema[training]", "kinema-apps[studio]", "kinema-apps[tensorboard]"}),
        ("core", "training", {"accelerate", "filelock", "pyarrow", "tomli-w"}),
        ("apps", "tensorboard", {"tensorboard"}),
        ("apps", "wandb", {"wandb"}),
    ],
)
def test_the_extras_that_error_messages_name(folder: str, extra: str, brings: set[str]) -> None:
    project = _project(folder)
    found = {re.split("[<>=]", entry)[0] for entry in project["optional-dependencies"][extra]}
    assert brings <= found
    assert not brings & {_name(entry) for entry in project["dependencies"]}


def test_diffusers_is_capped_at_the_next_minor_version_above_the_tested_one() -> None:
    """Minor versions of it move and remove what backbones import."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    tested = next(p["version"] for p in lock["package"] if p["name"] == "diffusers")
    major, minor = tested.split(".")[:2]
    (requirement,) = (e for e in _requirements("backbones") if _name(e) == "diffusers")
    assert requirement.endswith(f",<{major}.{int(minor) + 1}")


@each_member
def test_what_a_distribution_ships_with(folder: str) -> None:
    name, module = MEMBERS[folder]
    project, home = _project(folder), ROOT / "packages" / folder
    assert project["name"] == name
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.11,<3.14"
    assert (home / "src" / module / "py.typed").is_file()
    assert (home / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (home / "README.md").is_file()
    changelog = (home / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## (Unreleased|{re.escape(project['version'])}\b)", changelog, re.M)


@each_member
def test_one_range_of_a_shared_dependency(folder: str) -> None:
    """Two distributions that ask for different ranges of one package cannot both be proven."""
    ranges = {_name(entry): _range(entry) for other in MEMBERS for entry in _requirements(other)}
    for requirement in _requirements(folder):
        assert _range(requirement) == ranges[_name(requirement)], requirement


def test_the_first_line_of_the_core_readme_joins_folder_distribution_and_import() -> None:
    line = (ROOT / "packages/core/README.md").read_text(encoding="utf-8").partition("\n")[0]
    assert re.findall(r"`(\w+)`", line) == ["core", "kinema", "kinema"]
