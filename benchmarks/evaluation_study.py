"""What the metrics say of models that are known, on scenes whose motion is known exactly.

Models from the photo held still to the true video make a hundred videos of each subset of the
benchmark `synthetic`, and every offline metric that applies measures them; those of the image
network, which take longest, on two subsets. The tables of the page "What each number can and cannot
tell" come from here, by one command:

    python benchmarks/evaluation_study.py --out runs/study --write

What is finished is kept, so that a run that was ended goes on; `--models` does a part. Where the
tables do not put models into the order that is expected of them, that is printed, and the exit code
is 1.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

import kinema
from kinema.evaluation import BackboneModel, Model, RealModel, Results, StillModel, SummaryRow

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "what-numbers-tell.md"
START, END = "<!-- study: start -->", "<!-- study: end -->"


def _tiny(name: str, **session: str) -> BackboneModel:
    return BackboneModel(backbone="tiny", name=name, session=session)


#: Of the 8 steps of `tiny-flow`, as in the study of ways of control: `tiny_flow_study.py`.
CLOCKS = {"clocks": "step", "weak": 3.0, "strong": 6.0}

#: From what does nothing to what is true, by name.
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        StillModel(),
        _tiny("unsteered", controller=""),
        _tiny("tiny"),
        BackboneModel(
            backbone="tiny-flow",
            name="time-to-move",
            session={"controller": "time-to-move", "controller_options": CLOCKS},
        ),
        BackboneModel(backbone="tiny-flow"),
        BackboneModel(backbone="preview"),
        RealModel(),
    )
}

METRICS = (
    "md-vid[dis]",
    "end-point-error[dis]",
    "camera-error[dis]",
    "flow-magnitude[dis]",
    "psnr",
    "motion-frechet[dis]",
)

#: Those of the image network, and the subsets that they measure.
OF_IMAGES = (
    "md-img[efficientnet-lite0]",
    "frame-consistency[efficientnet-lite0]",
    "fid[efficientnet-lite0]",
)
IMAGE_SUBSETS = ("object-level", "misread")

#: Numbers that have a table of their own, in its order.
SHOWN = (
    "end-point-error-moving[dis]",
    "md-vid[dis]",
    "md-img[efficientnet-lite0]",
    "rotation-error[dis]",
    "translation-error[dis]",
    "psnr",
    "fid[efficientnet-lite0]",
    "motion-frechet[dis]",
    "frame-consistency[efficientnet-lite0]",
    "flow-magnitude[dis]",
)

#: (number, subset, models from bad to good): the intervals of neighbours must not overlap.
ORDERS = (
    ("end-point-error-moving[dis]", "object-level", ("still", "tiny", "real")),
    ("end-point-error-moving[dis]", "object-level", ("unsteered", "tiny", "real")),
    ("end-point-error-moving[dis]", "object-level", ("still", "time-to-move", "real")),
    ("end-point-error-moving[dis]", "object-level", ("still", "tiny-flow", "real")),
    ("end-point-error-moving[dis]", "fine-grained", ("still", "tiny", "real")),
    ("end-point-error-moving[dis]", "fine-grained", ("still", "preview", "real")),
    ("end-point-error-moving[dis]", "camera", ("still", "preview", "real")),
    ("end-point-error-moving[dis]", "misread", ("still", "tiny", "preview")),
    ("end-point-error-moving[dis]", "misread", ("unsteered", "tiny", "preview")),
    ("md-vid[dis]", "object-level", ("still", "tiny", "preview")),
    ("md-vid[dis]", "object-level", ("unsteered", "tiny", "preview")),
    ("motion-frechet[dis]", "object-level", ("still", "unsteered", "tiny", "preview")),
    ("psnr", "object-level", ("unsteered", "tiny", "real")),
)


def table(found: Results, number: str) -> str:
    """One row per subset and one column per model, as Markdown; empty without any value."""
    names = [name for name in MODELS if name in {model.name for model in found.models}]
    rows = {(row.subset, row.model): row for row in found.summary if row.metric == number}
    valued = [row for row in rows.values() if row.value is not None]
    if not valued:
        return ""
    arrow = {"less": ", less is better", "more": ", more is better", "neither": ""}
    first = valued[0]
    unit = f" ({first.unit})" if first.unit else ""
    lines = [
        f"`{number}`{unit}{arrow[first.better]}:",
        "",
        "| Subset | N | " + " | ".join(names) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for subset in found.subsets:
        cells = [rows.get((subset, name)) for name in names]
        counts = sorted({cell.count for cell in cells if cell is not None and cell.count})
        if counts:
            told = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
            lines.append(f"| {subset} | {told} | " + " | ".join(map(cell_text, cells)) + " |")
    return "\n".join(lines)


def cell_text(row: SummaryRow | None) -> str:
    """The number with its interval; a dash where there is none."""
    if row is None or row.value is None or row.low is None or row.high is None:
        return "-"
    if row.low == row.high:
        return f"{row.value:.4g}"
    # A distance of a set to itself is nothing but rounding.
    value, low, high = (0.0 if abs(x) < 1e-9 else x for x in (row.value, row.low, row.high))
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def tables(found: Results) -> str:
    """Every table that has a value."""
    return "\n\n".join(filter(None, (table(found, number) for number in SHOWN)))


def disorder(found: Results) -> Iterator[str]:
    """The expected orders that do not hold with intervals apart, in words."""
    rows = {(row.metric, row.subset, row.model): row for row in found.summary}
    for number, subset, names in ORDERS:
        for bad, good in itertools.pairwise(names):
            worse, better = (rows.get((number, subset, name)) for name in (bad, good))
            if worse is None or better is None or None in (worse.value, better.value):
                continue
            upper, lower = (better, worse) if worse.better == "more" else (worse, better)
            if not (upper.low or 0.0) > (lower.high or 0.0):
                yield f"{number} on {subset}: {bad} {worse}, {good} {better}"


def written(page: str, text: str) -> str:
    """The page with ``text`` between its two marks."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{text}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate, print the tables or write them into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/study"))
    parser.add_argument("--items", type=int, default=100, help="of each subset")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    chosen = parser.parse_args(arguments)

    def measured(metrics: Sequence[str], subsets: Sequence[str] = ()) -> Results:
        return kinema.evaluate(
            "synthetic",
            [MODELS[name] for name in chosen.models],
            options={"count": chosen.items},
            metrics=metrics,
            subsets=subsets,
            out=chosen.out,
            workers=chosen.workers,
        )

    found, images = measured(METRICS), measured(OF_IMAGES, IMAGE_SUBSETS)
    found = attrs.evolve(
        found,
        summary=(*found.summary, *images.summary),
        faults=(*found.faults, *images.faults),
    )
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(written(page, tables(found)), encoding="utf-8")
    else:
        print(tables(found))
    wrong = [*disorder(found), *(str(fault) for fault in found.faults)]
    for line in wrong:
        print(f"not as expected: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
