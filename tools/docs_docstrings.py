"""Docstrings as the site shows them: Markdown knows no roles, tables or ``#:`` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([^`]+)`")
_BORDER = re.compile(r"^=+( +=+)+$")

#: An entry of a section that stands for several names, such as ``low, high: of the range``.
_SHARED = re.compile(r"^(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<text>.*)$")


class Docstrings(griffe.Extension):
    """Loaded by mkdocstrings, see mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring; where there is none, the ``#:`` lines before it are one."""
        if obj.docstring is None:
            above = _above(obj) if obj.is_attribute else ""
            if not above:
                return
            obj.docstring = griffe.Docstring(above, parent=obj)
        obj.docstring.value = plain(obj.docstring.value)


def plain(text: str) -> str:
    """A docstring without roles, reStructuredText tables and entries of several names."""
    tables = "\n".join(_tables(text.splitlines()))  # first, while the columns are where they are
    return "\n".join(_apart(_ROLE.sub(r"`\1`", tables).splitlines()))


def _above(obj: griffe.Object) -> str:
    if not isinstance(obj.filepath, Path) or obj.lineno is None:
        return ""
    found: list[str] = []
    for line in reversed(_source(obj.filepath)[: obj.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        found.insert(0, line.strip().removeprefix("#:").strip())
    return "\n".join(found)


@lru_cache(maxsize=8)
def _source(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _tables(lines: list[str]) -> Iterator[str]:
    """The lines, with each simple table of reStructuredText as one of Markdown."""
    borders = [number for number, line in enumerate(lines) if _BORDER.match(line.strip())]
    position = 0
    for top, middle, bottom in zip(*[iter(borders)] * 3, strict=True):
        yield from lines[position:top]
        columns = [match.start() for match in re.finditer("=+", lines[top])]
        head = _rows(lines[top + 1 : middle], columns)
        body = _rows(lines[middle + 1 : bottom], columns)
        for row in (*head, ["---"] * len(columns), *body):
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        position = bottom + 1
    yield from lines[position:]


def _rows(lines: list[str], columns: list[int]) -> list[list[str]]:
    """The cells of a table; a line that says nothing in its first column goes on with the row."""
    ends = [*columns[1:], None]
    rows: list[list[str]] = []
    for line in lines:
        cells = [line[start:end].strip() for start, end in zip(columns, ends, strict=True)]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
    return rows


def _apart(lines: list[str]) -> Iterator[str]:
    """The lines, with one entry for each name where an entry of a section has several."""
    section = ""
    for number, line in enumerate(lines):
        if line and not line.startswith(" "):
            section = line
        shared = _SHARED.match(line)
        if shared is None or section not in ("Args:", "Attributes:", "Raises:"):
            yield line
            continue
        indent, names = shared["indent"], shared["names"].split(", ")
        more = []
        for following in lines[number + 1 :]:
            if not following.startswith(f"{indent} "):
                break
            more.append(following)
        for name in names[:-1]:
            yield from (f"{indent}{name}: {shared['text']}", *more)
        yield f"{indent}{names[-1]}: {shared['text']}"
