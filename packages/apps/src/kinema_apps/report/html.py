"""One page that needs nothing else: data, style and code in one file, and no other host."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


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
    page, style, script = (
        (folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
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


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
