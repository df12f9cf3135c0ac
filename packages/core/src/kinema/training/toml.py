"""Writing plain data as TOML, which the standard library only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinema.extras import require


def to_toml(data: Mapping[str, Any]) -> str:
    """TOML text that ``tomllib`` reads back as ``data``; entries that are None are left out.

    Args:
        data: strings, numbers, booleans, sequences and mappings.

    Raises:
        ExtraError: tomli-w is not installed.
    """
    require("tomli_w", "kinema[training]", "Writing a recipe")
    import tomli_w

    return tomli_w.dumps(_set(data))


def _set(value: Any) -> Any:
    """The value without the entries that are None, for which TOML has no form."""
    if isinstance(value, Mapping):
        return {key: _set(item) for key, item in value.items() if item is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_set(item) for item in value]
    return value
