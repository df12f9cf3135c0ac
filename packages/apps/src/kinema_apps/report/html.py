"""One page that needs nothing else: data, style and code in one file, and no other host."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

#: The page's modules, each after those that it imports.
SCRIPTS = (
    "elements",
    "data",
    "words",
    "means",
    "published",
    "pairs",
    "spread",
    "items",
    "players",
    "clips",
    "page",
)


def render(title: str, data: Mapping[str, Any]) -> str:
    """The page of a report.

    What the data holds cannot become markup or code: it is read as JSON, and the page's policy runs
    the page's own script and style alone, by their hashes.

    Args:
        title: of the page.
        data: plain JSON data, see :func:`kinema_apps.report.content.content`.

    Raises:
        ValueError: a number is not finite.
    """
    folder = files("kinema_apps.report") / "page"
    page, style = (
        (folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css")
    )
    script = one_script(
        [(folder / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    )
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "media-src blob:; base-uri 'none'; form-action 'none'"
    )
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    parts = {
        "title": html.escape(title),
        "policy": policy,
        "style": style,
        "script": script,
        # JSON has no other place for it than in strings, where it may be written so.
        "data": text.replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


def one_script(modules: Sequence[str]) -> str:
    """Modules as one script: a page from a disk may import nothing.

    All share one scope, so no two may have a name of their own alike.
    """
    text = "\n".join(modules)
    text = re.sub(r'^import .* from "\./[\w-]+\.js";\n', "", text, flags=re.MULTILINE)
    return '"use strict";\n' + re.sub(r"^export (?=\w)", "", text, flags=re.MULTILINE)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
