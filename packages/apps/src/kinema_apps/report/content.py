"""What a report shows, as plain data: from the results and the kept videos of an evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import InputError, KinemaError
from kinema_apps.drawing import camera_words
from kinema_apps.report.clips import Clip, Follow, choose, lack, player
from kinema_apps.report.comparison import compare_results

if TYPE_CHECKING:
    from kinema.evaluation import PublishedTable, Results, SummaryRow
    from kinema.media.video import Video
    from kinema.motion.motion import Motion

FORMAT = "kinema.report/1"

#: A video's place: subset, item and seed.
Place = tuple[str, str, int]

#: Gives the video of a model, or raises a KinemaError that says why there is none.
OpenVideo = Callable[[str, Place], "Video"]

#: Gives the motion of a subset's item, or None if it is not known.
FindMotion = Callable[[str, str], "Motion | None"]

#: Called with (clips done, clips in all).
OnProgress = Callable[[int, int], None]


def content(
    results: Results,
    *,
    open_video: OpenVideo,
    find_motion: FindMotion,
    follow: Follow | None,
    by: str | None = None,
    clips: int = 24,
    published: Sequence[PublishedTable] = (),
    times: Sequence[SummaryRow] = (),
    notes: Sequence[str] = (),
    on_progress: OnProgress = lambda done, of: None,
) -> dict[str, Any]:
    """The data of the page.

    Args:
        results: of the evaluation.
        open_video, find_motion: where clips and what is drawn on them come from.
        follow: finds out what was obtained; None leaves it out.
        by: the number whose best and worst items have clips; the first that has a better side
            unless given. A part without it takes the first that it has.
        clips: how many items have clips, at most.
        published: tables of papers to show beside.
        times: how long videos took, for those that say so.
        notes: shown at the top.
        on_progress: called after every item with clips.

    Raises:
        InputError: there is no number called ``by``.
    """
    numbers = _numbers(results)
    places = list(dict.fromkeys((row.subset, row.item, row.seed) for row in results.scores))
    scores = _scores(results, places)
    primary = _primary(numbers, scores, by)
    chosen = choose(_groups(places, numbers, scores, primary), clips)
    made: list[Clip] = []
    for index in chosen:
        on_progress(len(made), len(chosen))
        made.append(_clip(index, places[index], results, open_video, find_motion, follow))
    return {
        "format": FORMAT,
        "benchmark": results.benchmark,
        "options": dict(results.options),
        "seeds": list(results.seeds),
        "subsets": dict(results.subsets),
        "models": [attrs.asdict(model) for model in results.models],
        "metrics": [attrs.asdict(metric) for metric in results.metrics],
        "numbers": list(numbers.values()),
        "primary": primary,
        "summary": [attrs.asdict(row) for row in results.summary],
        "comparisons": _comparisons(results),
        "items": [list(place) for place in places],
        "scores": scores,
        "faults": [attrs.asdict(fault) for fault in results.faults],
        "clips": [attrs.asdict(clip) for clip in made],
        "chosen": _told(made, primary),
        "published": [_published(results, table, times) for table in published],
        "notes": list(notes),
    }


def _numbers(results: Results) -> dict[str, dict[str, Any]]:
    """Every number there is, by name, in the order of the summary."""
    offers = {metric.name: metric for metric in results.metrics}
    found: dict[str, dict[str, Any]] = {}
    for row in results.summary:
        offer = offers.get(row.offer)
        found.setdefault(
            row.metric,
            {
                "name": row.metric,
                "offer": row.offer,
                "of": row.of,
                "unit": row.unit,
                "better": row.better,
                "stands_in_for": offer.stands_in_for if offer else "",
            },
        )
    return found


def _scores(results: Results, places: Sequence[Place]) -> dict[str, dict[str, list[float | None]]]:
    """By number and model, the value of each place."""
    index = {place: number for number, place in enumerate(places)}
    found: dict[str, dict[str, list[float | None]]] = {}
    for row in results.scores:
        if row.value is not None:
            of_model = found.setdefault(row.metric, {}).setdefault(row.model, [None] * len(places))
            of_model[index[row.subset, row.item, row.seed]] = row.value
    return found


def _primary(
    numbers: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any], by: str | None
) -> str:
    if by is not None and by not in scores:
        raise InputError(
            f"There is no number {by!r} of single videos to choose clips by. Choose one of: "
            f"{', '.join(scores) or 'none'}."
        )
    sided = [name for name in scores if numbers.get(name, {}).get("better") != "neither"]
    return by or next(iter([*sided, *scores]), "")


def _groups(
    places: Sequence[Place],
    numbers: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, Sequence[float | None]]],
    primary: str,
) -> list[list[int]]:
    """For each part and model, its items from best to worst.

    By the primary number, or by the first other one where a part lacks that.
    """
    found = []
    names = [primary, *(name for name in scores if name != primary)]
    for subset in dict.fromkeys(place[0] for place in places):
        inside = [index for index, place in enumerate(places) if place[0] == subset]
        for name in names:
            better = numbers.get(name, {}).get("better")
            orders = [
                sorted((value, index) for index in inside if (value := values[index]) is not None)
                for values in scores.get(name, {}).values()
            ]
            if any(orders) and (better != "neither" or name == primary):
                found += [[i for _, i in (o[::-1] if better == "more" else o)] for o in orders]
                break
    return found


def _clip(
    index: int,
    place: Place,
    results: Results,
    open_video: OpenVideo,
    find_motion: FindMotion,
    follow: Follow | None,
) -> Clip:
    videos = {}
    motion = None
    for model in results.models:
        try:
            motion = find_motion(place[0], place[1])
            videos[model.name] = player(open_video(model.name, place), motion, follow)
        except KinemaError as error:
            videos[model.name] = lack(error)
    camera = camera_words(motion.camera) if motion is not None and motion.camera else ""
    return Clip(index=index, camera=camera, videos=videos)


def _comparisons(results: Results) -> list[dict[str, Any]]:
    """Every two models that have numbers in common."""
    found = []
    for first, second in itertools.combinations([model.name for model in results.models], 2):
        try:
            found.append(compare_results(results, first, results, second).to_dict())
        except InputError:  # nothing in common; the means show that
            continue
    return found


def _published(
    results: Results, table: PublishedTable, times: Sequence[SummaryRow]
) -> dict[str, Any]:
    """A paper's table with what stands beside each of its numbers."""
    from kinema.evaluation import beside, differences

    return {
        "source": table.source,
        "metrics": list(table.metrics),
        "rows": [attrs.asdict(row) for row in beside(results, table, times)],
        "differs": differences(results, table),
    }


def _told(clips: Sequence[Clip], primary: str) -> str:
    if not clips:
        return ""
    tracked = any(each.get("obtained") for clip in clips for each in clip.videos.values())
    text = (
        f"{len(clips)} items: in turn the worst and the best of each part and model by {primary}, "
        "or by the first other number where a part has none of it."
    )
    if tracked:
        text += " What was obtained is what a tracker sees, which can be wrong as well."
    return text
