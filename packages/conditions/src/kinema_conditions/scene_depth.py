"""The photo's depth, for conditions that follow a camera path."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.errors import MotionError
from kinema.interfaces import DepthMap, Scene
from kinema.motion.motion import Motion


def scene_depth(motion: Motion, scene: Scene) -> DepthMap:
    """The photo's depth, for a Motion with a camera path.

    Where it is a mere prior, the motion's regions stand upright (:func:`upright`).

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
    return attrs.evolve(found, depth=upright(motion, found.depth)) if found.prior else found


def upright(motion: Motion, depth: Tensor) -> Tensor:
    """Depth ``(H, W)`` of bare ground, with the motion's regions standing on it.

    All of a region is as far away as the ground under its lowest pixel, so that it neither leans
    nor bends. One that reaches the lower side of the photo stands as near as that.
    """
    standing = depth.clone()
    for region in motion.regions:
        inside = torch.from_numpy(region.rasterize(motion.canvas)).to(depth.device)
        rows = inside.any(1).nonzero()
        if len(rows):
            foot = int(rows[-1])
            standing[inside] = depth[foot][inside[foot]].median()
    return standing


def depth_notes(motion: Motion, found: DepthMap) -> tuple[str, ...]:
    """What a signal made with this depth has to say about it."""
    notes = [f"depth: {found.source}"]
    if found.prior and motion.regions:
        notes.append("regions stand upright on the ground of that depth, at their lowest pixel")
    if motion.camera is not None and motion.camera.world_to_camera and not found.metric:
        notes.append(
            "the depth has no unit, so the camera poses' translations were read in its own"
        )
    return tuple(notes)
