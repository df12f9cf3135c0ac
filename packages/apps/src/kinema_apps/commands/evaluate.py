"""``kinema evaluate``: models on a benchmark, made, measured and reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinema.errors import InputError
from kinema.motion.canvas import Size
from kinema.offers import BACKBONE, BENCHMARK, METRIC, SET_METRIC
from kinema.plugins import Plugins
from kinema_apps.commands import evaluate_compare, evaluate_votes
from kinema_apps.motion_options import SizeType
from kinema_apps.session_options import complete
from kinema_apps.terminal import note, parse_settings, progress

if TYPE_CHECKING:
    from kinema.evaluation import Model, Results

#: Options of a backbone that go to the session itself.
OF_SESSION = ("weights", "controller", "depth", "device", "dtype")

#: Parts of a session that have options of their own, and how the session calls those.
OF_PARTS = {
    "sample": "sample",
    "controller": "controller_options",
    "depth": "depth_options",
    "solver": "solver_options",
}


@click.group(invoke_without_command=True)
@click.option(
    "--benchmark",
    metavar="NAME",
    shell_complete=complete(BENCHMARK),
    help="Whose items; `kinema plugins` lists the names.",
)
@click.option(
    "--suite",
    metavar="NAME",
    help="A table of the MotionPro paper, instead of a benchmark: table-1, table-2, table-3, "
    "figure-6, figure-8, ablations, runtime.",
)
@click.option(
    "--published",
    multiple=True,
    metavar="FILE",
    help="A table of a paper, to stand beside what is found; suites bring theirs. Repeatable.",
)
@click.option("--data", metavar="FOLDER", help="Where the benchmark's data lies, if it needs any.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the benchmark; `kinema show NAME` lists them. Repeatable.",
)
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="[LABEL:]NAME[,KEY=VALUE...]",
    shell_complete=complete(BACKBONE),
    help="A model, with its options: weights, controller, depth, device, dtype, sample.KEY, those "
    "of the backbone, and CONDITION.KEY. An empty controller leaves it unsteered. Repeatable.",
)
@click.option(
    "--videos",
    multiple=True,
    metavar="[LABEL:]FOLDER",
    help="Score videos that another tool made: ITEM.mp4, or a manifest videos.json. Repeatable.",
)
@click.option("--still", is_flag=True, help="Score the photo held still, too.")
@click.option("--real", is_flag=True, help="Score the real videos, too: what a metric is worth.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[,KEY=VALUE...]",
    shell_complete=complete(METRIC, SET_METRIC),
    help="What is measured, of one video or of the set; default: what the benchmark says. "
    "Repeatable.",
)
@click.option("--subset", "subsets", multiple=True, metavar="NAME", help="Of the benchmark.")
@click.option("--items", type=click.IntRange(1), metavar="N", help="The first N of each subset.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Videos per item, with the seeds 0 to N - 1.")  # fmt: skip
@click.option("--size", type=SizeType(), help="Of the videos, WIDTHxHEIGHT.")
@click.option("--frames", type=click.IntRange(2), metavar="T", help="Of a video.")
@click.option("--fps", type=float, metavar="N", help="Of a video.")
@click.option("--out", metavar="FOLDER", help="Where videos, records and results go.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="This machine, or a Ray cluster.")  # fmt: skip
@click.option("--workers", type=click.IntRange(0), default=1, show_default=True, metavar="N",
              help="Processes; with ray, tasks at once, 0 for all it has.")  # fmt: skip
@click.option("--by", metavar="NUMBER",
              help="The report shows the best and worst items by this; default: the first that has "
              "a better side.")  # fmt: skip
@click.option("--clips", type=click.IntRange(0), default=24, show_default=True, metavar="N",
              help="Items with clips in the report, at most.")  # fmt: skip
@click.option("--report", "only_report", metavar="FOLDER",
              help="Only write the report of an evaluation that is there.")  # fmt: skip
@click.pass_context
def command(
    context: click.Context,
    benchmark: str | None,
    suite: str | None,
    published: Sequence[str],
    data: str | None,
    settings: Sequence[str],
    backbones: Sequence[str],
    videos: Sequence[str],
    still: bool,
    real: bool,
    metrics: Sequence[str],
    subsets: Sequence[str],
    items: int | None,
    seeds: int,
    size: Size | None,
    frames: int | None,
    fps: float | None,
    out: str | None,
    engine: str,
    workers: int,
    by: str | None,
    clips: int,
    only_report: str | None,
) -> int | None:
    """Evaluate models on a benchmark: make the videos, measure them, report.

    \b
      kinema evaluate --benchmark synthetic --backbone preview --still --out runs/first
      kinema evaluate --benchmark mc-bench --data MC-Bench --out runs/mc \\
          --backbone svd,weights=w,controller=c --backbone "unsteered:svd,weights=w,controller="
      kinema evaluate --benchmark mc-bench --data MC-Bench --videos results/ --out runs/theirs

    What is in the folder --out already is not made again, so a run that was ended goes on. Items,
    videos and metrics that fail are listed, and give the exit code 1.
    """  # noqa: D301
    if context.invoked_subcommand is not None:
        return None
    if only_report is not None:
        if benchmark or suite or out:
            raise InputError(
                "--report reads the folder it names; give no --benchmark, --suite or --out."
            )
        report(Path(only_report), by, clips, published)
        return 0
    if not (benchmark or suite) or not out:
        raise InputError("Name a --benchmark or a --suite, and a folder --out.")
    if benchmark and suite:
        raise InputError("Give a --benchmark or a --suite, and not both.")
    from kinema.evaluation.run import evaluate
    from kinema_apps.suites import beside_papers, suite_of, table

    asked = suite_of(suite) if suite else None
    wanted: dict[str, Any] = {"benchmark": benchmark} if asked is None else asked.asks()
    options = {**wanted.get("options", {}), **parse_settings("--set", settings)}
    if data is not None:
        options["folder"] = str(Path(data).resolve())
    with progress("Evaluating", remaining=True) as bar:
        found = evaluate(
            wanted["benchmark"],
            models(backbones, videos, still, real),
            options=options,
            metrics=dict(map(named_options, metrics or wanted.get("metrics", ()))),
            subsets=subsets or wanted.get("subsets", ()),
            published=(*wanted.get("published", ()), *published),
            items=items,
            seeds=range(seeds),
            size=size,
            frames=frames,
            fps=fps,
            out=out,
            engine=engine,  # type: ignore[arg-type]
            workers=workers,
            on_progress=bar.advance,
        )
    if asked is not None:
        click.echo(table(asked, found, Path(out)))
    elif found.published:
        click.echo(beside_papers(found, Path(out)))
    code = say(found, out)
    report(Path(out), by, clips)
    return code


def say(found: Results, out: str) -> int:
    """Print the tables; 1 if anything failed."""
    click.echo(found.markdown(), nl=False)
    click.echo(f"Wrote {Path(out) / 'scores.json'} and {Path(out) / 'scores.parquet'}.")
    if found.faults:
        note(f"{len(found.faults)} failures are listed above and in scores.json.")
    return 1 if found.faults else 0


def report(folder: Path, by: str | None, clips: int, published: Sequence[str] = ()) -> None:
    """Write the page of an evaluation."""
    from kinema_apps.report.folder import write_report

    with progress("Reporting") as bar:
        page = write_report(
            folder, by=by, clips=clips, published=published, on_progress=bar.advance
        )
    click.echo(f"Wrote {page}.")


def models(
    backbones: Sequence[str], videos: Sequence[str], still: bool, real: bool = False
) -> list[Model]:
    """What the options name.

    Raises:
        InputError: none is named, or an option is not of the form key=value.
    """
    from kinema.evaluation import RealModel, StillModel, VideosModel

    found: list[Model] = [StillModel()] if still else []
    found += [RealModel()] if real else []
    found += [backbone_model(words) for words in backbones]
    for words in videos:
        label, colon, folder = words.partition(":")
        # A label has no separator of folders, and no drive has a name of several letters.
        if colon and len(label) > 1 and not set(label) & set("/\\"):
            found.append(VideosModel(folder=folder, name=label))
        else:
            found.append(VideosModel(folder=words))
    if not found:
        raise InputError(
            "Name what is evaluated: a --backbone, a folder of --videos, --still or --real."
        )
    return found


def backbone_model(words: str) -> Model:
    """``[LABEL:]NAME[,KEY=VALUE...]``.

    Raises:
        InputError: an option is not of the form key=value, or the backbone is unknown.
    """
    from kinema.evaluation import BackboneModel

    name, options = named_options(words)
    label, colon, rest = name.partition(":")
    name = rest if colon else name
    Plugins.installed().find(BACKBONE, name)
    session: dict[str, Any] = {}
    for key, value in options.items():
        part, dot, option = key.partition(".")
        if key in OF_SESSION:
            session[key] = value
        elif not dot:
            session.setdefault("options", {})[key] = value
        elif part in OF_PARTS:
            session.setdefault(OF_PARTS[part], {})[option] = value
        else:
            session.setdefault("condition_options", {}).setdefault(part, {})[option] = value
    return BackboneModel(backbone=name, name=label if colon else name, session=session)


def named_options(words: str) -> tuple[str, dict[str, str]]:
    """``NAME[,KEY=VALUE...]``; a value of several, as ``frames=1,7,15``, may have commas.

    Raises:
        InputError: an option is not of the form key=value.
    """
    name, *pieces = words.split(",")
    settings: list[str] = []
    for piece in pieces:
        if "=" in piece or not settings:
            settings.append(piece)
        else:
            settings[-1] += f",{piece}"
    return name, parse_settings(f"{name!r}:", settings)


command.add_command(evaluate_compare.command)
command.add_command(evaluate_votes.command)
