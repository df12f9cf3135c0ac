"""Inventing a scene: what stands where, how it moves, and what the camera does."""

from __future__ import annotations

import attrs
import cv2
import numpy as np

from kinema.motion.camera import CameraMove, CameraPath
from kinema.motion.canvas import Size
from kinema_conditions.camera import camera_frames
from kinema_conditions.synthetic.objects import make_object
from kinema_conditions.synthetic.rendering import SAMPLES, texture_way
from kinema_conditions.synthetic.scene import Array, Layer, Scene, carried
from kinema_conditions.synthetic.textures import scenery
from kinema_conditions.synthetic_config import SyntheticConfig

#: Depth of the background's middle, the unit of camera translations; objects stand before it.
FAR = 4.0
NEAREST, FARTHEST = 1.3, 2.8

#: How much of the canvas's width the background reaches beyond each side before it repeats.
MARGIN = 0.15

#: Camera moves and about how large each may be drawn; what they do to the picture limits them.
_MOVES = {
    "pan": 14.0,
    "tilt": 10.0,
    "roll": 12.0,
    "truck": 0.2,
    "pedestal": 0.15,
    "dolly": 0.2,
    "zoom": 0.35,
    "orbit": 16.0,
}
_EASINGS = ("linear", "ease-in", "ease-out", "ease-in-out")


def random_scene(
    rng: np.random.Generator, size: Size, frames: int, config: SyntheticConfig
) -> Scene:
    """A scene of ``frames`` frames of ``size`` (width, height), all of it drawn from ``rng``."""
    background = _background(rng, size, frames, config)
    intrinsics, poses = _camera(rng, size, frames, config, background)
    count = int(rng.integers(config.least_objects, config.most_objects + 1))
    kinds = sorted(rng.choice(config.kinds, size=count), key=lambda kind: kind == "occluding")
    depths = np.sort(rng.uniform(NEAREST, FARTHEST, size=count))[::-1]
    layers = [background]
    for owner, (kind, depth) in enumerate(zip(kinds, depths, strict=True)):
        layers += make_object(rng, str(kind), owner, float(depth), size, frames, config)
    if config.blur:
        layers = [_blurred(layer, config.blur * size[0]) for layer in layers]
    return Scene(size=size, layers=tuple(layers), intrinsics=intrinsics, world_to_camera=poses)


def _blurred(layer: Layer, pixels: float) -> Layer:
    """The layer with a smooth surface and an outline as sharp as before."""
    smooth = cv2.GaussianBlur(
        layer.texture, (0, 0), pixels * SAMPLES, borderType=cv2.BORDER_REFLECT
    )
    return attrs.evolve(layer, texture=np.asarray(smooth, dtype=np.float32))


def _background(
    rng: np.random.Generator, size: Size, frames: int, config: SyntheticConfig
) -> Layer:
    """A wall or a slope that fills the picture and more."""
    width, height = size
    margin = MARGIN * width
    texels = (round((width + 2 * margin) * SAMPLES), round((height + 2 * margin) * SAMPLES))
    slope = rng.uniform(-0.12, 0.12, 2) * (rng.random() < 0.6)
    bx, by = slope / FAR / (np.array(size) / 2)
    middle = (width - 1) / 2, (height - 1) / 2
    return Layer(
        name="background",
        owner=-1,
        shape=None,
        texture=scenery(rng, texels, config.textures),
        to_texture=texture_way(-margin - 0.5, -margin - 0.5),
        inverse_depth=(float(bx), float(by), float(1 / FAR - bx * middle[0] - by * middle[1])),
        motion=np.tile(np.eye(3), (frames, 1, 1)),
    )


def _camera(
    rng: np.random.Generator,
    size: Size,
    frames: int,
    config: SyntheticConfig,
    background: Layer,
) -> tuple[Array, Array]:
    """Intrinsics (T, 3, 3) and poses (T, 4, 4) of one or two moves, or of a camera at rest."""
    moving = config.camera > 0 and rng.random() < config.camera_share
    names = rng.choice(list(_MOVES), size=int(rng.integers(1, 3)), replace=False)
    shares = rng.uniform(0.35, 1.0, len(names)) * rng.choice([-1, 1], len(names))
    easings = rng.choice(_EASINGS, len(names))
    strength = 1.0 if moving else 0.0
    reach = config.camera * rng.uniform(0.3, 1.0) * size[0]
    corners = np.array([(0, 0), (size[0] - 1, 0), (size[0] - 1, size[1] - 1), (0, size[1] - 1)])
    while True:
        moves = [
            CameraMove(str(name), _amount(str(name), float(strength * share)), easing)
            for name, share, easing in zip(names, shares, easings, strict=True)
        ]
        matrices, poses = camera_frames(CameraPath(moves=moves), frames, size, FAR)
        scene = Scene(
            size=size,
            layers=(background,),
            intrinsics=matrices.numpy(),
            world_to_camera=poses.numpy(),
        )
        moved = max(
            float(np.linalg.norm(carried(way, corners) - corners, axis=1).max())
            for way in scene.ways[0]
        )
        if moved <= reach or strength == 0.0:
            return scene.intrinsics, scene.world_to_camera
        # A little less than proportion asks for, since turns grow faster than their angle.
        strength *= min(0.9, 0.97 * reach / moved)


def _amount(name: str, share: float) -> float:
    return float(np.exp(share * _MOVES[name])) if name == "zoom" else share * _MOVES[name]
