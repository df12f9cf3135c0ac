"""What surfaces are made of: cuttings of CC0 photos, and patterns drawn from noise."""

from __future__ import annotations

import functools
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

#: Photos in colour, and the box of each that shows its subject, as shares of width and height.
SUBJECTS: dict[str, tuple[float, float, float, float]] = {
    "chelsea": (0.22, 0.02, 0.88, 0.98),
    "coffee": (0.12, 0.05, 0.95, 0.95),
}

#: Grey photos of materials, which take a colour.
MATERIALS = ("brick", "gravel", "grass")

#: How strong the grain is that every surface gets, so that blank walls can be followed too.
GRAIN = 0.035


@functools.cache
def photo(name: str) -> Picture:
    """A photo of this package, RGB in [0, 1], ``(h, w, 3)``."""
    data = (files("kinema_conditions.synthetic") / "photos" / f"{name}.webp").read_bytes()
    read = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if read is None:
        raise RuntimeError(f"OpenCV was built without WebP, which {name}.webp needs.")
    picture: Picture = read[..., ::-1].astype(np.float32) / np.float32(255)
    picture.setflags(write=False)
    return picture


def scenery(rng: np.random.Generator, size: tuple[int, int], textures: str) -> Picture:
    """A background of ``size`` (width, height) texels: most of a photo, a material or a pattern."""
    if _drawn(rng, textures):
        return _grained(rng, pattern(rng, size))
    if rng.random() < 0.55:
        name = str(rng.choice(list(SUBJECTS)))
        cut = _cut(rng, photo(name), size, share=rng.uniform(0.7, 1.0))
        return _grained(rng, _graded(rng, cut))
    return _grained(rng, _material(rng, size, share=rng.uniform(0.55, 1.0)))


def surface(rng: np.random.Generator, size: tuple[int, int], textures: str) -> Picture:
    """What an object of ``size`` (width, height) texels is cut from."""
    if _drawn(rng, textures):
        return _grained(rng, pattern(rng, size))
    if rng.random() < 0.65:
        name = str(rng.choice(list(SUBJECTS)))
        whole = photo(name)
        left, top, right, bottom = SUBJECTS[name]
        height, width = whole.shape[:2]
        part = whole[
            int(top * height) : int(bottom * height), int(left * width) : int(right * width)
        ]
        return _grained(rng, _graded(rng, _cut(rng, part, size, share=rng.uniform(0.6, 1.0))))
    return _grained(rng, _material(rng, size, share=rng.uniform(0.3, 0.7)))


def pattern(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Clouds, stripes or cells in three colours, ``(h, w, 3)``."""
    width, height = size
    field = _clouds(rng, size, octaves=5)
    kind = rng.integers(3)
    if kind == 0:
        turn, count = rng.uniform(0, np.pi), rng.uniform(6, 16)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(width, height)
        wave = np.sin(2 * np.pi * count * (np.cos(turn) * x + np.sin(turn) * y) + 3 * field)
        field = (0.6 * field + 0.4 * wave).astype(np.float32)
    elif kind == 1:
        count = int(rng.integers(6, 14))
        rows = max(2, round(count * height / width))
        cells = rng.random((rows, count), dtype=np.float32) * 2 - 1
        blocks = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
        field = (0.5 * field + 0.5 * blocks).astype(np.float32)
    return _coloured(rng, (field - field.min()) / max(float(np.ptp(field)), 1e-6))


def _drawn(rng: np.random.Generator, textures: str) -> bool:
    return textures == "patterns" or (textures == "mixed" and rng.random() < 0.25)


def _cut(rng: np.random.Generator, whole: Picture, size: tuple[int, int], share: float) -> Picture:
    """A box of the wanted proportions at a random place, perhaps mirrored, at the wanted size."""
    height, width = whole.shape[:2]
    scale = share * min(width / size[0], height / size[1])
    w, h = max(2, int(size[0] * scale)), max(2, int(size[1] * scale))
    left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
    part = whole[top : top + h, left : left + w]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    way = cv2.INTER_AREA if w > size[0] else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(part), size, interpolation=way)
    return np.asarray(resized, dtype=np.float32).clip(0, 1)


def _material(rng: np.random.Generator, size: tuple[int, int], share: float) -> Picture:
    cut = _cut(rng, photo(str(rng.choice(MATERIALS))), size, share)
    grey = cut.mean(axis=-1)
    low, high = np.quantile(grey, [0.01, 0.99])
    return _coloured(rng, ((grey - low) / max(float(high - low), 1e-3)).clip(0, 1))


def _coloured(rng: np.random.Generator, grey: Picture) -> Picture:
    """Grey in [0, 1] as a walk from a dark colour over a full one to a light one."""
    hue = rng.uniform(0, 1)
    dark = _colour(hue + rng.uniform(-0.1, 0.1), 0.55, rng.uniform(0.05, 0.2))
    full = _colour(hue, rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.65))
    light = _colour(hue + rng.uniform(-0.08, 0.08), 0.2, rng.uniform(0.8, 1.0))
    stops = np.stack([dark, full, light])
    channels = [np.interp(grey, [0.0, 0.5, 1.0], stops[:, axis]) for axis in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _colour(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    colour: NDArray[np.float64] = value * (1 - saturation + saturation * wheel.clip(0, 1))
    return colour


def _graded(rng: np.random.Generator, picture: Picture) -> Picture:
    """The same cutting under another light, so that two of one photo differ."""
    gains = rng.uniform(0.8, 1.2, 3)
    gamma = rng.uniform(0.8, 1.25)
    return (picture**gamma * gains).clip(0, 1).astype(np.float32)


def _grained(rng: np.random.Generator, picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    fine = rng.standard_normal((height // 2 + 1, width // 2 + 1), dtype=np.float32)
    grain = cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    return (picture + GRAIN * grain[..., None]).clip(0, 1).astype(np.float32)


def _clouds(rng: np.random.Generator, size: tuple[int, int], octaves: int) -> Picture:
    """Noise of several scales in about [-1, 1], ``(h, w)``."""
    field = np.zeros((size[1], size[0]), dtype=np.float32)
    for octave in range(octaves):
        count = 3 * 2**octave
        rows = max(2, round(count * size[1] / size[0]))
        coarse = rng.standard_normal((rows + 1, count + 1), dtype=np.float32)
        field += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) * 0.6**octave
    clouds: Picture = field / np.abs(field).max()
    return clouds
