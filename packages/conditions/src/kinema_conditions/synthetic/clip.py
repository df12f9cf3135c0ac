"""Synthetic clips: frames, and everything that is true about them."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.motion.canvas import Size
from kinema.signals import Observation
from kinema_conditions.synthetic.random_scene import random_scene
from kinema_conditions.synthetic.rendering import render
from kinema_conditions.synthetic.scene import Scene, pixel_grid
from kinema_conditions.synthetic_config import LEAST_SIDE, SyntheticConfig


@attrs.frozen(eq=False, kw_only=True)
class SyntheticClip:
    """A clip whose motion is known exactly.

    Attributes:
        frames: uint8 RGB ``(T, H, W, 3)``.
        observation: displacement from frame 0 and visibility. The displacement is right also where
            the pixel is not visible, be it covered or outside the picture.
        depth: float32 ``(H, W)`` of frame 0, along the camera's z axis.
        intrinsics: float64 ``(T, 3, 3)`` in pixels.
        world_to_camera: float64 ``(T, 4, 4)``.
        layers: int64 ``(H, W)``: the layer seen at each pixel of frame 0; 0 is the background.
        objects: int64 ``(H, W)``: the object seen there; -1 is the background, and the parts of an
            articulated object share one number.
        fps: frames per second.
        scene: what was filmed, for points and frames that are not recorded here.
    """

    frames: Tensor
    observation: Observation
    depth: Tensor
    intrinsics: Tensor
    world_to_camera: Tensor
    layers: Tensor
    objects: Tensor
    fps: float
    scene: Scene

    def track(self, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` of ``frame`` go: ``(T, N, 2)`` float32, ``(T, N)`` bool."""
        start = points.double().cpu().numpy()
        top = self.scene.top_layer(start, frame)
        found = [self.scene.follow(start, frame, t, top) for t in range(self.scene.frames)]
        places = torch.from_numpy(np.stack([place for place, _ in found])).float()
        return places, torch.from_numpy(np.stack([seen for _, seen in found]))


def generate(
    seed: int,
    index: int = 0,
    size: Size = (512, 320),
    frames: int = 16,
    config: SyntheticConfig | None = None,
) -> SyntheticClip:
    """Make clip number ``index`` of the endless series ``seed``.

    The same arguments give the same clip, bit for bit on one machine, whatever was made before.

    Args:
        seed: which series, at least 0.
        index: which clip of it, at least 0.
        size: (width, height).
        frames: T, at least 2.
        config: what may occur; the defaults show one to four objects before a camera that mostly
            moves.

    Raises:
        InputError: a number is negative, or the size or T is too small.
    """
    if seed < 0 or index < 0:
        raise InputError(
            f"A synthetic clip needs a seed and an index of at least 0, got {seed!r} and {index!r}."
        )
    if min(size) < LEAST_SIDE or frames < 2:
        raise InputError(
            f"A synthetic clip needs at least {LEAST_SIDE}x{LEAST_SIDE} pixels and 2 frames, got "
            f"{size[0]}x{size[1]} and {frames!r}."
        )
    config = config or SyntheticConfig()
    rng = np.random.default_rng([seed, index])
    return film(random_scene(rng, size, frames, config), fps=config.fps)


def film(scene: Scene, fps: float = 8.0) -> SyntheticClip:
    """Draw a scene and write down what is true about it."""
    grid = pixel_grid(scene.size)
    top = scene.top_layer(grid)
    found = [scene.follow(grid, 0, frame, top) for frame in range(scene.frames)]
    moved = np.stack([(places - grid).astype(np.float32) for places, _ in found])
    owners = np.array([layer.owner for layer in scene.layers])
    return SyntheticClip(
        frames=torch.from_numpy(render(scene)),
        observation=Observation(
            displacement=torch.from_numpy(moved),
            visible=torch.from_numpy(np.stack([seen for _, seen in found])),
        ),
        depth=torch.from_numpy(scene.depth()).float(),
        intrinsics=torch.from_numpy(scene.intrinsics),
        world_to_camera=torch.from_numpy(scene.world_to_camera),
        layers=torch.from_numpy(top),
        objects=torch.from_numpy(owners[top]),
        fps=fps,
        scene=scene,
    )
