"""One fixed clip on which trackers are measured, whatever the random scenes become."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.motion.canvas import Size
from kinema_conditions.synthetic.clip import SyntheticClip, film
from kinema_conditions.synthetic.objects import about, turned
from kinema_conditions.synthetic.rendering import SAMPLES, texture_way
from kinema_conditions.synthetic.scene import Layer, Scene
from kinema_conditions.synthetic.shapes import Blob
from kinema_conditions.synthetic.textures import Picture, photo


def calibration_clip(
    size: Size = (512, 320), frames: int = 16, speed: float = 1.0
) -> SyntheticClip:
    """A cat's face that turns, grows and slides over a coffee table, before a drifting camera.

    Args:
        size: (width, height).
        frames: T, at least 2.
        speed: 1 moves the cat by about 9 pixels a frame at 512 pixels wide; in proportion
            otherwise.
    """
    width, height = size
    step = np.arange(frames) * speed * width / 512
    turn = np.arange(frames) * speed
    middle = (width - 1) / 2, (height - 1) / 2
    cat = (0.27 * width, 0.52 * height)
    slide = np.stack([8.6 * step, 0.075 * height * np.sin(turn * 0.2)], axis=-1)
    growth = np.exp(0.008 * turn)[:, None, None]
    # The table moves by an affine map, as a far wall does before a camera that rolls and drifts.
    drift = np.stack([1.0 * step, -0.5 * step], axis=-1)
    table = about(middle, turned(-0.003 * turn) * np.exp(0.004 * turn)[:, None, None], drift)
    margin = 0.1 * width
    layers = (
        Layer(
            name="background",
            owner=-1,
            shape=None,
            texture=_fitted("coffee", (width + 2 * margin, height + 2 * margin)),
            to_texture=texture_way(-margin - 0.5, -margin - 0.5),
            inverse_depth=(0.0, 0.0, 0.25),
            motion=table,
        ),
        Layer(
            name="cat",
            owner=0,
            shape=Blob(centre=cat, radii=(0.16 * width, 0.28 * height), angle=0.1),
            texture=_fitted("chelsea", (0.44 * width, 0.44 * width)),
            to_texture=texture_way(cat[0] - 0.22 * width, cat[1] - 0.22 * width),
            inverse_depth=(0.0, 0.0, 0.5),
            motion=about(cat, turned(0.02 * turn) * growth, slide),
        ),
    )
    still = np.tile(np.eye(4), (frames, 1, 1))
    lens = np.array([[width, 0, middle[0]], [0, width, middle[1]], [0, 0, 1]], dtype=np.float64)
    return film(
        Scene(
            size=size,
            layers=layers,
            intrinsics=np.tile(lens, (frames, 1, 1)),
            world_to_camera=still,
        )
    )


def _fitted(name: str, size: tuple[float, float]) -> Picture:
    """The middle of a photo at ``size`` (width, height) pixels of the canvas."""
    whole = photo(name)
    texels = round(size[0] * SAMPLES), round(size[1] * SAMPLES)
    scale = min(whole.shape[1] / texels[0], whole.shape[0] / texels[1])
    w, h = int(texels[0] * scale), int(texels[1] * scale)
    left, top = (whole.shape[1] - w) // 2, (whole.shape[0] - h) // 2
    part = np.ascontiguousarray(whole[top : top + h, left : left + w])
    resized = cv2.resize(part, texels, interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.float32).clip(0, 1)
