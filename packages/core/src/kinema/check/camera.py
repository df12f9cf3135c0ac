"""Mistakes in camera paths: direction, axes and units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kinema.check.finding import Finding, warning
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A wrong direction is suspected when the camera's way is this much longer than the other reading.
DETOUR = 4.0
#: Pixels are taken as square within this tolerance.
SQUARE_PIXELS = 0.02
#: A turn between two frames that no camera makes.
MOST_DEGREES = 30.0


#: Named turns beyond these many degrees leave nothing of the photo in sight.
_MOST_TURN = {"pan": 90.0, "tilt": 90.0, "orbit": 90.0, "roll": 360.0}


def check_camera(motion: Motion) -> list[Finding]:
    """What is doubtful about the camera path."""
    camera = motion.camera
    if camera is None:
        return []
    import numpy as np

    findings = []
    for move in camera.moves:
        if move.name in ("truck", "pedestal", "dolly") and abs(move.amount) >= 1:
            findings.append(
                warning(
                    "camera",
                    f"The amount of {move.name!r} is {move.amount:g} scene depths, which goes "
                    "through or past the scene; 0.1 is a clear move.",
                )
            )
        if abs(move.amount) > _MOST_TURN.get(move.name, math.inf):
            findings.append(
                warning(
                    "camera",
                    f"The amount of {move.name!r} is {move.amount:g} degrees, which turns away "
                    "from all that the photo shows; 10 is a clear move.",
                )
            )
        if move.name == "zoom" and not 0.1 <= move.amount <= 10:
            findings.append(
                warning(
                    "camera",
                    f"The zoom factor is {move.amount:g}; is it in percent? A factor of 1.2 "
                    "magnifies by a fifth.",
                )
            )
    if camera.intrinsics:
        findings += _intrinsics(np.array(camera.intrinsics), motion.canvas)
    if camera.world_to_camera:
        with np.errstate(all="ignore"):
            findings += _poses(np.array(camera.world_to_camera))
    return findings


def _intrinsics(rows: NDArray[np.float64], canvas: Size) -> list[Finding]:
    fx, fy, cx, cy = rows[0].tolist()
    told = f"The intrinsics (fx, fy, cx, cy) are ({fx:.5g}, {fy:.5g}, {cx:.5g}, {cy:.5g})"
    if max(fx, fy) < 10 and min(canvas) > 64:
        return [
            warning(
                "camera",
                f"{told} on a canvas of {canvas[0]}x{canvas[1]}: are they fractions of it? They "
                "must be in pixels.",
            )
        ]
    findings = []
    if not (0 <= cx < canvas[0] and 0 <= cy < canvas[1]):
        findings.append(
            warning(
                "camera",
                f"{told}: the principal point lies outside the canvas of {canvas[0]}x{canvas[1]}.",
            )
        )
    if abs(fx / fy - 1) > SQUARE_PIXELS:
        aspect = canvas[0] / canvas[1] * fy / fx
        # A canvas of that aspect which loses no pixel.
        grown = max(canvas[0], round(canvas[1] * aspect))
        own = f"{grown}x{round(grown / aspect)}"
        findings.append(
            warning(
                "camera",
                f"{told}: the pixels are not square, as when a camera of aspect {aspect:.3f} is "
                f"put on a canvas of {canvas[0]}x{canvas[1]}. Read the file on a canvas of its "
                f"own aspect, --canvas {own}; it is then fitted to the photo (kinema motion "
                f"convert FILE motion.json --canvas {own} does so for good).",
            )
        )
    return findings


def _poses(poses: NDArray[np.float64]) -> list[Finding]:
    import numpy as np

    rotation, shift = poses[:, :, :3], poses[:, :, 3]
    findings = []
    turns = np.einsum("tij,tij->t", rotation[1:], rotation[:-1])
    angles = np.degrees(np.arccos(np.clip((turns - 1) / 2, -1, 1)))
    if angles.max() > MOST_DEGREES:
        frame = int(angles.argmax())
        findings.append(
            warning(
                "camera",
                f"The camera turns by {angles.max():.0f} degrees from frame {frame} to "
                f"{frame + 1}.",
            )
        )
    if (poses == poses[0]).all():
        findings.append(warning("camera", "All camera poses are the same; the camera never moves."))
    # Turned by half a turn about x, as every camera of OpenGL or Blender seen from OpenCV.
    if np.trace(rotation[0] * np.array([1.0, -1.0, -1.0])) > 2:
        findings.append(
            warning(
                "camera",
                "The first camera looks along -z with y up: are these OpenGL or Blender axes? They "
                "must be OpenCV's, x right, y down, z forward.",
            )
        )
    centres = -np.einsum("tji,tj->ti", rotation, shift)
    way, other = (float(np.linalg.norm(np.diff(c, axis=0), axis=1).sum()) for c in (centres, shift))
    if way > DETOUR * other and angles.sum() > 1:
        findings.append(
            warning(
                "camera",
                f"The camera's centre travels {way:.3g} units, but only {other:.3g} if the "
                "matrices are read the other way round; if the file holds camera-to-world "
                "matrices, read it as poses-c2w.",
            )
        )
    return findings
