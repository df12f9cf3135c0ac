"""What a preparation kept and dropped, as numbers and as a page with histograms."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from kinema.clips.preparation.shards import Job, Outcome, write_json
from kinema.files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bars of a histogram.
BARS = 24

#: Width and height of a histogram's bars on the page, in CSS pixels.
PLOT = (560, 150)


@attrs.frozen(kw_only=True)
class Histogram:
    """Counts between evenly spaced edges.

    Attributes:
        low, high: the first and the last edge.
        counts: of each bar.
        median: of the values.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    median: float

    @classmethod
    def of(cls, values: Sequence[float], high: float | None = None) -> Histogram:
        """From 0 to ``high``, or to the largest value."""
        numbers: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        top = high or (float(numbers.max()) if len(numbers) else 0.0) or 1.0
        counts, _ = np.histogram(numbers, bins=BARS, range=(0.0, top))
        median = float(np.median(numbers)) if len(numbers) else 0.0
        return cls(
            low=0.0, high=round(top, 4), counts=tuple(counts.tolist()), median=round(median, 4)
        )


@attrs.frozen(kw_only=True)
class Report:
    """What came of a preparation.

    Attributes:
        out: the folder.
        clips: how many the source held.
        kept: how many of them are in the shards.
        dropped: how many are not, by reason, most frequent first.
        examples: one of each reason.
        motion: displacement in pixels of the kept clips, as the limits measure it.
        visible: share of the first frame that stays visible, of the kept clips.
        shards: how many files.
        bytes: of all shards.
        facts: what the clips are: source, backbone, tracker, size and so on.
        notes: what the source has to say, such as which files it left aside.
    """

    out: str
    clips: int
    kept: int
    dropped: Mapping[str, int]
    examples: Mapping[str, str]
    motion: Histogram
    visible: Histogram
    shards: int
    bytes: int
    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Job, outcomes: Sequence[Outcome], notes: Sequence[str] = ()) -> Report:
        """Of all shards, in order."""
        config = job.config
        kept = [clip for outcome in outcomes for clip in outcome.kept]
        drops = [drop for outcome in outcomes for drop in outcome.dropped]
        counts = Counter(reason for _, reason, _ in drops)
        examples: dict[str, str] = {}
        for key, reason, detail in drops:
            examples.setdefault(reason, f"{key}: {detail}" if detail else key)
        (width, height), frames, fps = config.form
        return cls(
            out=str(job.out),
            clips=len(kept) + len(drops),
            kept=len(kept),
            dropped=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
            examples=examples,
            motion=Histogram.of([motion * width for _, motion, _ in kept]),
            visible=Histogram.of([seen for _, _, seen in kept], 1.0),
            shards=sum(bool(outcome.kept) for outcome in outcomes),
            bytes=sum(outcome.bytes for outcome in outcomes),
            facts={
                "source": config.source,
                "backbone": config.backbone,
                "tracker": config.tracker,
                "clips of": f"{width}x{height}, {frames} frames at {fps:g} fps",
                "displacement kept at": f"1/{config.grid} of the size",
            },
            notes=tuple(notes),
        )

    @property
    def bytes_per_clip(self) -> float:
        """Of the shards, on average."""
        return self.bytes / self.kept if self.kept else 0.0

    def lines(self) -> list[str]:
        """The report as a short table for a terminal."""
        share = 100 * self.kept / self.clips if self.clips else 0.0
        rows = [
            f"{self.kept} of {self.clips} clips kept ({share:.0f} %), in {self.shards} shards of "
            f"{self.bytes / 1e6:.1f} MB in all, {self.bytes_per_clip / 1e6:.3f} MB per clip.",
        ]
        rows += [
            f"{count:>8} dropped: {reason}{', such as' if count > 1 else ','} "
            f"{self.examples[reason]}"
            for reason, count in self.dropped.items()
        ]
        if self.dropped:
            rows.append("Each is named in the folder records/.")
        rows += [f"Note: {note}." for note in self.notes]
        if self.kept:
            rows.append(
                f"Of those kept, half move by {self.motion.median:.1f} pixels or more, and keep "
                f"{100 * self.visible.median:.0f} % of the first frame visible or more."
            )
        return rows


def write_report(out: Path, report: Report) -> None:
    """Write ``report.json`` and ``report.html``; the same shards give the same bytes.

    Raises:
        InputError, OSError: they cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = {key: value for key, value in attrs.asdict(report).items() if key != "out"}
    write_json(out / "report.json", data)
    page = report_page(report)
    write_atomically(out / "report.html", lambda part: part.write_text(page, encoding="utf-8"))


# -- the page --------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --quiet: #667085; --line: #d8dde6;
  --paper: #ffffff; --kept: #2f6fde; --dropped: #d9803a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --quiet: #98a2b3; --line: #343b48;
  --paper: #14181f; --kept: #6b9cf2; --dropped: #e69a5c; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  margin: 2.5rem auto; max-width: 46rem; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2.25rem 0 .5rem; }
p { color: var(--quiet); margin: .25rem 0 1rem; } svg { display: block; width: 100%; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line);
  padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } td.w { width: 30%; }
td.e { color: var(--quiet); overflow-wrap: anywhere; } .bar { height: .7rem; border-radius: 2px;
  background: var(--dropped); min-width: 2px; }
text { fill: var(--quiet); font: 12px system-ui, sans-serif; } rect { fill: var(--kept); }
line { stroke: var(--line); } line.m { stroke: var(--ink); stroke-dasharray: 4 3; }
""".strip()


def report_page(report: Report) -> str:
    """The report as one HTML page that needs no other file."""
    facts = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in {
            **report.facts,
            "shards": f"{report.shards}, {report.bytes / 1e6:.1f} MB",
            "per clip": f"{report.bytes_per_clip / 1e6:.3f} MB",
        }.items()
    )
    parts = [
        f"<h1>{report.kept} of {report.clips} clips kept</h1>",
        f"<table>{facts}</table>",
        _drops(report),
        *(f"<p>{html.escape(note)}</p>" for note in report.notes),
        "<h2>How far they move</h2><p>Displacement in pixels that a twentieth of a clip's pixels "
        "surpass, in the frame where it is largest.</p>",
        _plot(report.motion, "px"),
        "<h2>How much stays visible</h2><p>Share of the first frame's pixels that are seen in "
        "another frame, on average.</p>",
        _plot(report.visible, ""),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Prepared clips</title><style>\n{_STYLE}\n</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _drops(report: Report) -> str:
    if not report.dropped:
        return "<h2>Why others were dropped</h2><p>None was.</p>"
    most = max(report.dropped.values())
    rows = "".join(
        f'<tr><td>{html.escape(reason)}</td><td class="n">{count}</td><td class="w">'
        f'<div class="bar" style="width:{100 * count / most:.1f}%"></div></td>'
        f'<td class="e">{html.escape(report.examples[reason])}</td></tr>'
        for reason, count in report.dropped.items()
    )
    return f"<h2>Why others were dropped</h2><table>{rows}</table>"


def _plot(histogram: Histogram, unit: str) -> str:
    """Bars with three labelled edges, and the median as a dashed line."""
    width, height = PLOT
    most, step = max(*histogram.counts, 1), width / BARS
    bars = "".join(
        f'<rect x="{index * step + 1:.1f}" y="{16 + height * (1 - count / most):.1f}" '
        f'width="{step - 2:.1f}" height="{height * count / most:.1f}" rx="1.5">'
        f"<title>{count} clips</title></rect>"
        for index, count in enumerate(histogram.counts)
        if count
    )
    labels = "".join(
        f'<text x="{width * share:.0f}" y="{height + 34}" text-anchor="{anchor}">'
        f"{histogram.high * share:.3g} {unit}</text>"
        for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    )
    middle = width * min(histogram.median / histogram.high, 1.0)
    anchor = "end" if middle > width / 2 else "start"
    return (
        f'<svg viewBox="0 0 {width} {height + 40}" role="img" aria-label="Histogram">'
        f'{bars}<line x1="0" x2="{width}" y1="{height + 16}" y2="{height + 16}"/>'
        f'<line class="m" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{height + 16}"/>'
        f'<text x="{middle + (-6 if anchor == "end" else 6):.1f}" y="11" text-anchor="{anchor}">'
        f"median {histogram.median:.3g} {unit}</text>{labels}</svg>"
    )
