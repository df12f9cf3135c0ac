"""``kinema evaluate votes``: which of two videos do people prefer?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kinema.errors import InputError
from kinema_apps.terminal import note, progress

if TYPE_CHECKING:
    from kinema_apps.votes.store import VoteStore
    from kinema_apps.votes.study import Study


@click.command("votes")
@click.argument("folders", metavar="[[LABEL:]DIR]...", nargs=-1)
@click.option(
    "--out",
    "folder",
    default="votes",
    show_default=True,
    metavar="STUDY",
    help="Folder of the study: copies of the videos, and the votes. A study there goes on.",
)  # fmt: skip
@click.option("--items", metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="The motions of the items: ITEM.json, or MC-Bench folders.")  # fmt: skip
@click.option("--per-rater", type=click.IntRange(1), default=30, show_default=True, metavar="N",
              help="Comparisons shown to one rater, at most.")  # fmt: skip
@click.option("--votes-per-pair", type=click.IntRange(1), default=3, show_default=True, metavar="N",
              help="Raters of a comparison, before others are begun.")  # fmt: skip
@click.option("--checks", type=click.IntRange(0, 100), default=3, show_default=True, metavar="N",
              help="Attention checks of each rater: a video beside a spoilt one.")  # fmt: skip
@click.option("--ties", is_flag=True, help='Let raters answer "same".')
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Where to listen. Anything but this machine asks for a token.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--count", is_flag=True, help="Only count the votes that STUDY has.")
@click.option("--keep-inattentive", is_flag=True,
              help="Count raters who failed the attention checks as well.")  # fmt: skip
def command(
    folders: Sequence[str],
    folder: str,
    items: str | None,
    per_rater: int,
    votes_per_pair: int,
    checks: int,
    ties: bool,
    host: str,
    port: int,
    count: bool,
    keep_inattentive: bool,
) -> int:
    """Ask people which of two videos is better, on a local page, and count their votes.

    \b
      kinema evaluate votes ours/ dragnuwa/ --out study
      kinema evaluate votes --count --out study

    Each DIR holds the videos of one model, or is the folder of an evaluation; videos of the same
    name are shown side by side, in random order and without names. Ctrl-C ends the page and
    counts; votes.csv and shares.csv in STUDY have every answer and every share.
    """  # noqa: D301
    where = Path(folder)
    if count:
        if folders:
            raise InputError("--count reads the study in --out; give it no folders of videos.")
        from kinema_apps.votes.store import VoteStore
        from kinema_apps.votes.study import Study

        _count(VoteStore(where, Study.load(where)), where, keep_inattentive)
        return 0
    from kinema.extras import require
    from kinema.files import claimed
    from kinema_apps.votes.server import EXTRA, address, build_app, listen, serve, token_for

    for package in ("starlette", "uvicorn", "filelock"):
        require(package, EXTRA, "A page to vote on")
    from kinema.outputs import check_folder
    from kinema_apps.votes.videos import named_folders

    check_folder(where, (*named_folders(folders).values(), items))
    with claimed(where, "preference study"):
        study = _prepared(folders, where, items, checks, ties)
        from kinema_apps.votes.store import VoteStore

        store = VoteStore(where, study, per_rater, votes_per_pair)
        token = token_for(host)
        app = build_app(store, where, token)
        with listen(host, port) as listening:
            at = address(host, listening.getsockname()[1], token)
            click.echo(f"Vote at {at}")
            note("Ctrl-C ends the page and counts the votes.")
            with suppress(KeyboardInterrupt):
                serve(app, listening)
        _count(store, where, keep_inattentive)
    return 0


def _prepared(
    folders: Sequence[str], where: Path, items: str | None, checks: int, ties: bool
) -> Study:
    from kinema_apps.votes.videos import gather, named_folders, prepare

    gathered = gather(named_folders(folders))
    with progress("Preparing") as bar:
        study = prepare(
            where,
            gathered,
            items=None if items is None else Path(items),
            checks=checks,
            ties=ties,
            on_progress=bar.advance,
        )
    note(
        f"{len(study.videos)} items by {len(study.models)} models make {len(study.pairs)} "
        "comparisons."
    )
    if gathered.alone:
        note(
            f"Left out, since only one model has them: {len(gathered.alone)} items, "
            f"{gathered.alone[0]!r} first."
        )
    partial = sum(len(models) < len(study.models) for models in study.videos.values())
    if partial:
        note(f"{partial} items are not there of every model.")
    bare = len(study.videos) - len(study.drawn)
    if bare:
        note(
            f"The motion of {bare} items is not known, so trajectory alignment is not asked of "
            "them. Name the folder of their motions with --items."
        )
    return study


def _count(store: VoteStore, where: Path, keep_inattentive: bool) -> None:
    from kinema_apps.votes.results import count_votes, write_shares, write_votes

    results = count_votes(store, keep_inattentive)
    click.echo(results.markdown(), nl=False)
    write_votes(store, where / "votes.csv")
    write_shares(results, where / "shares.csv")
    click.echo(f"Wrote {where / 'votes.csv'} and {where / 'shares.csv'}.")
