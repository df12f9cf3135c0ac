"""The photo's depth, for conditions that follow a camera path."""

from __future__ import annotations

from kinema.errors import MotionError
from kinema.interfaces import DepthMap, Scene
from kinema.motion.motion import Motion


def scene_depth(motion: Motion, scene: Scene) -> DepthMap:
    """The photo's depth, for a Motion with a camera path.

    Raises:
        MotionError: the scene has no depth, or it is not on the motion's canvas.
    """
    if scene.depth is None:
        raise MotionError(
            "This Motion has a camera path, which needs the photo's depth, and the scene has none. "
            "Name a depth estimator, such as plane-prior."
        )
    found = scene.depth()
    width, height = motion.canvas
    if tuple(found.depth.shape) != (height, width):
        raise MotionError(
            f"The depth {found.source!r} has the shape {tuple(found.depth.shape)!r}, but the "
            f"motion's canvas is {width}x{height}."
        )
    return found


def depth_notes(motion: Motion, found: DepthMap) -> tuple[str, ...]:
    """What a signal made with this depth has to say about it."""
    notes = [f"depth: {found.source}"]
    if motion.camera is not None and motion.camera.world_to_camera and not found.metric:
        notes.append(
            "the depth has no unit, so the camera poses' translations were read in its own"
        )
    return tuple(notes)
