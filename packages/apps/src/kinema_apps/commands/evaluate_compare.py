"""``kinema evaluate compare``: is one model better than another, on the same items?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kinema.errors import InputError
from kinema.outputs import check_file, refuse_inputs

if TYPE_CHECKING:
    from kinema.evaluation import Results


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--out", metavar="FILE.json", help="Where every number of the comparison goes.")
def command(first: str, second: str, out: str | None) -> int:
    """Compare two models item by item: paired tests, intervals and effect sizes.

    \b
      kinema evaluate compare runs/before runs/after
      kinema evaluate compare runs/first:still runs/first:preview

    A and B are folders of evaluations, each with the name of a model if it has several. The p
    values are those of a paired bootstrap and of the sign test, corrected for the number of
    comparisons (Holm). Numbers of a set, such as fid, have no items and are only shown.
    """  # noqa: D301
    from kinema.evaluation.results import SCORES_JSON
    from kinema.files import write_atomically
    from kinema_apps.report.comparison import compare_results

    if out is not None:
        check_file(out)
    folder_a, results_a, model_a = _read(first)
    folder_b, results_b, model_b = _read(second)
    if out is not None:
        refuse_inputs(out, [each / SCORES_JSON for each in (folder_a, folder_b)])
    # Two runs of one model are told apart by their folders.
    names = (first, second) if model_a == model_b else (model_a, model_b)
    if (folder_a, model_a) == (folder_b, model_b):
        raise InputError(f"{first!r} and {second!r} are the same model of the same evaluation.")
    found = compare_results(results_a, model_a, results_b, model_b, names=names)
    click.echo(found.markdown(), nl=False)
    if out is not None:
        text = json.dumps(found.to_dict(), indent=1) + "\n"
        write_atomically(Path(out), lambda part: part.write_text(text, encoding="utf-8"))
        click.echo(f"Wrote {out}.")
    return 0


def _read(words: str) -> tuple[Path, Results, str]:
    """``FOLDER`` or ``FOLDER:MODEL``."""
    from kinema.evaluation import Results

    folder, model = Path(words), ""
    if not folder.exists() and ":" in words:
        path, _, model = words.rpartition(":")
        folder = Path(path)
    results = Results.load(folder)
    known = [each.name for each in results.models]
    if not model and len(known) > 1:
        raise InputError(
            f"{words!r} has several models: {', '.join(known)}. Name one, as in {words}:{known[0]}."
        )
    return folder.resolve(), results, model or known[0]
