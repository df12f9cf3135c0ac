"""Mistakes in regions: masks of the wrong size, empty or full, and drags that miss them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.check.document import Parts
from kinema.check.finding import Finding, error, warning
from kinema.errors import MotionError
from kinema.formats.form import listed
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region, at_points, beside, layer_map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Masks = dict[int, NDArray[np.bool_]]

#: Masks are not drawn on a larger canvas than a photo may have.
MOST_PIXELS = 100_000_000


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
            findings.append(error(where, region.emptiness(parts.motion.canvas)))
        elif region.attached and not region.is_always_seen:
            findings.append(
                warning(
                    where,
                    f"The region {region.label()} appears or vanishes, and so is cut out all the "
                    "same; leave its attached out, or its times.",
                )
            )
        elif mask.all() and not (region.polygon or region.brush):
            findings.append(
                warning(
                    where,
                    f"The region {region.label()} covers the whole picture; is the mask inverted?",
                )
            )
    return findings, masks


def _pairing(parts: Parts, masks: Masks) -> list[Finding]:
    motion = parts.motion
    layers = layer_map((masks[index] for index in sorted(masks)), motion.canvas)
    findings = []
    moves, tracks = motion.moved_layers(layers)
    for number, drag, layer in zip(parts.drags, motion.drags, moves, strict=True):
        if layer and motion.regions[layer - 1].transform:
            findings.append(error(f"drags[{number}]", _twice(motion.regions[layer - 1])))
        told = _missed(drag, layer, motion, layers)
        findings += [warning(f"drags[{number}]", told)] if told else []
    for layer in sorted({*tracks} - {0}):
        if motion.regions[layer - 1].transform:
            findings.append(error("tracks", _twice(motion.regions[layer - 1])))
    changing = [
        index + 1
        for index, region in enumerate(motion.regions)
        if region.transform or not region.is_always_seen
    ]
    moved = {*moves, *tracks, *changing}
    still = [f"regions[{parts.regions[index]}]" for index in masks if index + 1 not in moved]
    if still:
        findings.append(
            warning(
                "regions",
                f"No drag or track moves {listed(still)}: none starts on it, and none names it.",
            )
        )
    return findings


def _twice(region: Region) -> str:
    return (
        f"It moves the region {region.label()}, which has a transform as well; leave one of them "
        "out."
    )


def _missed(drag: Drag, layer: int, motion: Motion, layers: NDArray[np.int64]) -> str:
    x, y = drag.points[0]
    if drag.region:
        mask = motion.regions[layer - 1].rasterize(motion.canvas)
        if at_points(mask, [(x, y)]).any():
            return ""
        return f"It starts at ({x:g}, {y:g}), outside the region {drag.region!r} that it names."
    if layer == int(at_points(layers, [(x, y)])[0]) != 0:
        return ""
    if layer:
        return (
            f"It starts at ({x:g}, {y:g}), {beside(layers, (x, y))[1]:.1f} pixels beside the "
            f"region {motion.regions[layer - 1].label()}, and is taken to move it. Start it "
            "farther away if it is not meant."
        )
    return (
        f"It starts at ({x:g}, {y:g}), off every region; it moves only what is around its "
        "start. Start it on a region, or name the region, if that is what should move."
    )
