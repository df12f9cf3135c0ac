"""Mistakes in where drags and tracks go: out of the frame, in jumps, in other units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kinema.check.document import Parts
from kinema.check.finding import Finding, error, warning
from kinema.errors import MotionError
from kinema.formats.form import listed
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The square that some tools draw on, whatever the picture.
SQUARE = 256


@attrs.frozen(eq=False)
class _Paths:
    """Positions ``(T, N, 2)`` and visibility ``(T, N)`` of the drags, or of the tracks."""

    points: NDArray[np.float64]
    visible: NDArray[np.bool_]
    names: tuple[str, ...]

    def name(self, number: int) -> str:
        """``'track 3 '``, or nothing for a drag, whose place says it."""
        return f"{self.names[number]} " if self.names else ""


def check_points(parts: Parts, frames: int) -> list[Finding]:
    """What is doubtful about the ways of drags and tracks in a clip of ``frames`` frames."""
    canvas = parts.motion.canvas
    findings = []
    everything = []
    for where, paths in _paths(parts, frames):
        finite, wrong = _finite(paths)
        findings += [error(where, message) for message in wrong]
        if finite is not None:
            for message in (_leaving(finite, canvas), _jumping(finite, canvas)):
                findings += [warning(where, message)] if message else []
            everything.append(finite)
    return findings + _units(everything, canvas)


def _paths(parts: Parts, frames: int) -> list[tuple[str, _Paths]]:
    import numpy as np

    found = []
    motion = _written_out(parts.motion, frames)
    given = len(parts.drags)
    for number, drag in zip(parts.drags, motion.drags[:given], strict=True):
        with np.errstate(all="ignore"):
            path = drag.path(frames)[:, None]
        seen = np.ones(path.shape[:2], dtype=bool)
        found.append((f"drags[{number}]", _Paths(path, seen, ())))
    labels = [region.name for region in motion.regions]
    for drag in motion.drags[given:]:
        # One of those that stand for a transform.
        path = drag.path(frames)[:, None]
        seen = np.ones(path.shape[:2], dtype=bool)
        where = f"regions[{parts.regions[labels.index(drag.region)]}]"
        found.append((where, _Paths(path, seen, ())))
    if motion.tracks is not None:
        points, visible = motion.tracks.arrays()
        names = tuple(f"track {number}" for number in range(points.shape[1]))
        found.append(("tracks", _Paths(points, visible, names)))
    return found


def _written_out(motion: Motion, frames: int) -> Motion:
    try:
        return motion.written_out(frames)
    except MotionError:
        return motion  # what keeps it from being written out is found where regions are checked


def _finite(paths: _Paths) -> tuple[_Paths | None, list[str]]:
    import numpy as np

    if np.isfinite(paths.points).all():
        return paths, []
    return None, ["Its path is not finite: its points are too far apart to be pixels."]


def _leaving(paths: _Paths, canvas: Size) -> str:
    import numpy as np

    x, y = paths.points[..., 0], paths.points[..., 1]
    outside = (x < -0.5) | (y < -0.5) | (x >= canvas[0] - 0.5) | (y >= canvas[1] - 0.5)
    outside &= paths.visible
    gone = np.flatnonzero(outside.any(axis=0))
    if not len(gone):
        return ""
    places = []
    for number in gone[:6].tolist():
        frame = int(outside[:, number].argmax())
        at = paths.points[frame, number]
        places.append(f"{paths.name(number)}in frame {frame} at ({at[0]:.5g}, {at[1]:.5g})")
    more = f" and {len(gone) - 6} more" if len(gone) > 6 else ""
    who = "It leaves"
    if paths.names:
        who = f"{len(gone)} of {len(paths.names)} tracks leave, though visible,"
    return (
        f"{who} the picture of {canvas[0]}x{canvas[1]} (in a clip of {len(outside)} frames): "
        f"{', '.join(places)}{more}."
    )


def _jumping(paths: _Paths, canvas: Size) -> str:
    import numpy as np

    both = paths.visible[1:] & paths.visible[:-1]
    with np.errstate(over="ignore"):
        step = np.abs(np.diff(paths.points, axis=0))
    far = ((step[..., 0] > canvas[0] / 2) | (step[..., 1] > canvas[1] / 2)) & both
    jumps = np.argwhere(far)
    if not len(jumps):
        return ""
    places = listed(
        f"{paths.name(number)}from frame {frame} to {frame + 1}" for frame, number in jumps.tolist()
    )
    landed = paths.points[1:][far]
    hint = (
        " They land on (0, 0): padding with zeros should be marked as hidden."
        if (landed == 0).all()
        else ""
    )
    return f"A jump of more than half the picture between two frames: {places}.{hint}"


def _units(everything: list[_Paths], canvas: Size) -> list[Finding]:
    import numpy as np

    if not everything:
        return []
    points = np.concatenate([paths.points[paths.visible] for paths in everything])
    if not len(points) or points.min() < 0:
        return []
    told = f"All coordinates lie between {points.min():.4g} and {points.max():.4g}"
    canvas_words = f"on a canvas of {canvas[0]}x{canvas[1]}"
    if points.max() <= 1 and min(canvas) > 8 and len(np.unique(points)) > 1:
        return [
            warning(
                "motion",
                f"{told} {canvas_words}: are they normalised? Multiply x by the width and y by the "
                "height.",
            )
        ]
    spread = points.max(axis=0)
    if min(canvas) > 1.2 * SQUARE and points.max() <= SQUARE and (spread > 0.75 * SQUARE).all():
        return [
            warning(
                "motion",
                f"{told} {canvas_words}: were they drawn on a {SQUARE}x{SQUARE} square? Scale "
                "them, or read the file as tora.",
            )
        ]
    return []
