"""``kinema plugins``: everything that is installed."""

from __future__ import annotations

import json

import click

from kinema.plugins import Plugins


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs to read.")
def command(as_json: bool) -> None:
    """List every offer with where it comes from, and the plugins that are broken."""
    found = Plugins.installed()
    if as_json:
        click.echo(json.dumps(_listed(found), indent=1))
        return
    offers = found.all()
    width = max((len(item.offer.name) for item in offers), default=0)
    kind = ""
    for item in offers:
        if item.kind != kind:
            kind = item.kind
            click.secho(f"{kind}s", bold=True)
        click.echo(f"  {item.offer.name:{width}}  {item.offer.summary}  [{item.source}]")
    if not offers:
        click.echo('No plugin offers anything; install "kinema[all]".')
    for broken in found.broken.values():
        click.secho(f"broken: {broken.source.plugin} [{broken.source}]", fg="red", bold=True)
        click.echo(f"  {broken.reason}")
    for collision in found.collisions():
        click.secho(f"collision: {collision}", fg="red", bold=True)


def _listed(found: Plugins) -> dict[str, object]:
    return {
        "offers": [
            {
                "kind": item.kind,
                "name": item.offer.name,
                "summary": item.offer.summary,
                "plugin": item.source.plugin,
                "distribution": item.source.distribution,
                "version": item.source.version,
            }
            for item in found.all()
        ],
        "broken": [
            {
                "plugin": broken.source.plugin,
                "distribution": broken.source.distribution,
                "version": broken.source.version,
                "reason": broken.reason,
            }
            for broken in found.broken.values()
        ],
        "collisions": [str(collision) for collision in found.collisions()],
    }
