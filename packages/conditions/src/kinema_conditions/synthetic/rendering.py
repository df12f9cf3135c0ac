"""Drawing the frames of a scene, smoothed against jagged edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_conditions.synthetic.scene import Array, Layer, Scene, carried, pixel_grid

#: Samples per pixel and axis; textures have as many texels per pixel of frame 0.
SAMPLES = 2

Picture = NDArray[np.float32]


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draw all frames, uint8 RGB ``(T, H, W, 3)``."""
    mattes = [_matte(layer) for layer in scene.layers]
    width, height = scene.size
    drawn = np.empty((scene.frames, height, width, 3), dtype=np.uint8)
    for frame in range(scene.frames):
        fine = _background(scene, frame)
        for index in range(1, len(scene.layers)):
            _paint(fine, scene, index, frame, mattes[index])
        small = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
        drawn[frame] = (small.clip(0, 1) * 255).round().astype(np.uint8)
    return drawn


def texture_way(left: float, top: float) -> Array:
    """Pixels of frame 0 to texels, where the first texel begins at the edges ``left``, ``top``."""
    return np.array(
        [[SAMPLES, 0, -0.5 - SAMPLES * left], [0, SAMPLES, -0.5 - SAMPLES * top], [0, 0, 1]]
    )


def _samples(left: float = 0.0, top: float = 0.0) -> Array:
    """Samples to pixels: sample 0 lies in the first half of pixel 0, shifted by whole samples."""
    half = 0.5 / SAMPLES - 0.5
    return np.array(
        [[1 / SAMPLES, 0, left / SAMPLES + half], [0, 1 / SAMPLES, top / SAMPLES + half], [0, 0, 1]]
    )


def _background(scene: Scene, frame: int) -> Picture:
    layer = scene.layers[0]
    way = layer.to_texture @ scene.returns[0, frame] @ _samples()
    fine = (scene.size[0] * SAMPLES, scene.size[1] * SAMPLES)
    drawn = cv2.warpPerspective(
        layer.texture,
        way,
        fine,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.ascontiguousarray(drawn, dtype=np.float32)


def _matte(layer: Layer) -> Picture:
    """The texture with its coverage, ``(h, w, 4)``, colours times coverage."""
    height, width = layer.texture.shape[:2]
    if layer.shape is None:
        return np.empty((0, 0, 4), dtype=np.float32)
    places = carried(np.linalg.inv(layer.to_texture), pixel_grid((width, height)))
    cover = (layer.shape.inside(places) * SAMPLES + 0.5).clip(0, 1).astype(np.float32)
    return np.concatenate([layer.texture * cover[..., None], cover[..., None]], axis=-1)


def _paint(fine: Picture, scene: Scene, index: int, frame: int, matte: Picture) -> None:
    """Lay one layer over the finely sampled frame, only where it can be."""
    box = scene.box(index, frame)
    limit = np.array([fine.shape[1], fine.shape[0]])
    low = (np.floor((box[:2] - 1) * SAMPLES)).clip(0, limit).astype(int)
    high = (np.ceil((box[2:] + 2) * SAMPLES)).clip(0, limit).astype(int)
    if (high <= low).any():
        return
    way = (
        scene.layers[index].to_texture
        @ scene.returns[index, frame]
        @ _samples(float(low[0]), float(low[1]))
    )
    drawn = cv2.warpPerspective(
        matte,
        way,
        (int(high[0] - low[0]), int(high[1] - low[1])),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    under = fine[low[1] : high[1], low[0] : high[0]]
    under *= 1 - drawn[..., 3:]
    under += drawn[..., :3]
