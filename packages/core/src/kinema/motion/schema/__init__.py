"""The published JSON Schema of motion files, and the check of a document against it.

``motion.schema.json`` is the one statement of which keys and types a motion file has: external
tools read it, and :meth:`kinema.Motion.from_dict` refuses what it refuses. What a schema cannot
say (rigid poses, times that increase, starts inside the canvas) the classes check themselves.

Why not the library jsonschema, which the tests hold this check against: it takes tens of times as
long for a file of many tracks; all of core would depend on it, and on the compiled package that it
needs; it takes NaN for a number and a tuple for no list; and its messages give neither the place as
a person writes it nor the key that was meant. Of JSON Schema, only the words that
``motion.schema.json`` uses are understood here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import suggestion

#: A place in a document: the place around it, and a key or an index.
_Place = tuple["_Place | None", str | int]
_Test = Callable[[Any, "_Place | None", "list[Fault]"], None]

_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool}


@attrs.frozen
class Fault:
    """One thing a document says that no motion file may say.

    Attributes:
        where: the place, such as ``drags[2].points[0]``; ``motion`` is the whole document.
        message: what is wrong there, with the actual value.
    """

    where: str
    message: str


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of motion files, as plain data of the caller's own."""
    text = Path(__file__).with_name("motion.schema.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def faults(document: Any) -> list[Fault]:
    """Every unknown or missing key and every wrong type or range in ``document``.

    Tuples count as lists, so that :meth:`kinema.Motion.to_dict` data need not pass through JSON.
    """
    found: list[Fault] = []
    _motion_test()(document, None, found)
    return found


@functools.cache
def _motion_test() -> _Test:
    whole = schema()
    return _compile(whole, whole["$defs"])


def _compile(node: Mapping[str, Any], shared: Mapping[str, Any]) -> _Test:
    if "$ref" in node:
        return _compile(shared[node["$ref"].rpartition("/")[2]], shared)
    if "anyOf" in node:
        return _or_null(_compile(node["anyOf"][0], shared))
    if "enum" in node or "const" in node:
        return _choice(node["enum"] if "enum" in node else [node["const"]])
    kind = node["type"]
    if kind == "object":
        return _object(node, shared)
    if kind == "array":
        return _array(node, _compile(node["items"], shared))
    if kind in ("number", "integer"):
        return _number(node)
    return _plain(_TYPES[kind], node.get("minLength", 0))


def _or_null(test: _Test) -> _Test:
    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if value is not None:
            test(value, place, found)

    return check


def _choice(choices: list[str]) -> _Test:
    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if not (isinstance(value, str) and value in choices):
            near = suggestion(str(value), choices)
            found.append(
                Fault(
                    _where(place),
                    f"unknown value {value!r}.{near} Choose one of: {', '.join(choices)}.",
                )
            )

    return check


def _object(node: Mapping[str, Any], shared: Mapping[str, Any]) -> _Test:
    known = {name: _compile(part, shared) for name, part in node["properties"].items()}
    required = node.get("required", ())

    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if not isinstance(value, Mapping):
            found.append(_mistyped(value, dict, place))
            return
        for name in required:
            if name not in value:
                found.append(Fault(_where(place), f"the key {name!r} is missing."))
        for name, part in value.items():
            test = known.get(name) if isinstance(name, str) else None
            if test is None:
                message = (
                    f"unknown key {name!r}.{suggestion(str(name), known)} "
                    f"Known keys: {', '.join(key for key in known if key[0] != '$')}."
                )
                found.append(Fault(_where(place), message))
            else:
                test(part, (place, name), found)

    return check


def _array(node: Mapping[str, Any], item: _Test) -> _Test:
    least, most = node.get("minItems", 0), node.get("maxItems")

    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if not isinstance(value, (list, tuple)):
            found.append(_mistyped(value, list, place))
            return
        if len(value) < least or (most is not None and len(value) > most):
            wanted = f"{least}" if least == most else f"at least {least}"
            if most is not None and least < most:
                wanted = f"{least} to {most}"
            plural = "value" if wanted.endswith(" 1") else "values"
            found.append(Fault(_where(place), f"expected {wanted} {plural}, got {len(value)}."))
        for index, part in enumerate(value):
            item(part, (place, index), found)

    return check


def _number(node: Mapping[str, Any]) -> _Test:
    whole = node["type"] == "integer"
    least, above, most = node.get("minimum"), node.get("exclusiveMinimum"), node.get("maximum")
    name = "a whole number" if whole else "a number"
    if above is not None:
        name += f" above {above}"
    elif least is not None:
        name += f" from {least} to {most}" if most is not None else f" of at least {least}"

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        try:
            number = float(value)
        except OverflowError:
            return False
        return (
            (not whole or number.is_integer())
            and (above is None or number > above)
            and (least is None or number >= least)
            and (most is None or number <= most)
        )

    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if not fits(value):
            found.append(Fault(_where(place), f"expected {name}, got {_short(value)}."))

    return check


def _plain(kind: type, least: int) -> _Test:
    def check(value: Any, place: _Place | None, found: list[Fault]) -> None:
        if not isinstance(value, kind):
            found.append(_mistyped(value, kind, place))
        elif least and len(value) < least:  # type: ignore[arg-type]
            found.append(Fault(_where(place), "expected a string that is not empty."))

    return check


def _mistyped(value: Any, kind: type, place: _Place | None) -> Fault:
    return Fault(_where(place), f"expected {_NAMES[kind]}, got {_short(value)}.")


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _steps(place: _Place | None) -> Iterator[str | int]:
    if place is not None:
        yield from _steps(place[0])
        yield place[1]


def _where(place: _Place | None) -> str:
    text = ""
    for step in _steps(place):
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "motion"
