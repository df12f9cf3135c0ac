"""``kinema weights``: which weights there are, fetching them, checking them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kinema.errors import WeightsError
from kinema.found import Found
from kinema.offers import Offer
from kinema.plugins import Plugins
from kinema_apps.terminal import note, progress
from kinema_apps.weights import fetch, find_offer, offers_with_weights, size_of, states

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("weights")
def command() -> None:
    """List, fetch and check the weights that offers need.

    Nothing but `kinema weights pull` ever asks the network.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> None:
    """List the weights of every installed offer: files, sizes, licences, where they are."""
    found = offers_with_weights(Plugins.installed())
    if as_json:
        click.echo(json.dumps([_record(item) for item in found], indent=1))
        return
    for item in found:
        click.echo(f"{item.offer.name} ({item.kind}) from {item.source}")
        for state in states(item):
            file = state.file
            click.echo(f"  {file.path} of {file.hub}, {size_of(file)}, licence: {file.licence}")
            click.echo(f"    {state.path or 'not in the local cache'}{_fault(state.fault)}")
    if not found:
        click.echo("No installed offer needs weights.")


@command.command("pull")
@click.argument("name")
@click.option("--to", type=_FOLDER, help="Folder; default: the local hub cache.")
@click.option("--yes", is_flag=True, help="Do not ask about the licence.")
def pull_command(name: str, to: Path | None, yes: bool) -> None:
    """Fetch the weights of the offer NAME from their hub. Asks the network."""
    item = find_offer(Plugins.installed(), name)
    for file in item.offer.weights:
        note(f"{file.path} of {file.hub}, {size_of(file)}, licence: {file.licence}")
    if not yes:
        click.confirm("Fetch them under these licences?", abort=True, err=True)
    with progress("Fetching"):
        folders = fetch(item, to)
    _check(item, to)
    for folder in folders:
        click.echo(f"Wrote {folder}.")


@command.command("check")
@click.argument("name")
@click.option("--in", "folder", type=_FOLDER, help="Folder; default: the local hub cache.")
def check_command(name: str, folder: Path | None) -> None:
    """Check that the weights of the offer NAME are there and are the recorded ones."""
    item = find_offer(Plugins.installed(), name)
    with progress("Reading"):
        _check(item, folder)
    click.echo(f"{name}: all {len(item.offer.weights)} files are there.")


def _check(item: Found[Offer], folder: Path | None) -> None:
    wrong = []
    for state in states(item, folder, deep=True):
        if state.path is None:
            wrong.append(
                f"{state.file.path} is absent ({size_of(state.file)}, from {state.file.hub}, "
                f"licence: {state.file.licence})"
            )
        elif state.fault:
            wrong.append(f"{state.path} {state.fault}")
    if wrong:
        raise WeightsError(
            f"The weights of {item.offer.name!r} are not complete"
            f"{f' in {str(folder)!r}' if folder else ' in the local hub cache'}: "
            f"{'; '.join(wrong)}. Fetch them with: kinema weights pull {item.offer.name}"
        )


def _record(item: Found[Offer]) -> dict[str, object]:
    return {
        "name": item.offer.name,
        "kind": item.kind.name,
        "distribution": item.source.distribution,
        "files": [
            {
                "path": state.file.path,
                "hub": state.file.hub,
                "bytes": state.file.bytes,
                "sha256": state.file.sha256,
                "licence": state.file.licence,
                "found": None if state.path is None else str(state.path),
            }
            for state in states(item)
        ],
    }


def _fault(fault: str) -> str:
    return f" BUT it {fault}" if fault else ""
