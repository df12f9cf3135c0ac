"""How long the videos of an evaluation took."""

from __future__ import annotations

from pathlib import Path

from kinema.evaluation import Results, SummaryRow
from kinema.evaluation.folder import read_json, safe
from kinema.evaluation.intervals import interval
from kinema.evaluation.published import SECONDS


def seconds_per_video(folder: Path, results: Results) -> list[SummaryRow]:
    """Of each model that made its videos, from the evaluation's ``times``.

    Every video counts alike, so what is done once (compiling, loading) is in the first of them.
    Videos of other tools were only read, and say nothing.
    """
    found = []
    for model in results.models:
        times = [
            (str(path), float(record["video"]))
            for path in sorted((folder / "times" / safe(model.name)).rglob("*.json"))
            if isinstance(record := read_json(path), dict) and "video" in record
        ]
        if times and model.kind in ("backbone", "function"):
            mean = interval(times)
            found.append(
                SummaryRow(
                    model=model.name,
                    subset="",
                    metric=SECONDS,
                    offer=SECONDS,
                    of="video",
                    value=mean.mean,
                    low=mean.low,
                    high=mean.high,
                    count=mean.count,
                    unit="s",
                    better="less",
                )
            )
    return found
