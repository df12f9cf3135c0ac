"""The report of an evaluation's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinema.errors import InputError, KinemaError
from kinema.files import write_atomically
from kinema_apps.report.clips import Follow, tracker_of
from kinema_apps.report.content import OnProgress, Place, content
from kinema_apps.report.html import render

if TYPE_CHECKING:
    from kinema.evaluation import Results
    from kinema.evaluation.published import Tables
    from kinema.interfaces import Case
    from kinema.media.video import Video
    from kinema.motion.motion import Motion

#: Name of the page, beside scores.json.
PAGE = "report.html"

#: What follows the drawn points, for the obtained paths.
TRACKER = "dis"


def write_report(
    folder: Path,
    *,
    by: str | None = None,
    clips: int = 24,
    tracker: str = TRACKER,
    published: Tables = (),
    on_progress: OnProgress = lambda done, of: None,
) -> Path:
    """Write ``report.html`` into the folder of an evaluation; it needs nothing beside it.

    Args:
        folder: what ``kinema evaluate --out`` filled.
        by: the number whose best and worst items have clips.
        clips: how many items have clips, at most.
        tracker: finds out what was obtained; without it, only what was drawn is shown.
        published: further tables of papers, or files that hold one each, beside those that the
            evaluation was given.
        on_progress: called after every item with clips.

    Raises:
        InputError: the folder holds no results, there is no number called ``by``, or a published
            table cannot be read.
    """
    from kinema.evaluation import Results
    from kinema.evaluation.published import tables_of
    from kinema_apps.report.times import seconds_per_video

    results = Results.load(folder)
    papers = (*results.published, *tables_of(published))
    notes = []
    follow: Follow | None = None
    try:
        follow = tracker_of(tracker) if clips else None
    except KinemaError as error:
        notes.append(f"What was obtained is not shown: {error}")
    data = content(
        results,
        open_video=video_opener(folder, results),
        find_motion=motion_finder(folder),
        follow=follow,
        by=by,
        clips=clips,
        published=papers,
        times=seconds_per_video(folder, results) if papers else (),
        notes=notes,
        on_progress=on_progress,
    )
    names = ", ".join(model.name for model in results.models)
    page = render(f"{results.benchmark}: {names}", data)
    return write_atomically(
        folder / PAGE, lambda part: part.write_text(page, encoding="utf-8", newline="\n")
    )


def video_opener(folder: Path, results: Results) -> Callable[[str, Place], Video]:
    """How to open the video of a model: those kept in the folder, or where another tool's lie."""
    from kinema.evaluation.folder import Folder
    from kinema.evaluation.models import VideosModel
    from kinema.interfaces import BenchmarkItem
    from kinema.media.video import Video
    from kinema.plugins import Plugins

    foreign = {
        model.name: VideosModel(folder=str(model.what["folder"]), name=model.name)
        for model in results.models
        if model.kind == "videos" and "folder" in model.what
    }

    def open_video(model: str, place: Place) -> Video:
        subset, key, seed = place
        item = BenchmarkItem(key=key, subset=subset)
        kept = Folder(folder).video(model, item, seed)
        if kept.is_dir():
            return Video.load(kept)
        if model not in foreign:
            raise InputError("The video was not made, or not kept.")
        case = _case(Folder(folder).item(item))
        with foreign[model].opened(Plugins.installed()) as find:
            return find(item, case, seed)

    return open_video


def _case(folder: Path) -> Case:
    """What every model was given of an item, as far as finding its video takes it."""
    from kinema.interfaces import Case
    from kinema.motion.motion import Motion

    motion = Motion.load(folder / "motion.json")
    return Case(
        photo=np.zeros((1, 1, 3), np.uint8),
        motion=motion,
        size=motion.canvas,
        frames=motion.frames,
        fps=motion.fps,
    )


def motion_finder(folder: Path) -> Callable[[str, str], Motion | None]:
    """How to find the motion that every model was given of an item."""
    from kinema.evaluation.folder import Folder
    from kinema.interfaces import BenchmarkItem
    from kinema.motion.motion import Motion

    def find_motion(subset: str, key: str) -> Motion | None:
        path = Folder(folder).item(BenchmarkItem(key=key, subset=subset)) / "motion.json"
        return Motion.load(path) if path.is_file() else None

    return find_motion
