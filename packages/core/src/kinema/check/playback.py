"""Mistakes in how a motion plays: loops that jump, and rounds too short to be seen."""

from __future__ import annotations

import math

from kinema.check.finding import Finding, warning
from kinema.motion.camera import CAMERA_MOVES, CameraPath
from kinema.motion.motion import Motion
from kinema.motion.transform import Keyframe

#: Pixels between the end and the start of a loop that are not taken for a jump.
CLOSED = 2.0


def check_playback(motion: Motion, frames: int) -> list[Finding]:
    """What is doubtful about the playback of a motion in a clip of ``frames`` frames."""
    if motion.playback == "once":
        return []
    findings = []
    if frames < 2 * motion.cycles:
        findings.append(
            warning(
                "cycles",
                f"{motion.cycles} rounds in {frames} frames leave fewer than two frames for each; "
                "most of the motion is not seen.",
            )
        )
    if motion.playback == "loop":
        findings += [
            warning(
                where,
                f"It ends {how} and starts again with a jump; end where it starts, or choose the "
                "playback ping-pong.",
            )
            for where, how in _open_ends(motion)
        ]
    return findings


def _open_ends(motion: Motion) -> list[tuple[str, str]]:
    """What of a motion ends elsewhere than it starts, and how far away."""
    found = []
    for number, drag in enumerate(motion.drags):
        far = math.dist(drag.points[0], drag.points[-1])
        if far > CLOSED:
            found.append((f"drags[{number}]", f"{far:.0f} pixels from its start"))
    for number, region in enumerate(motion.regions):
        if region.transform and not _is_closed(region.transform[-1]):
            found.append((f"regions[{number}]", "moved, turned or scaled"))
    if motion.tracks is not None:
        ends = zip(motion.tracks.points[0], motion.tracks.points[-1], strict=True)
        far = max(math.dist(*both) for both in ends)
        if far > CLOSED:
            found.append(("tracks", f"up to {far:.0f} pixels from its start"))
    if motion.camera is not None and not _comes_back(motion.camera):
        found.append(("camera", "elsewhere"))
    return found


def _is_closed(last: Keyframe) -> bool:
    away = math.hypot(last.dx, last.dy)
    return away <= CLOSED and last.scale == 1.0 and last.turn % 360.0 == 0.0


def _comes_back(camera: CameraPath) -> bool:
    if camera.clock and camera.clock[-1] == 0.0:
        return True
    if camera.world_to_camera:
        return camera.world_to_camera[0] == camera.world_to_camera[-1]
    return all(
        move.amount % 360.0 == 0.0
        if CAMERA_MOVES[move.name][0] == "degrees"
        else move.amount == (1.0 if move.name == "zoom" else 0.0)
        for move in camera.moves
    )
