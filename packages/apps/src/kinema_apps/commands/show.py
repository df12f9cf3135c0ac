"""``kinema show``: what an offer is and which options it has."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import typing
from typing import Any

import attrs
import click

from kinema.errors import InputError, suggestion
from kinema.found import Found, Observer
from kinema.offers import CommandOffer, Offer, ScoreOffer
from kinema.plugins import Plugins
from kinema_apps.session_options import complete


@click.command()
@click.argument("name", shell_complete=complete())
def command(name: str) -> None:
    """Show what NAME is, its options with their defaults, and where it comes from."""
    plugins = Plugins.installed()
    described = [(item.offer.name, _described(item)) for item in plugins.all()]
    described += [(item.source.plugin, _watching(item)) for item in plugins.event_plugins()]
    found = [text for known, text in described if known == name]
    if not found:
        if name in plugins.dormant:
            raise plugins.dormant[name].error
        raise InputError(
            f"Nothing installed is called {name!r}.{suggestion(name, [n for n, _ in described])} "
            f"`kinema plugins` lists the names.{plugins.doubts()}"
        )
    click.echo("\n\n".join(found))


def _described(item: Found[Offer]) -> str:
    offer = item.offer
    lines = [
        f"{offer.name} ({item.kind}) from {item.source}",
        textwrap.indent(offer.summary, "  "),
        *_extras(offer),
        "",
        *(_options(offer.config) or [_no_options(offer)]),
    ]
    return "\n".join(lines)


def _no_options(offer: Offer) -> str:
    if isinstance(offer, CommandOffer):
        return f"`kinema {offer.name} --help` shows its options."
    return "It has no options."


def _watching(item: Observer) -> str:
    lines = [f"{item.source.plugin} (event plugin) from {item.source}"]
    if item.summary:
        lines.append(textwrap.indent(item.summary, "  "))
    if item.by_default:
        lines.append("  Observes every training whose recipe says nothing of events.")
    return "\n".join([*lines, "", "Events:", *(f"  {event}" for event in item.events)])


def _extras(offer: Offer) -> list[str]:
    lines = []
    conditions = getattr(offer, "conditions", ())
    if conditions:
        lines.append(f"  Reads the conditions {', '.join(conditions)}.")
    if isinstance(offer, ScoreOffer):
        side = {"less": "less is better", "more": "more is better"}.get(offer.better)
        lines.append(f"  In {offer.unit or 'no unit'}; {side or 'no side is better'}.")
        if offer.published:
            lines.append(f"  It is {offer.published} as published.")
        if offer.stands_in_for:
            lines.append(f"  Stands in for {offer.stands_in_for}, and is not comparable with it.")
    for file in offer.weights:
        size = f", {file.bytes / 1e9:.2f} GB" if file.bytes else ""
        lines.append(f"  Needs {file.path} of {file.hub}{size} (licence: {file.licence}).")
    return lines


def _options(config: type[Any]) -> list[str]:
    docs, types = field_docs(config), _types(config)
    lines = []
    for field in attrs.fields(config):
        lines.append(
            f"{field.name} = {_default(field)}   ({_type_name(types.get(field.name, field.type))})"
        )
        if field.name in docs:
            lines.append(textwrap.indent(textwrap.fill(docs[field.name], 90), "    "))
    return (
        ["Options:", *(f"  {line}" for text in lines for line in text.split("\n"))] if lines else []
    )


def _default(field: attrs.Attribute[Any]) -> str:
    default: Any = field.default
    if default is attrs.NOTHING:
        return "(required)"
    if hasattr(default, "takes_self"):
        return "(computed)" if default.takes_self else repr(default.factory())
    return repr(default)


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(repr(choice) for choice in typing.get_args(kind))
    return str(kind) if typing.get_args(kind) else getattr(kind, "__name__", str(kind))


def _types(config: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(config)
    except (NameError, TypeError):  # a name that only type checkers import
        return {}


def field_docs(config: type[Any]) -> dict[str, str]:
    """The docstring under each field of a class and of those it inherits from."""
    docs: dict[str, str] = {}
    for owner in reversed(config.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError, SyntaxError):
            continue  # a class made at run time has no source, and so no field docs
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                docs[field.target.id] = " ".join(text.value.value.split())
    return docs
