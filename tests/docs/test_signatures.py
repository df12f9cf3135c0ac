"""What the site shows of classes and docstrings is what the code says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import griffe
import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("docs_docstrings", "docs_attrs")


@pytest.fixture(scope="module")
def kinema() -> griffe.Module:
    """The core as the site sees it."""
    extensions = griffe.load_extensions(*(str(ROOT / "tools" / f"{name}.py") for name in TOOLS))
    loader = griffe.GriffeLoader(
        search_paths=[ROOT / "packages" / "core" / "src"], extensions=extensions
    )
    module = loader.load("kinema")
    assert isinstance(module, griffe.Module)
    return module


@pytest.fixture(scope="module")
def docstrings() -> Any:
    path = ROOT / "tools" / "docs_docstrings.py"
    spec = importlib.util.spec_from_file_location("docs_docstrings_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def signature(module: griffe.Module, path: str) -> dict[str, str | None]:
    """Parameters and their defaults; a ``*`` before those by keyword only."""
    found: dict[str, str | None] = {}
    for each in module[path].parameters:
        if each.kind is griffe.ParameterKind.keyword_only and "*" not in found:
            found["*"] = None
        found[each.name] = None if each.default is None else str(each.default)
    found.pop("self", None)
    return found


def test_a_motion_shows_its_defaults(kinema: griffe.Module) -> None:
    shown = signature(kinema, "motion.motion.Motion")
    assert list(shown)[:2] == ["*", "canvas"]
    assert (shown["fps"], shown["duration"]) == ("8.0", "2.0")


def test_what_is_by_keyword_only_is_shown_so(kinema: griffe.Module) -> None:
    assert next(iter(signature(kinema, "motion.tracks.Tracks"))) == "*"
    assert next(iter(signature(kinema, "motion.drag.Drag"))) == "points"


def test_inherited_fields_of_an_offer_are_shown_and_described(kinema: griffe.Module) -> None:
    offer = kinema["offers.BackboneOffer"]
    shown = signature(kinema, "offers.BackboneOffer")
    assert {"name", "summary", "factory", "config", "files", "native"} <= set(shown)
    told = offer.docstring.value
    assert "    name: how configs and the command line ask for it" in told
    assert told.index("    name:") < told.index("    conditions:")
    assert "    factory: builds the thing" in kinema["offers.MetricOffer"].docstring.value


def test_comments_before_names_are_their_docstrings(kinema: griffe.Module) -> None:
    neutral = kinema["testing.contracts.ControllerContract.neutral_at_start"].docstring
    assert "zero initialisation" in neutral.value
    assert "One action per site name." in kinema["interfaces.control.Actions"].docstring.value


def test_tables_and_entries_of_several_names_are_taken_apart(docstrings: Any) -> None:
    text = """One line.

    ===== ======================== =====
    kind  meaning                  when
    ===== ======================== =====
    a     the first :class:`Range` once
          of two
    ===== ======================== =====

    Attributes:
        low, high: of :attr:`Range.of`,
            in pixels.
        other, but no name
    """
    assert docstrings.plain(griffe.Docstring(text).value).splitlines() == [
        "One line.",
        "",
        "| kind | meaning | when |",
        "| --- | --- | --- |",
        "| a | the first `Range` of two | once |",
        "",
        "Attributes:",
        "    low: of `Range.of`,",
        "        in pixels.",
        "    high: of `Range.of`,",
        "        in pixels.",
        "    other, but no name",
    ]


def test_no_table_of_another_markup_is_left(kinema: griffe.Module) -> None:
    left, waiting = [], [kinema]
    while waiting:
        here = waiting.pop()
        for member in here.members.values():
            if member.is_alias:
                continue
            if member.docstring is not None and "=====" in member.docstring.value:
                left.append(member.path)
            if isinstance(member, griffe.Module | griffe.Class):
                waiting.append(member)  # type: ignore[arg-type]
    assert left == []
