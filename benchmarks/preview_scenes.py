"""Scenes whose every frame is known, for ``preview_quality.py``: a cutting moves over a photo."""

from __future__ import annotations

import math
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float32]
Points = NDArray[np.float64]

SIZE = (384, 256)
FRAMES = 8
MIDDLE = np.array([150.0, 130.0])

#: What the cutting is made of, and what it lies on: names of photos of scikit-image.
PAIRS = {
    "cat": ("chelsea", "coffee"),
    "cup": ("coffee", "grass"),
    "suit": ("astronaut", "rocket"),
    "stones": ("gravel", "chelsea"),
}
MOTIONS = ("slide", "turn", "scale", "behind", "thin")
MASKS = ("soft", "tight", "sloppy")

#: Widths, in pixels, of the thin parts; and how far they reach.
WIDTHS, LENGTH = (3, 5, 8, 11, 14), 46.0

#: Finer pixels per pixel in which a matte is drawn, and the blur of a lens in pixels.
FINER, LENS = 4, 0.6

#: A tight mask is so many pixels too small; a sloppy one is too large by so many, give or take.
TIGHT, SLOPPY, WOBBLE = 1, 6, 3.0


@attrs.frozen(eq=False, kw_only=True)
class Scene:
    """A cutting in motion.

    Attributes:
        frames: true frames ``(T, H, W, 3)`` in [0, 255]; the first is the photo.
        alphas: true matte ``(T, H, W)`` in [0, 1], without what covers it.
        fronts: colour of the cutting ``(T, H, W, 3)``.
        back: what is behind it, ``(H, W, 3)``.
        matrices: where frame 0 has moved to, ``(T, 2, 3)``.
        drags: paths of points of it.
        mask: uint8 ``(H, W)`` that a person hands in; ``mask_file`` is its PNG.
        cover: uint8 ``(H, W)``, what the cutting goes behind, or None; ``cover_file`` likewise.
        middles: points ``(N, 2)`` of the middle lines of thin parts, in frame 0.
    """

    frames: Picture
    alphas: Picture
    fronts: Picture
    back: Picture
    matrices: Points
    drags: list[list[tuple[float, float]]]
    mask: NDArray[np.uint8]
    mask_file: Path
    cover: NDArray[np.uint8] | None
    cover_file: Path | None
    middles: Points


def scene(motion: str, mask: str, pair: str) -> Scene:
    """The scene of a motion, a kind of mask and a pair of photos, by name."""
    front, back = (_photo(name) for name in PAIRS[pair])
    parts, middles = _outline(motion == "thin", sorted(PAIRS).index(pair))
    covering = _drawn([np.array([[262.0, 40], [300, 40], [292, 230], [268, 230]])], _still())
    covering = covering if motion == "behind" else np.zeros_like(covering)
    cover_colour = np.array([60.0, 110.0, 160.0], np.float32) + _photo("brick") / 4
    back = covering[..., None] * cover_colour + (1 - covering[..., None]) * back
    steps = np.linspace(0, 1, FRAMES)
    matrices = np.stack([_matrix(motion, step) for step in steps])
    frames, alphas, fronts = [], [], []
    for matrix in matrices:
        alpha = _drawn(parts, matrix)
        flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101
        colour = cv2.warpAffine(front, matrix, SIZE, flags=flags, borderMode=border).clip(0, 255)
        shown = (alpha * (1 - covering))[..., None]
        frames.append(shown * colour + (1 - shown) * back)
        alphas.append(alpha)
        fronts.append(colour)
    drawn = _mask(alphas[0], mask)
    cover = np.rint(covering * 255).astype(np.uint8) if motion == "behind" else None
    return Scene(
        frames=np.stack(frames).astype(np.float32),
        alphas=np.stack(alphas),
        fronts=np.stack(fronts).astype(np.float32),
        back=back.astype(np.float32),
        matrices=matrices,
        drags=_drags(motion, matrices),
        mask=drawn,
        mask_file=_written(drawn),
        cover=cover,
        cover_file=None if cover is None else _written(cover),
        middles=middles if motion == "thin" else middles[:0],
    )


@cache
def _photo(name: str) -> Picture:
    image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
    scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
    size = (math.ceil(image.width * scale), math.ceil(image.height * scale))
    image = image.resize(size, Image.Resampling.LANCZOS)
    left, top = (image.width - SIZE[0]) // 2, (image.height - SIZE[1]) // 2
    return np.asarray(image.crop((left, top, left + SIZE[0], top + SIZE[1])), np.float32)


def _outline(thin: bool, seed: int) -> tuple[list[Points], Points]:
    """Polygons whose union is the cutting, and the middle lines of its thin parts."""
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
    radius = np.full(len(angles), 26.0 if thin else 46.0)
    for wave in range(2, 6):
        swing = radius.mean() * random.uniform(0.03, 0.1)
        radius += swing * np.cos(wave * angles + random.uniform(0, 2 * math.pi))
    body = MIDDLE + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    parts, middles = [body], [np.zeros((0, 2))]
    for index, width in enumerate(WIDTHS if thin else ()):
        angle = 2 * math.pi * index / len(WIDTHS) + random.uniform(-0.2, 0.2)
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]]) * width / 2
        start, end = MIDDLE + along * 20, MIDDLE + along * (30 + LENGTH)
        parts.append(np.stack([start + across, end + across, end - across, start - across]))
        outside = np.linspace(34, 28 + LENGTH, 60)
        middles.append(MIDDLE + outside[:, None] * along)
    return parts, np.concatenate(middles)


def _drawn(parts: list[Points], matrix: Points) -> Picture:
    """The matte (H, W) of polygons that ``matrix`` has moved."""
    fine = np.zeros((SIZE[1] * FINER, SIZE[0] * FINER), np.uint8)
    for part in parts:
        moved = part @ matrix[:, :2].T + matrix[:, 2]
        corners = np.rint(((moved + 0.5) * FINER - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(fine, [corners], 255, shift=4)
    coarse = cv2.resize(fine.astype(np.float32) / 255, SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(coarse, (0, 0), LENS), np.float32)


def _still() -> Points:
    return np.array([[1.0, 0, 0], [0, 1, 0]])


def _matrix(motion: str, step: float) -> Points:
    """Where a pixel goes: turned and scaled about the middle, and shifted; (2, 3)."""
    turn, scale, shift = {
        "slide": (0.0, 1.0, (118.0, -14.0)),
        "turn": (40.0, 1.0, (0.0, 0.0)),
        "scale": (0.0, 0.72, (0.0, 0.0)),
        "behind": (0.0, 1.0, (96.0, 10.0)),
        "thin": (0.0, 1.0, (120.0, 12.0)),
    }[motion]
    matrix = cv2.getRotationMatrix2D(tuple(MIDDLE), -turn * step, 1 + (scale - 1) * step)
    matrix[:, 2] += np.array(shift) * step
    return np.asarray(matrix, np.float64)


def _drags(motion: str, matrices: Points) -> list[list[tuple[float, float]]]:
    """Paths of the points by which a person would move it."""
    points = [MIDDLE]
    if motion in ("turn", "scale"):
        points = [MIDDLE + np.array([-22.0, 0]), MIDDLE + np.array([22.0, 0])]
    paths = [[m[:, :2] @ point + m[:, 2] for m in matrices] for point in points]
    return [[(float(x), float(y)) for x, y in path] for path in paths]


def _mask(alpha: Picture, kind: str) -> NDArray[np.uint8]:
    if kind == "soft":
        return np.asarray(np.rint(alpha * 255), np.uint8)
    inside = (alpha > 0.5).astype(np.uint8)
    if kind == "tight":
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        return np.asarray(cv2.erode(inside, cross, iterations=TIGHT) * 255, np.uint8)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    noise = np.random.default_rng(0).normal(size=alpha.shape).astype(np.float32)
    wobble: Any = cv2.GaussianBlur(noise, (0, 0), 12)
    wobble = WOBBLE * wobble / wobble.std()
    return np.asarray(255 * (distance <= np.clip(SLOPPY + wobble, 1, 12)), np.uint8)


def _written(mask: NDArray[np.uint8]) -> Path:
    folder = Path(tempfile.gettempdir()) / "kinema-preview-quality"
    folder.mkdir(exist_ok=True)
    path = folder / f"{zlib.crc32(mask.tobytes()):08x}.png"
    Image.fromarray(mask).save(path)
    return path
