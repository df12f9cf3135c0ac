"""Every code block of every page runs, in the order of the page.

``python`` blocks of one page share a namespace. ``pycon`` blocks are compared with what is shown
under each prompt. ``console`` blocks hold commands and nothing else, so that they can be copied; an
``output`` block after one is what its last command says, where ``...`` stands for anything. A
command without one only has to succeed, and one whose output is an ``Error:`` has to fail in those
words. ``json`` and ``toml`` are read. Only ``text`` is left alone.
"""

from __future__ import annotations

import doctest
import json
import re
import shlex
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

import kinema
from kinema_apps.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Further pages with blocks to copy.
COPIED = [ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("packages/*/README.md"))]
COPIED += sorted(ROOT.glob("examples/*/README.md"))

LANGUAGES = {"python", "pycon", "console", "output", "json", "toml", "text"}

#: Pages whose commands take minutes.
SLOW = {"motion-from-a-video.md", "train-a-controller.md", "train-wan.md"}

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_TITLE = re.compile(r'title="(?P<title>[^"]+)"')
_INCLUDE = re.compile(r'^--8<-- "(?P<path>[^":]+)(:(?P<section>[\w-]+))?"$')
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@attrs.frozen
class Block:
    """A fenced block: its language, its text, the line its text starts at, and its title."""

    language: str
    text: str
    line: int
    title: str = ""


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, indented ones (in tabs and lists) included."""
    lines = page.read_text(encoding="utf-8").splitlines()
    opened: tuple[int, str, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = number, fence["indent"], fence["info"]
            continue
        if fence["indent"] != opened[1] or fence["info"]:
            continue
        text = textwrap.dedent("\n".join(lines[opened[0] + 1 : number])) + "\n"
        language = (opened[2].split() or [""])[0]
        title = _TITLE.search(opened[2])
        yield Block(language, text, opened[0] + 2, title["title"] if title else "")
        opened = None
    assert opened is None, f"{page}: a fence is never closed"


def included(block: Block) -> list[re.Match[str]]:
    """The files that a block includes, if it does nothing else."""
    found = [_INCLUDE.match(line) for line in block.text.splitlines() if line.strip()]
    return [match for match in found if match] if found and all(found) else []


def run_python(block: Block, page: Path, names: dict[str, Any]) -> None:
    padded = "\n" * (block.line - 1) + block.text
    exec(compile(padded, str(page), "exec"), names)


def run_pycon(block: Block, page: Path, names: dict[str, Any]) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, names, page.name, str(page), block.line - 1)
    assert test.examples, f"{page}:{block.line}: a pycon block without a prompt"
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=_FLAGS, verbose=False)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    names.update(test.globs)


def run_console(block: Block, page: Path, shown: str) -> None:
    place = f"{page}:{block.line}"
    lines = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "kinema", f"{place}: {line!r} cannot be run here; fence it as text"
        result = CliRunner().invoke(cli, arguments)
        last = shown if line is lines[-1] else ""
        fails = re.search(r"^Error:", last, re.M) is not None
        assert (result.exit_code != 0) == fails, f"{place}: {line}\n{result.output}"
        if last.strip():
            said = result.output if fails else result.stdout
            matches = doctest.OutputChecker().check_output(last, said, _FLAGS)
            assert matches, f"{place}: {line} said\n{said}\nbut the page shows\n{last}"


def run_json(block: Block, page: Path, names: dict[str, Any]) -> None:
    document = json.loads(block.text)
    if isinstance(document, dict) and document.get("format") == "kinema.motion/1":
        kinema.Motion.from_dict(document)


def run_toml(block: Block, page: Path, names: dict[str, Any]) -> None:
    tomllib.loads(block.text)


RUNNERS = {
    "python": run_python,
    "pycon": run_pycon,
    "json": run_json,
    "toml": run_toml,
}


@pytest.mark.all_packages
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in SLOW)) for page in PAGES],
    ids=[str(page.relative_to(ROOT)) for page in PAGES],
)
def test_every_block_runs(
    page: Path, desk: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name == "first-condition.md":
        request.getfixturevalue("with_ripple")
    module = type(sys)("page")
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    found = list(blocks(page))
    for block, following in zip(found, [*found[1:], None], strict=False):
        place = f"{page.relative_to(ROOT)}:{block.line}"
        assert block.language in LANGUAGES, f"{place}: {block.language!r} is never tested"
        if included(block):
            continue
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        if block.language == "console":
            shown = following.text if following and following.language == "output" else ""
            run_console(block, page, shown)
        elif block.language in RUNNERS:
            RUNNERS[block.language](block, page, names)


@pytest.mark.parametrize("page", PAGES + COPIED, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_can_be_copied_runs_as_it_is(page: Path) -> None:
    """No shell prompt in a block, and no output without its command."""
    before = ""
    for block in blocks(page):
        place = f"{page.relative_to(ROOT)}:{block.line}"
        assert not re.search(r"^\$ ", block.text, re.M), f"{place}: leave the prompt out"
        assert block.language != "output" or before == "console", f"{place}: output of what?"
        before = block.language


def test_what_pages_include_is_tested_code() -> None:
    """A snippet comes from the plugin template or from a test, and its section exists."""
    count = 0
    for page in PAGES:
        for block in blocks(page):
            for match in included(block):
                source = ROOT / match["path"]
                folder = source.relative_to(ROOT).parts[0]
                assert folder in ("examples", "tests"), f"{page}: {match['path']} is not tested"
                text = source.read_text(encoding="utf-8")
                if match["section"]:
                    for end in ("start", "end"):
                        assert text.count(f"--8<-- [{end}:{match['section']}]") == 1
                count += 1
            assert included(block) or "--8<--" not in block.text, f"{page}: a mixed include"
    assert count > 5


def test_links_in_readme_lead_somewhere() -> None:
    """The site's own links are checked when it is built; README is not part of it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_no_picture_is_heavy() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        recording = picture.name == "studio-tour.webp"
        assert picture.stat().st_size < (2_000_000 if recording else 400_000), picture.name
