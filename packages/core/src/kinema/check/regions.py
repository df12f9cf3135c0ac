"""Mistakes in regions: masks of the wrong size, empty or full, and drags that miss them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.check.document import Parts
from kinema.check.finding import Finding, error, warning
from kinema.errors import MotionError
from kinema.formats.form import listed
from kinema.motion.canvas import Point

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Masks = dict[int, NDArray[np.bool_]]

#: Masks are not drawn on a larger canvas than a photo may have.
MOST_PIXELS = 150_000_000


def check_regions(parts: Parts) -> list[Finding]:
    """What is wrong with regions, and with which drags move them."""
    motion = parts.motion
    if not motion.regions:
        return []
    width, height = motion.canvas
    if width * height > MOST_PIXELS:
        return [error("canvas", f"A canvas of {width}x{height} is larger than any photo may be.")]
    findings, masks = _masks(parts)
    if len(masks) < len(motion.regions):
        return findings
    return findings + _pairing(parts, masks)


def _masks(parts: Parts) -> tuple[list[Finding], Masks]:
    findings = []
    masks: Masks = {}
    for index, region in enumerate(parts.motion.regions):
        where = f"regions[{parts.regions[index]}]"
        try:
            mask = region.rasterize(parts.motion.canvas)
        except MotionError as fault:
            findings.append(error(where, str(fault)))
            continue
        masks[index] = mask
        if not mask.any():
            findings.append(
                error(where, f"The region {region.label()} is empty: no pixel of it is bright.")
            )
        elif mask.all():
            findings.append(
                warning(
                    where,
                    f"The region {region.label()} covers the whole picture; is the mask inverted?",
                )
            )
    return findings, masks


def _topmost(point: Point, masks: Masks) -> int | None:
    for index in reversed(range(len(masks))):
        height, width = masks[index].shape
        x, y = min(max(round(point[0]), 0), width - 1), min(max(round(point[1]), 0), height - 1)
        if masks[index][y, x]:
            return index
    return None


def _pairing(parts: Parts, masks: Masks) -> list[Finding]:
    motion = parts.motion
    names = {region.name: index for index, region in enumerate(motion.regions) if region.name}
    findings = []
    moved = set()
    for number, drag in zip(parts.drags, motion.drags, strict=True):
        x, y = drag.points[0]
        under = _topmost(drag.points[0], masks)
        if drag.region:
            named = names[drag.region]
            moved.add(named)
            if _topmost(drag.points[0], {0: masks[named]}) is None:
                findings.append(
                    warning(
                        f"drags[{number}]",
                        f"It starts at ({x:g}, {y:g}), outside the region {drag.region!r} that it "
                        "names.",
                    )
                )
        elif under is None:
            findings.append(
                warning(
                    f"drags[{number}]",
                    f"It starts at ({x:g}, {y:g}), off every region; it moves only what is around "
                    "its start.",
                )
            )
        else:
            moved.add(under)
    starts = motion.tracks.points[0] if motion.tracks is not None else ()
    moved |= {index for index in (_topmost(point, masks) for point in starts) if index is not None}
    still = [f"regions[{parts.regions[index]}]" for index in masks if index not in moved]
    if still:
        findings.append(
            warning(
                "regions",
                f"No drag or track moves {listed(still)}: none starts on it, and none names it.",
            )
        )
    return findings
