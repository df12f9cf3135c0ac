"""Show attrs classes on the site with the signature that they have; the source shows none."""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

_DECORATORS = ("attrs.frozen", "attrs.define", "attrs.mutable")


class AttrsSignatures(griffe.Extension):
    """Loaded by mkdocstrings, see mkdocs.yml. Inherited fields come first, as in the code."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Give every attrs class of the package its ``__init__``."""
        _visit(pkg, set())


def _visit(module: griffe.Module | griffe.Class, seen: set[str]) -> None:
    if module.path in seen:
        return
    seen.add(module.path)
    for member in list(module.members.values()):
        if member.is_alias:
            continue
        if isinstance(member, griffe.Class) and "__init__" not in member.members:
            _sign(member)
        if isinstance(member, griffe.Module | griffe.Class):
            _visit(member, seen)


def _decorated(kind: griffe.Class) -> str | None:
    found = [str(each.value) for each in kind.decorators]
    return next((text for text in found if text.startswith(_DECORATORS)), None)


def _sign(kind: griffe.Class) -> None:
    decorator = _decorated(kind)
    if decorator is None:
        return
    parameters = [
        griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword),
        *_parameters(kind, "kw_only=True" in decorator),
    ]
    ordered = sorted(parameters, key=lambda each: each.kind is griffe.ParameterKind.keyword_only)
    init = griffe.Function("__init__", parameters=griffe.Parameters(*ordered), returns="None")
    kind.set_member("__init__", init)
    if kind.docstring is not None:
        kind.docstring.value = _with_inherited(kind.docstring.value, _attrs_bases(kind))


def _with_inherited(text: str, bases: list[griffe.Class]) -> str:
    """A docstring whose ``Attributes:`` begin with those of the parents."""
    own = _attributes(text)
    inherited = "".join(
        entry
        for base in reversed(bases)
        for name, entry in _attributes(base.docstring.value if base.docstring else "").items()
        if name not in own
    )
    if not inherited:
        return text
    if own:
        return text.replace("Attributes:\n", f"Attributes:\n{inherited}", 1)
    before, raises, after = text.partition("\nRaises:")
    return f"{before.rstrip()}\n\nAttributes:\n{inherited}{raises}{after}"


def _attributes(text: str) -> dict[str, str]:
    """The entries of the section ``Attributes:``, whole, by name."""
    found = re.search(r"^Attributes:\n((?: +.*\n?|\n(?= ))*)", text, re.M)
    if found is None:
        return {}
    entries = re.findall(r"^    (\w+):((?:.*\n?)(?:^     +.*\n?)*)", found[1], re.M)
    return {name: f"    {name}:{rest.rstrip()}\n" for name, rest in entries}


def _parameters(kind: griffe.Class, keyword: bool) -> list[griffe.Parameter]:
    found: dict[str, griffe.Parameter] = {}
    for base in reversed(_attrs_bases(kind)):
        found |= {each.name: each for each in _own(base, keyword)}
    return list((found | {each.name: each for each in _own(kind, keyword)}).values())


def _attrs_bases(kind: griffe.Class) -> list[griffe.Class]:
    try:
        return [base for base in kind.mro() if _decorated(base)]
    except (ValueError, KeyError, griffe.AliasResolutionError):
        return []


def _own(kind: griffe.Class, keyword: bool) -> list[griffe.Parameter]:
    parameters = []
    for name, member in kind.members.items():
        if not isinstance(member, griffe.Attribute) or member.annotation is None:
            continue
        if "property" in member.labels or "ClassVar" in str(member.annotation):
            continue
        default, skipped, only = _default(str(member.value) if member.value is not None else None)
        if skipped:
            continue
        default = _literal(default, kind)
        parameters.append(
            griffe.Parameter(
                name.lstrip("_"),
                annotation=member.annotation,
                default=default,
                kind=griffe.ParameterKind.keyword_only
                if keyword or only
                else griffe.ParameterKind.positional_or_keyword,
            )
        )
    return parameters


def _literal(default: str | None, kind: griffe.Class) -> str | None:
    """A default, or what it stands for if it is a constant of the module."""
    named = kind.module.members.get(default or "")
    if not isinstance(named, griffe.Attribute) or named.value is None:
        return default
    try:
        ast.literal_eval(str(named.value))
    except ValueError:
        return default
    return str(named.value)


def _default(value: str | None) -> tuple[str | None, bool, bool]:
    """The default of a field, whether ``__init__`` leaves it out, and if by keyword only."""
    if value is None or not value.startswith(("attrs.field(", "field(")):
        return value, False, False
    call = ast.parse(value, mode="eval").body
    assert isinstance(call, ast.Call)
    told = {each.arg: ast.unparse(each.value) for each in call.keywords}
    default = told.get("default")
    if "factory" in told:
        default = {"dict": "{}", "list": "[]"}.get(told["factory"], f"{told['factory']}()")
    return default, told.get("init") == "False", told.get("kw_only") == "True"
