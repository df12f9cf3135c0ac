"""Mistakes in the frame of a motion: its canvas, frame count and rate, against what is expected."""

from __future__ import annotations

from typing import Any

import attrs

from kinema.check.finding import Finding, error, warning
from kinema.errors import InputError, MotionError
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion

#: A clip longer than this is a mistake in fps or duration; nothing is sampled beyond it.
MOST_FRAMES = 10_000

#: Aspects that differ by less are the same picture resized.
SAME_ASPECT = 0.01


def check_photo(photo: Any) -> tuple[list[Finding], Size | None]:
    """The size of the photo, upright, or why it cannot be read."""
    if photo is None:
        return [], None
    from kinema.media.photo import read_photo

    try:
        return [], read_photo(photo).size
    except InputError as fault:
        return [error("photo", str(fault))], None


def _words(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _same_aspect(one: Size, other: Size) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1.0) < SAME_ASPECT


def check_canvas(motion: Motion, expected: Size | None, photo: Size | None) -> list[Finding]:
    """Whether the canvas is the one expected, and that of the photo."""
    canvas = motion.canvas
    findings = []
    for size, name in ((expected, "the canvas expected"), (photo, "the photo")):
        if size is None or size == canvas or (name == "the photo" and expected is not None):
            continue
        told = f"The canvas is {_words(canvas)} but {name} is {_words(size)}"
        if size == canvas[::-1]:
            findings.append(
                warning("canvas", f"{told}: is it (height, width), or of a photo not yet rotated?")
            )
        elif _same_aspect(size, canvas):
            findings.append(
                warning("canvas", f"{told}; coordinates are scaled by {size[0] / canvas[0]:.4g}.")
            )
        else:
            findings.append(
                warning("canvas", f"{told}, another aspect: it is scaled and cropped to fit.")
            )
        findings += _cut_away(motion, size)
    return findings


def _cut_away(motion: Motion, size: Size) -> list[Finding]:
    try:
        attrs.evolve(motion, drags=[_anonymous(d) for d in motion.drags], regions=()).fitted(size)
    except MotionError as fault:
        return [error("canvas", f"Fitted to {_words(size)}: {fault}")]
    return []


def _anonymous(drag: Any) -> Any:
    return attrs.evolve(drag, region="")


def check_timing(motion: Motion, frames: int | None, fps: float | None) -> list[Finding]:
    """Whether frame counts and rates agree, with each other and with what is asked for."""
    findings = []
    if motion.fps * motion.duration > MOST_FRAMES:
        findings.append(
            error(
                "duration",
                f"{motion.duration:g} s at {motion.fps:g} fps are "
                f"{motion.fps * motion.duration:.4g} frames; is the duration in frames or "
                "milliseconds instead of seconds?",
            )
        )
        return findings
    clip = frames or motion.frames
    whose = "are asked for" if frames else "follow from its duration and fps"
    counts = {}
    if motion.tracks is not None:
        counts["tracks"] = len(motion.tracks.points)
    if motion.camera is not None and motion.camera.world_to_camera:
        counts["camera"] = len(motion.camera.world_to_camera)
    for where, count in counts.items():
        if count != clip:
            findings.append(
                warning(
                    where,
                    f"It is given for {count} frames but {clip} {whose}; it is resampled, so it "
                    "runs at another speed.",
                )
            )
    if fps is not None and abs(motion.fps - fps) > 1e-9 * fps:
        findings.append(
            warning(
                "fps",
                f"The motion is made for {motion.fps:g} fps but {fps:g} are asked for; with the "
                "same frames it runs at another speed.",
            )
        )
    return findings


def check_content(motion: Motion) -> list[Finding]:
    """Whether there is anything to move."""
    changing = any(region.transform or not region.is_always_seen for region in motion.regions)
    if motion.drags or motion.tracks or motion.camera or changing:
        return []
    return [warning("motion", "It has no drag, track, transform or camera path; nothing moves.")]
