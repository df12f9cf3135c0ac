"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import kinema
from kinema import errors, interfaces, offers, testing
from kinema.hooks import events as event_hooks
from kinema.hooks import offers as offer_hooks
from kinema.interfaces import sources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "tools" / "docs_reference.py"
    spec = importlib.util.spec_from_file_location("docs_reference_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.all_packages
def test_generated_pages_are_current(generator: ModuleType) -> None:
    stale = generator.stale()
    assert stale == [], "run python tools/docs_reference.py"


def test_diagrams_are_current() -> None:
    path = ROOT / "tools" / "docs_diagrams.py"
    spec = importlib.util.spec_from_file_location("docs_diagrams_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.stale() == [], "run python tools/docs_diagrams.py"


def test_every_hook_is_on_its_page_with_its_exact_signature() -> None:
    page = text_of("reference/hooks.md")
    hooks = {**vars(offer_hooks), **vars(event_hooks)}
    found = [name for name in hooks if name.startswith("kinema_")]
    assert len(found) >= 11
    for name in found:
        signature = str(inspect.signature(hooks[name])).replace("'", "")
        assert f"```text\n{name}{signature}\n```" in page


def test_every_public_name_is_on_the_python_page() -> None:
    page = text_of("reference/api.md")
    elsewhere = {"__version__", "hookimpl", "offers"}
    for name in set(kinema.__all__) - elsewhere:
        if name in vars(errors):
            continue
        assert f"::: kinema.{name}\n" in page, name


def test_every_error_is_on_its_page_with_its_exit_code() -> None:
    rows = re.findall(r"^\| `kinema\.(\w+)` \|.*\| (\d) \|$", text_of("reference/errors.md"), re.M)
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.KinemaError)
    }
    assert {name: int(code) for name, code in rows} == {
        name: kind.exit_code for name, kind in classes.items()
    }


def test_every_protocol_and_record_is_on_its_page() -> None:
    page = text_of("reference/protocols.md")
    for module in (interfaces, sources, offers):
        public = interfaces if module is sources else module
        for name, kind in vars(module).items():
            own = inspect.isclass(kind) and kind.__module__ == module.__name__
            if own and not name.startswith("_") and name != "NoConfig":
                assert getattr(public, name) is kind
                assert f"::: {public.__name__}.{name}\n" in page, name
    for name in testing.__all__:
        if name.endswith("Contract"):
            assert f"::: kinema.testing.{name}\n" in page, name


def test_the_camera_moves_are_described_as_the_code_does() -> None:
    page = text_of("how-to/camera-paths.md")
    for name, (unit, _) in kinema.CAMERA_MOVES.items():
        assert f"| `{name}` | {unit} |" in page


def test_every_page_is_in_the_navigation() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": ([\w/-]+\.md)$", site, re.M)
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    """A page may link to other sites, and shows no picture or script of theirs.

    The theme draws ``mermaid`` blocks with a script of another host.
    """
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"!\[[^\]]*\]\(https?:|<(script|img|iframe|link)|mermaid", text)


def test_the_site_is_styled_and_drawn_from_here() -> None:
    svg = 'xmlns="http://www.w3.org/2000/svg"'  # a name, which nothing asks
    for path in (*DOCS.rglob("*.css"), *DOCS.rglob("*.svg"), ROOT / "mkdocs.yml"):
        assert "//" not in path.read_text(encoding="utf-8").replace(svg, ""), path
    assert "font: false" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
