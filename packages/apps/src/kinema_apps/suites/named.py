"""Which benchmark, which numbers and which rows a table or figure of the paper has.

What fills a row is the caller's: a trained controller of the recipe that the row names, or videos
that another tool made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError, suggestion
from kinema.evaluation.published import PublishedTable
from kinema_apps.suites import paper


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
        benchmark, subsets, options: whose items; all subsets unless some are named.
        metrics: as published; they need weights.
        companions: what is measured where those are not asked for.
        rows: models, in order.
        published: what the paper reports, where it has numbers.
    """

    name: str
    summary: str
    benchmark: str
    metrics: tuple[str, ...]
    companions: tuple[str, ...]
    rows: tuple[Row, ...]
    subsets: tuple[str, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)
    published: tuple[PublishedTable, ...] = ()

    def asks(self, data: str | os.PathLike[str] | None = None) -> dict[str, Any]:
        """What :func:`kinema.evaluate` is called with, beside models and folder.

        Args:
            data: folder of the benchmark's data; where the benchmark looks for it unless given.
        """
        options = dict(self.options)
        if data is not None:
            options["folder"] = str(Path(data).resolve())
        return {
            "benchmark": self.benchmark,
            "options": options,
            "metrics": self.companions,
            "subsets": self.subsets,
            "published": self.published,
        }


_MINE = Row("motionpro", "motionpro", "region-wise trajectories, motion mask, modulation")
_DRAGNUWA = Row("dragnuwa", note="ProjectNUWA/DragNUWA 1.5; score its videos")
_DRAG_ANYTHING = Row("draganything", note="showlab/DragAnything; score its videos")
_DRAG_DIFFUSION = Row("dragdiffusion", note="Yujun-Shi/DragDiffusion; score its frames")
_MOFA = Row("mofa-video", note="MyNiuuu/MOFA-Video; score its videos")

_CONSISTENCY = "frame-consistency[efficientnet-lite0]"
_CONTROL = ("md-img", "md-vid", "frame-consistency")
_CONTROL_HERE = ("md-img[efficientnet-lite0]", "md-vid[dis]", _CONSISTENCY)

SUITES = (
    Suite(
        name="table-1",
        summary="Quality on clips of WebVid-10M, 15 % of the blocks as trajectories.",
        benchmark="videos",
        metrics=("fvd", "fid", "frame-consistency"),
        companions=("motion-frechet[dis]", "fid[efficientnet-lite0]", _CONSISTENCY),
        rows=(
            _DRAGNUWA,
            _MOFA,
            Row("gaussian", "gaussian", "a DragNUWA-like baseline, not in the paper"),
            _MINE,
        ),
        published=(paper.TABLE_1,),
    ),
    Suite(
        name="table-2",
        summary="Fine-grained motion control on MC-Bench.",
        benchmark="mc-bench",
        subsets=("fine-grained",),
        metrics=_CONTROL,
        companions=(*_CONTROL_HERE, "flow-magnitude[dis]"),
        rows=(_DRAG_DIFFUSION, _MOFA, _MINE),
        published=(paper.TABLE_2,),
    ),
    Suite(
        name="table-3",
        summary="Object-level motion control on MC-Bench.",
        benchmark="mc-bench",
        subsets=("object-level",),
        metrics=_CONTROL,
        companions=_CONTROL_HERE,
        rows=(_MOFA, _DRAG_ANYTHING, _MINE),
        published=(paper.TABLE_3,),
    ),
    Suite(
        name="figure-6",
        summary="The side k of the regions and the least mask ratio r_min, on MC-Bench.",
        benchmark="mc-bench",
        metrics=("md-vid", "frame-consistency"),
        companions=("md-vid[dis]", _CONSISTENCY),
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
        summary="How the signal is injected: modulation, concatenation, addition; on MC-Bench.",
        benchmark="mc-bench",
        metrics=("md-vid",),
        companions=("md-vid[dis]",),
        rows=(Row("concat", "ablation-concat"), Row("add", "ablation-add"), _MINE),
    ),
    Suite(
        name="ablations",
        summary="With random trajectories, and without the motion mask (supplement, 6.4).",
        benchmark="videos",
        metrics=("fvd",),
        companions=("motion-frechet[dis]",),
        rows=(
            Row("random-trajectory", "ablation-random-trajectory"),
            Row("no-mask", "ablation-no-mask", "masks of ones"),
            _MINE,
        ),
        published=(paper.ABLATIONS,),
    ),
    Suite(
        name="runtime",
        summary="Seconds per video, on MC-Bench (supplement, 6.7).",
        benchmark="mc-bench",
        metrics=(),
        companions=("flow-magnitude[dis]",),
        rows=(_DRAGNUWA, _DRAG_DIFFUSION, _MOFA, _DRAG_ANYTHING, _MINE),
        published=(paper.RUNTIME,),
    ),
)


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
