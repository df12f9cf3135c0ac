"""Naming every known mistake in a motion file, in words.

>>> from kinema.check import check_motion
>>> for finding in check_motion("tracks.json", canvas=(832, 480)):   # doctest: +SKIP
...     print(finding)
"""

from __future__ import annotations

import os
from typing import Any

from kinema.check.camera import check_camera
from kinema.check.clip import (
    MOST_FRAMES,
    check_canvas,
    check_content,
    check_photo,
    check_timing,
)
from kinema.check.document import Parts, check_document
from kinema.check.finding import Finding
from kinema.check.playback import check_playback
from kinema.check.points import check_points
from kinema.check.regions import check_regions
from kinema.errors import InputError
from kinema.formats import read_document
from kinema.motion.canvas import Size, as_size
from kinema.motion.motion import Motion

__all__ = ["Finding", "check_motion"]


def check_motion(
    motion: Motion | str | os.PathLike[str],
    *,
    format: str | None = None,
    canvas: Any = None,
    frames: int | None = None,
    fps: float | None = None,
    photo: Any = None,
) -> list[Finding]:
    """Name what is wrong, or likely to be wrong, with a motion.

    A file that cannot be used gives errors, as many at once as can be told apart; the parts of it
    that can be read are checked further.

    Args:
        motion: a Motion, or the path of a file or folder in any known form.
        format: the form of the file; None finds it out.
        canvas: (width, height) expected, and the canvas of forms that do not say theirs.
        frames: the frame count the clip is to have.
        fps: the rate the clip is to have.
        photo: the photo it is for, in any form that ``kinema.read_photo`` takes.

    Returns:
        errors first, then warnings; an empty list if nothing is amiss.

    Raises:
        InputError: ``canvas``, ``frames`` or ``fps`` itself is no size, count or rate.
    """
    expected = None if canvas is None else as_size(canvas)
    for name, value in (("frames", frames), ("fps", fps)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"{name} must be a positive number, got {value!r}.")
    findings, size = check_photo(photo)
    parts = _parts(motion, format, expected or size, findings)
    if parts is not None:
        if not findings:
            findings += check_content(parts.motion)
        findings += _check_parts(parts, expected, size, frames, fps)
    return sorted(findings, key=lambda finding: finding.severity != "error")


def _parts(
    motion: Any, format: str | None, canvas: Size | None, found: list[Finding]
) -> Parts | None:
    if isinstance(motion, Motion):
        return Parts.whole(motion)
    try:
        document, base = read_document(motion, format=format, canvas=canvas)
    except InputError as error:
        found.append(Finding("error", "file", str(error)))
        return None
    wrong, parts = check_document(document, base)
    found += wrong
    return parts


def _check_parts(
    parts: Parts, expected: Size | None, photo: Size | None, frames: int | None, fps: float | None
) -> list[Finding]:
    motion = parts.motion
    clip = min(frames or motion.frames, MOST_FRAMES)
    return [
        *check_canvas(motion, expected, photo),
        *check_timing(motion, frames, fps),
        *check_playback(motion, max(2, clip)),
        *check_points(parts, max(2, clip)),
        *check_regions(parts),
        *check_camera(motion),
    ]
