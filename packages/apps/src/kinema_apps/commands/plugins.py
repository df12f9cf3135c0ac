"""``kinema plugins``: everything that is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from kinema.found import Broken, Found, Observer, Source
from kinema.plugins import Plugins


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs to read.")
def command(as_json: bool) -> None:
    """List what is installed and where it comes from, and the plugins that are broken.

    Offers come by kind. Then come the plugins that observe runs or trainings, with their events.
    """
    found = Plugins.installed()
    if as_json:
        click.echo(json.dumps(_listed(found), indent=1))
        return
    for title, rows in _sections(found).items():
        click.secho(title, bold=True)
        click.echo("\n".join(rows))
    for broken in found.broken.values():
        click.secho(f"broken: {broken.source.plugin} [{broken.source}]", fg="red", bold=True)
        click.echo(f"  {broken.reason}")
    for collision in found.collisions():
        click.secho(f"collision: {collision}", fg="red", bold=True)
    if found.absent():
        click.echo(f'not installed: {", ".join(found.absent())}; install "kinema[all]".')


def _sections(found: Plugins) -> dict[str, list[str]]:
    observers = found.event_plugins()
    names = [item.offer.name for item in found.all()]
    width = max(map(len, [*names, *(item.source.plugin for item in observers)]), default=0)
    sections: dict[str, list[str]] = {}
    for item in found.all():
        line = f"  {item.offer.name:{width}}  {item.offer.summary}  [{item.source}]"
        sections.setdefault(f"{item.kind}s", []).append(line)
    for each in observers:
        name, summary = each.source.plugin, f"{each.summary}  " if each.summary else ""
        sections.setdefault("event plugins", []).extend(
            [
                f"  {name:{width}}  {summary}[{each.source}]",
                *(f"  {'':{width}}  {event}" for event in each.events),
            ]
        )
    return sections


def _listed(found: Plugins) -> dict[str, object]:
    return {
        "offers": [_offer(item) for item in found.all()],
        "event_plugins": [_observer(item) for item in found.event_plugins()],
        "broken": [_broken(item) for item in found.broken.values()],
        "collisions": [str(collision) for collision in found.collisions()],
        "absent": found.absent(),
    }


def _offer(item: Found[Any]) -> Mapping[str, object]:
    named = {"kind": item.kind.name, "name": item.offer.name, "summary": item.offer.summary}
    return named | _source(item.source)


def _observer(item: Observer) -> Mapping[str, object]:
    told = {"summary": item.summary, "events": item.events, "by_default": item.by_default}
    return _source(item.source) | told


def _broken(item: Broken) -> Mapping[str, object]:
    return _source(item.source) | {"reason": item.reason}


def _source(source: Source) -> dict[str, object]:
    return {
        "plugin": source.plugin,
        "distribution": source.distribution,
        "version": source.version,
    }
