"""Named suites: the tables and figures of the paper of MotionPro (CVPR 2025), run by anyone.

A suite says which benchmark, which numbers, and which rows. What fills a row is the caller's: a
trained controller of the recipe that the row names, or videos that another tool made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import InputError, suggestion
from kinema.files import parse_json, read_text

if TYPE_CHECKING:
    from kinema.evaluation import Results


@attrs.frozen
class Row:
    """One model of a suite.

    Attributes:
        name: in the table.
        recipe: in ``examples/recipes``, without its suffix, whose training gives the controller;
            empty for a model of others.
        note: what it is.
    """

    name: str
    recipe: str = ""
    note: str = ""


@attrs.frozen(kw_only=True)
class Suite:
    """A table or a figure.

    Attributes:
        name: how ``--suite`` asks for it.
        summary: one sentence.
        benchmark, options: whose items.
        published: metrics as published; they need weights.
        companions: what is measured where those are not asked for.
        rows: models, in order.
    """

    name: str
    summary: str
    benchmark: str
    published: tuple[str, ...]
    companions: tuple[str, ...]
    rows: tuple[Row, ...]
    options: Mapping[str, Any] = attrs.field(factory=dict)


_MINE = Row("motionpro", "motionpro", "region-wise trajectories, motion mask, modulation")
_OTHERS = (
    Row("dragnuwa", note="ProjectNUWA/DragNUWA 1.5; score its videos"),
    Row("draganything", note="showlab/DragAnything; score its videos"),
    Row("mofa-video", note="MyNiuuu/MOFA-Video; score its videos"),
)
_QUALITY = ("fvd", "fid", "frame-consistency")
_QUALITY_HERE = (
    "motion-frechet[dis]",
    "fid[efficientnet-lite0]",
    "frame-consistency[efficientnet-lite0]",
)
_CONTROL = ("md-vid", "md-img")
_CONTROL_HERE = ("md-vid[dis]", "md-img[efficientnet-lite0]")

SUITES = (
    Suite(
        name="table-1",
        summary="Quality on clips of WebVid-10M, 15 % of the blocks as trajectories.",
        benchmark="videos",
        published=_QUALITY,
        companions=_QUALITY_HERE,
        rows=(
            *_OTHERS,
            Row("gaussian", "gaussian", "a DragNUWA-like baseline"),
            _MINE,
        ),
    ),
    Suite(
        name="table-2",
        summary="Fine-grained motion control on MC-Bench.",
        benchmark="mc-bench",
        published=(*_CONTROL, "frame-consistency"),
        companions=(*_CONTROL_HERE, "frame-consistency[efficientnet-lite0]"),
        rows=(*_OTHERS, _MINE),
    ),
    Suite(
        name="table-3",
        summary="Object-level motion control on MC-Bench.",
        benchmark="mc-bench",
        published=(*_CONTROL, "frame-consistency"),
        companions=(*_CONTROL_HERE, "frame-consistency[efficientnet-lite0]"),
        rows=(*_OTHERS, _MINE),
    ),
    Suite(
        name="figure-6",
        summary="The side k of the regions and the least mask ratio r_min, on clips of WebVid-10M.",
        benchmark="videos",
        published=("fvd", "frame-consistency"),
        companions=("motion-frechet[dis]", "frame-consistency[efficientnet-lite0]"),
        rows=(
            *(Row(f"k-{k}", f"ablation-region-{k}") for k in (1, 2, 4, 8, 16)),
            *(
                Row(f"r-min-{ratio}", f"ablation-r-min-{ratio}")
                for ratio in ("0.0", "0.5", "0.75", "0.9", "0.99")
            ),
            _MINE,
        ),
    ),
    Suite(
        name="figure-8",
        summary="How the signal is injected: modulation, concatenation, addition.",
        benchmark="videos",
        published=("fvd", "frame-consistency"),
        companions=("motion-frechet[dis]", "frame-consistency[efficientnet-lite0]"),
        rows=(Row("add", "ablation-add"), Row("concat", "ablation-concat"), _MINE),
    ),
    Suite(
        name="ablations",
        summary="Without the motion mask, and with random trajectories (supplement).",
        benchmark="mc-bench",
        published=_CONTROL,
        companions=_CONTROL_HERE,
        rows=(
            Row("no-mask", "ablation-no-mask"),
            Row("random-trajectory", "ablation-random-trajectory"),
            _MINE,
        ),
    ),
    Suite(
        name="runtime",
        summary="Seconds per video, on MC-Bench.",
        benchmark="mc-bench",
        published=(),
        companions=("flow-magnitude[dis]",),
        rows=(*_OTHERS, _MINE),
    ),
)

#: The subset of MC-Bench that a table looks at.
SUBSETS = {"table-2": ("fine-grained",), "table-3": ("object-level",)}


def suite_of(name: str) -> Suite:
    """The suite of that name.

    Raises:
        InputError: there is none.
    """
    known = {each.name: each for each in SUITES}
    if name not in known:
        raise InputError(
            f"Unknown suite {name!r}.{suggestion(name, known)} Choose one of: {', '.join(known)}."
        )
    return known[name]


def read_published(path: str) -> dict[str, dict[str, float]]:
    """A paper's numbers, typed in by who has it: ``{ROW: {METRIC: NUMBER}}``.

    Raises:
        InputError: it is something else.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path!r} cannot be read: {reason}.") from None
    data = parse_json(text, f"The file {path!r}", InputError)
    try:
        return {
            str(row): {str(name): float(value) for name, value in numbers.items()}
            for row, numbers in data.items()
        }
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise InputError(f"{path!r} must be of the form {{ROW: {{METRIC: NUMBER}}}}.") from None


def table(
    suite: Suite, found: Results, seconds: Mapping[str, float], published: Mapping[str, Any]
) -> str:
    """The suite's table as Markdown: a row per model, ours and the paper's number side by side.

    Args:
        suite: which.
        found: of its evaluation.
        seconds: per video, by model.
        published: the paper's numbers, by row and published metric.
    """
    shown = [record for record in found.metrics if suite.name != "runtime"]
    names = [record.name for record in shown]
    head = ["Row", *names, *(["seconds per video"] if suite.name == "runtime" else [])]
    lines = [f"## {suite.name}: {suite.summary}", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    rows = [each.name for each in suite.rows] + [model.name for model in found.models]
    for row in dict.fromkeys(rows):
        cells = [_cell(found, row, record.name, published) for record in shown]
        if suite.name == "runtime":
            cells.append(f"{seconds[row]:.3g}" if row in seconds else "not evaluated")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += ["", *_words(suite, found, published)]
    return "\n".join(lines) + "\n"


def _cell(found: Results, row: str, metric: str, published: Mapping[str, Any]) -> str:
    parts = [
        f"{each}" if len(found.subsets) == 1 else f"{each.subset}: {each}"
        for each in found.summary
        if each.model == row and each.offer == metric
    ]
    ours = "; ".join(parts) or "not evaluated"
    paper = published.get(row, {}).get(metric)
    return ours if paper is None else f"{ours} (paper: {paper:g})"


def _words(suite: Suite, found: Results, published: Mapping[str, Any]) -> list[str]:
    """What differs from the paper."""
    words = []
    for record in found.metrics:
        if record.stands_in_for:
            words.append(
                f"- {record.name} stands in for {record.stands_in_for}: the order of models may be "
                "compared with the paper, the number may not."
            )
        elif record.published:
            words.append(f"- {record.name} is {record.published} as published.")
    if not published:
        words.append(
            "- The paper's numbers are not part of this package; give them with --published "
            "FILE.json to have them beside ours."
        )
    recipes = [f"{row.name} ({row.recipe})" for row in suite.rows if row.recipe]
    words.append(
        "- Controllers are what you trained or converted; the recipes are: "
        f"{', '.join(recipes) or 'none'}. The paper trained on WebVid-10M with 8 GPUs."
    )
    return words


def seconds_per_video(out: Path, models: Sequence[str]) -> dict[str, float]:
    """The mean time that making a video took, by model, from the ``times`` of an evaluation."""
    from kinema.evaluation.folder import read_json, safe

    found = {}
    for name in models:
        times = [
            record["video"]
            for path in sorted((out / "times" / safe(name)).rglob("*.json"))
            if isinstance(record := read_json(path), dict) and "video" in record
        ]
        if times:
            found[name] = sum(times) / len(times)
    return found
