"""One picture and one drag that can mean two things: the camera moves, or the object does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import InputError
from kinema.motion.canvas import Size
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema_conditions.synthetic.clip import SyntheticClip, film
from kinema_conditions.synthetic.objects import Point, about
from kinema_conditions.synthetic.random_scene import random_scene
from kinema_conditions.synthetic.scene import Array, Scene
from kinema_conditions.synthetic.shapes import Blob
from kinema_conditions.synthetic_config import LEAST_SIDE, SyntheticConfig

Reading = Literal["camera", "object"]

#: How far a drag goes, in shares of the canvas's width.
LEAST_TRAVEL, MOST_TRAVEL = 0.1, 0.25

#: How many points of the background are followed, and how far they are from the object, in shares
#: of the short side.
POINTS = 16
CLEARANCE = 0.05

#: Tells these scenes from those of ``generate`` with the same seed.
_SERIES = 1

_CONFIG = SyntheticConfig(
    least_objects=1, most_objects=1, kinds=("affine", "rotating"), camera=0.0, travel=0.0
)


@attrs.frozen(eq=False, kw_only=True)
class AmbiguousPair:
    """Two clips that begin with the same picture and in which the drag is obeyed.

    Attributes:
        camera: everything moves along the drag.
        object: only the object under the drag's start does; the background rests.
        drag: of the middle of the object.
        background: ``(N, 2)`` pixels of frame 0 beside the object, which both clips show in every
            frame; ``clip.track(background)`` says where they go.
    """

    camera: SyntheticClip
    object: SyntheticClip
    drag: Drag
    background: Tensor

    @property
    def photo(self) -> Tensor:
        """Frame 0 of both clips, uint8 ``(H, W, 3)``."""
        return self.camera.frames[0]

    def clip(self, reading: Reading) -> SyntheticClip:
        """The clip of one reading."""
        return self.camera if reading == "camera" else self.object

    def motion(self, reading: Reading) -> Motion:
        """The drag with the region that says which reading is meant: all, or the object."""
        clip = self.clip(reading)
        frames, height, width = clip.frames.shape[:3]
        mask = clip.objects >= 0
        if reading == "camera":
            mask = torch.ones_like(mask)
        return Motion(
            canvas=(width, height),
            drags=[self.drag],
            regions=[Region.from_array(mask.numpy())],
            fps=clip.fps,
            duration=frames / clip.fps,
        )


def ambiguous_pairs(
    seed: int, count: int, size: Size = (512, 320), frames: int = 16, blur: float = 0.0
) -> Iterator[AmbiguousPair]:
    """Make ``count`` pairs; the same arguments give the same ones.

    Args:
        seed: at least 0.
        count: how many.
        size: (width, height).
        frames: T, at least 2.
        blur: of all surfaces, as :class:`~kinema_conditions.synthetic.SyntheticConfig` has it.

    Raises:
        InputError: the seed is negative, the size or T is too small, or blur is out of range.
    """
    config = attrs.evolve(_CONFIG, blur=blur)
    if seed < 0 or min(size) < LEAST_SIDE or frames < 2:
        raise InputError(
            f"Ambiguous pairs need a seed of at least 0, {LEAST_SIDE}x{LEAST_SIDE} pixels and 2 "
            f"frames, got {seed!r}, {size[0]}x{size[1]} and {frames!r}."
        )
    return (_pair(seed, index, size, frames, config) for index in range(count))


def _pair(seed: int, index: int, size: Size, frames: int, config: SyntheticConfig) -> AmbiguousPair:
    rng = np.random.default_rng([seed, index, _SERIES])
    while True:
        scene = random_scene(rng, size, frames, config)
        shape = scene.layers[-1].shape
        assert isinstance(shape, Blob)
        shift = _shift(rng, shape.centre, size)
        moving = film(_moved(scene, shift, whole=True), fps=_CONFIG.fps)
        resting = film(_moved(scene, shift, whole=False), fps=_CONFIG.fps)
        background = _background(rng, moving, resting)
        if len(background):
            x, y = shape.centre
            drag = Drag([(x, y), (x + float(shift[0]), y + float(shift[1]))])
            return AmbiguousPair(camera=moving, object=resting, drag=drag, background=background)


def _shift(rng: np.random.Generator, centre: Point, size: Size) -> Array:
    """Of eight directions, the one whose end is farthest from the border."""
    angles = rng.uniform(0, 2 * np.pi, 8)
    reach = rng.uniform(LEAST_TRAVEL, MOST_TRAVEL) * size[0]
    shifts = reach * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = (np.array(centre) + shifts) / np.array(size)
    best: Array = shifts[int(np.abs(ends - 0.5).max(axis=-1).argmin())]
    return best


def _moved(scene: Scene, shift: Array, whole: bool) -> Scene:
    time = np.linspace(0.0, 1.0, scene.frames)[:, None]
    still = np.tile(np.eye(2), (scene.frames, 1, 1))
    layers = [
        attrs.evolve(
            layer,
            motion=about((0.0, 0.0), still, time * shift * (whole or layer.owner >= 0)),
        )
        for layer in scene.layers
    ]
    return attrs.evolve(scene, layers=tuple(layers))


def _background(rng: np.random.Generator, moving: SyntheticClip, resting: SyntheticClip) -> Tensor:
    """Points beside the object and beside where it goes, ``(N, 2)``."""
    height, width = moving.layers.shape
    reach = max(1, round(CLEARANCE * min(width, height)))
    free = moving.observation.visible.all(0) & resting.observation.visible.all(0)
    free &= moving.objects < 0
    # The border of the picture does not count as covered, hence the padding by free pixels.
    blocked = F.pad((~free).float()[None, None], (reach,) * 4)
    clear = F.max_pool2d(blocked, 2 * reach + 1, 1)[0, 0] == 0
    found = clear.nonzero().flip(1).float()
    return found[torch.from_numpy(rng.permutation(len(found))[:POINTS].copy())]
