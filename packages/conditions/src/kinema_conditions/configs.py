"""Options of the conditions and depth estimators. Plain data: nothing here loads torch."""

from __future__ import annotations

import math
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.motion.drag import Interpolation
from kinema.offers import WeightFile

#: The weights of ``zoedepth``; beside them lies their config.json of a few kilobytes.
ZOEDEPTH_WEIGHTS = WeightFile(
    path="model.safetensors", hub="Intel/zoedepth-nyu", licence="MIT", bytes=1_380_000_000
)

_INTERPOLATIONS = ("pchip", "linear")


#: No block, kernel or spread reaches farther than the side of the largest frame.
MOST_PIXELS = 8192

#: No condition follows more points at once.
MOST_POINTS = 1_000_000


def _check_block(config: Any) -> None:
    if config.k < 1:
        raise InputError(f"k must be at least 1 pixel, got {config.k!r}.")
    if config.k > MOST_PIXELS:
        raise InputError(f"k must be at most {MOST_PIXELS} pixels, got {config.k!r}.")


def _check_interpolation(config: Any) -> None:
    if config.interpolation not in _INTERPOLATIONS:
        raise InputError(
            f"Unknown interpolation {config.interpolation!r}. Choose one of: "
            f"{', '.join(_INTERPOLATIONS)}."
        )


def _check_fraction(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{name} must be within [0, 1], got {value!r}.")


@attrs.frozen(kw_only=True)
class DenseTrajectoryConfig:
    """Options of ``dense-trajectory``.

    Raises:
        InputError: the interpolation is unknown.
    """

    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_interpolation(self)


@attrs.frozen(kw_only=True)
class PointTracksConfig:
    """Options of ``point-tracks``.

    Raises:
        InputError: a value is out of range.
    """

    step: int = 16
    """Pixels between the grid points of a region, and of the canvas under a camera path."""
    points: int = 1024
    """How many points a region or a camera path has at most; the grid grows coarser for it. In
    training, how many are drawn at most."""
    tail_dropout: float = 0.0
    """In training, the share of points that are hidden from a random frame on, so that a track may
    end early (ATI: 0.2)."""
    no_points: float = 0.0
    """In training, the share of clips without any point, for a model that is told nothing of some
    photos (Wan-Move: 0.05)."""
    regions: bool = True
    """Whether regions that drags or tracks move have points of their own."""
    camera: bool = True
    """Whether a camera path has points of its own; without them it still moves all others."""
    falloff: float = 1.5
    """How fast a drag's hold on its region falls with the distance."""
    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_interpolation(self)
        _check_fraction("tail_dropout", self.tail_dropout)
        _check_fraction("no_points", self.no_points)
        if self.step < 1 or not 1 <= self.points <= MOST_POINTS or not 0 < self.falloff < math.inf:
            raise InputError(
                f"point-tracks needs step and points of at least 1 and a positive falloff; got "
                f"{self.step!r}, {self.points!r} and {self.falloff!r}."
            )


@attrs.frozen(kw_only=True)
class RegionTrajectoryConfig:
    """Options of ``region-trajectory``; the defaults are MotionPro's.

    Raises:
        InputError: a value is out of range.
    """

    k: int = 8
    """Side of the block around a drag's start, and of the regions drawn in training, in pixels."""
    r_min: float = 0.95
    """In training, the share of regions left out is drawn uniformly from [r_min, 1]."""
    drags: int = 0
    """In training, tell one to this many drags, drawn where a person would; 0 draws regions."""
    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_block(self)
        _check_interpolation(self)
        _check_fraction("r_min", self.r_min)
        if not 0 <= self.drags <= MOST_POINTS:
            raise InputError(f"drags must be 0 (random regions) or more; got {self.drags!r}.")


@attrs.frozen(kw_only=True)
class CameraTrajectoryConfig:
    """Options of ``camera-trajectory``; the defaults are MotionPro's.

    Raises:
        InputError: a value is out of range.
    """

    k: int = 8
    """Side of the regions in pixels, and of the block around a drag's start."""
    ratio: float = 0.85
    """Share of the regions left out when a camera path becomes a signal."""
    seed: int = 0
    """Which regions are kept; the same seed and canvas always keep the same ones."""
    r_min: float = 0.95
    """In training, the share of regions left out is drawn uniformly from [r_min, 1]."""
    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_block(self)
        _check_interpolation(self)
        _check_fraction("ratio", self.ratio)
        _check_fraction("r_min", self.r_min)


@attrs.frozen(kw_only=True)
class MotionMaskConfig:
    """Options of ``motion-mask``.

    Raises:
        InputError: a value is out of range.
    """

    k: int = 8
    """Side of the block around a drag's start, in pixels; keep it equal to region-trajectory's."""
    published: bool = False
    """Do as the published code: only pixels moving in the last frame join the brush (a round trip
    loses its block), and in training the mean of squared lengths is compared with the threshold."""
    threshold: float = 1.0
    """In training, a pixel moves if its mean displacement is longer than this, in pixels."""
    all_ones: bool = False
    """Let the whole photo move, whatever the brush, the drags or the clip say: the ablation without
    a mask."""
    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_block(self)
        _check_interpolation(self)
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise InputError(f"threshold must be a number of pixels, got {self.threshold!r}.")


@attrs.frozen(kw_only=True)
class GaussianTrajectoryConfig:
    """Options of ``gaussian-trajectory``; kernel and sigma are DragNUWA's.

    Raises:
        InputError: a value is out of range.
    """

    kernel: int = 99
    """Side of the Gaussian filter in pixels; odd."""
    sigma: float = 10.0
    """Standard deviation of the filter in pixels."""
    points: int = 8
    """In training, at most this many points of the flow are kept; their number is drawn from 1."""
    interpolation: Interpolation = "pchip"
    """How a drag runs between its points: pchip (shape-preserving cubic) or linear."""

    def __attrs_post_init__(self) -> None:
        _check_interpolation(self)
        if not 1 <= self.kernel <= MOST_PIXELS or self.kernel % 2 == 0:
            raise InputError(
                f"kernel must be an odd number of pixels, got {self.kernel!r}; at most "
                f"{MOST_PIXELS}."
            )
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise InputError(f"sigma must be a positive number of pixels, got {self.sigma!r}.")
        if not 1 <= self.points <= MOST_POINTS:
            raise InputError(f"points must be at least 1, got {self.points!r}.")


@attrs.frozen(kw_only=True)
class ZoeDepthConfig:
    """Options of ``zoedepth``."""

    path: str = ""
    """Folder with config.json and model.safetensors; empty means the local Hugging Face cache."""
    hub: str = "Intel/zoedepth-nyu"
    """Which repository of that cache; Intel/zoedepth-kitti suits streets. Nothing is downloaded."""
    device: str = ""
    """Where the network runs; empty means where the photo is."""


_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def metres_of(unit: str) -> float:
    """Metres per unit: of m, cm or mm, or of a part of one such as ``m/256``.

    Raises:
        InputError: it is no such unit.
    """
    name, slash, part = unit.partition("/")
    try:
        if name not in _METRES or (slash and not 0 < float(part) < math.inf):
            raise ValueError
    except ValueError:
        raise InputError(
            f"The unit of a depth is m, cm or mm, or a part of one as in m/256; got {unit!r}."
        ) from None
    return _METRES[name] / (float(part) if slash else 1.0)


@attrs.frozen(kw_only=True)
class DepthFileConfig:
    """Options of ``depth-file``.

    Raises:
        InputError: a value is out of range.
    """

    path: str = ""
    """The file: .npy (H, W), 16-bit .png, or .tif in floating point or 16 bit."""
    unit: str = ""
    """Of the file's numbers: m, cm or mm, or a part of one as in m/256, which KITTI and ZoeDepth
    write. Unset means m for floating point and mm for whole numbers, which depth cameras write."""
    scale: float | None = None
    """Depth per unit of the file, instead of a unit."""
    metric: bool = True
    """Whether the depth is then in metres."""
    fill: bool = True
    """Pixels without a depth (0, negative, NaN) take the nearest valid one; false refuses them."""

    def __attrs_post_init__(self) -> None:
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"scale must be a positive number, got {self.scale!r}.")
        if self.unit and self.scale is not None:
            raise InputError(
                f"depth-file takes a unit or a scale, got {self.unit!r} and {self.scale!r}."
            )
        if self.unit:
            metres_of(self.unit)


@attrs.frozen(kw_only=True)
class PlanePriorConfig:
    """Options of ``plane-prior``.

    Raises:
        InputError: not 0 < near < far.
    """

    near: float = 2.0
    """Depth of the bottom row."""
    far: float = 10.0
    """Depth of the top row."""

    def __attrs_post_init__(self) -> None:
        if not (0 < self.near < self.far and math.isfinite(self.far)):
            raise InputError(
                f"plane-prior needs 0 < near < far, got {self.near!r} and {self.far!r}."
            )
