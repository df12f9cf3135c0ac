"""Options of synthetic clips. Plain data: nothing here loads torch."""

from __future__ import annotations

import math

import attrs

from kinema.errors import InputError

#: How an object may move, and what it looks like.
KINDS: dict[str, str] = {
    "affine": "slides along a straight or curved path, and may grow, shrink and shear",
    "rotating": "turns about its middle while it slides",
    "articulated": "has limbs that swing at their joints, some with a second joint",
    "occluding": "crosses the picture in front of everything else",
    "sliding": "slides along a straight or curved path and keeps its shape",
}

#: What surfaces are made of: cuttings of CC0 photos, drawn patterns, or either.
TEXTURES = ("photos", "patterns", "mixed")


def _names(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


@attrs.frozen(kw_only=True)
class SyntheticConfig:
    """What synthetic clips show.

    Raises:
        InputError: a value is out of range, or a kind or texture is unknown.
    """

    least_objects: int = 1
    """Each clip has at least this many objects; 0 allows clips in which only the camera moves."""
    most_objects: int = 4
    """Each clip has at most this many objects."""
    kinds: tuple[str, ...] = attrs.field(
        default=("affine", "rotating", "articulated", "occluding"), converter=_names
    )
    """How objects may move: affine, rotating, articulated, occluding, sliding."""
    travel: float = 0.3
    """The farthest that an object slides over the clip, in widths of the canvas; 0 keeps it."""
    camera: float = 0.12
    """The farthest that the background moves over the clip, in widths of the canvas; 0 is still."""
    camera_share: float = 0.75
    """The share of clips in which the camera moves at all."""
    textures: str = "mixed"
    """What surfaces are made of: photos (cuttings of CC0 photos), patterns (drawn), or mixed (a
    quarter of them drawn)."""
    blur: float = 0.0
    """Standard deviation of the blur of all surfaces, in widths of the canvas; outlines stay sharp.
    Small frames that are to be understood by a small network want about 0.03."""
    fps: float = 8.0
    """Frames per second that the clip says of itself."""

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.least_objects <= self.most_objects:
            raise InputError(
                f"Synthetic clips need 0 <= least_objects <= most_objects, got "
                f"{self.least_objects!r} and {self.most_objects!r}."
            )
        unknown = [name for name in self.kinds if name not in KINDS]
        if unknown or not self.kinds:
            raise InputError(
                f"Unknown kinds of synthetic objects {unknown!r}. Choose at least one of: "
                f"{', '.join(KINDS)}."
            )
        if self.textures not in TEXTURES:
            raise InputError(
                f"Unknown textures {self.textures!r} of synthetic clips. Choose one of: "
                f"{', '.join(TEXTURES)}."
            )
        for name, most in (("travel", 2.0), ("camera", 0.5), ("camera_share", 1.0), ("blur", 0.2)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InputError(
                    f"{name} of synthetic clips must be within [0, {most}], got {value!r}."
                )
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"fps of synthetic clips must be positive, got {self.fps!r}.")


@attrs.frozen(kw_only=True)
class SyntheticSourceConfig(SyntheticConfig):
    """Options of the clip source ``synthetic``.

    Raises:
        InputError: a value is out of range.
    """

    seed: int = 0
    """Which endless series the clips are taken from."""
    count: int = 1000
    """How many clips of it."""
    first: int = 0
    """The number of the first one, so that one series gives clips for training and others for
    validation."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.seed < 0 or self.first < 0 or self.count < 1:
            raise InputError(
                f"The clip source 'synthetic' needs seed and first of at least 0 and count of at "
                f"least 1, got {self.seed!r}, {self.first!r} and {self.count!r}."
            )


#: The smallest side of a clip; below it an object has too few pixels to be seen moving.
LEAST_SIDE = 16

#: The parts of the benchmark ``synthetic``.
SYNTHETIC_SUBSETS = (
    "fine-grained",
    "object-level",
    "camera",
    "camera-object",
    "misread",
    "misread-unmasked",
)


@attrs.frozen(kw_only=True)
class SyntheticBenchmarkConfig:
    """Options of the benchmark ``synthetic``.

    Raises:
        InputError: a value is out of range, or a subset is unknown.
    """

    seed: int = 0
    """Which items; the same seed always gives the same ones."""
    count: int = 100
    """Items of each subset."""
    subsets: tuple[str, ...] = attrs.field(default=SYNTHETIC_SUBSETS, converter=_names)
    """Which there are: fine-grained, object-level, camera, camera-object, misread,
    misread-unmasked."""
    width: int = 64
    """Of photo and video, in pixels."""
    height: int = 64
    """Of photo and video, in pixels."""
    frames: int = 8
    """T."""
    fps: float = 8.0
    """Frames per second."""
    travel: float = 0.25
    """The farthest that an object slides over the clip, in widths of the canvas."""
    textures: str = "mixed"
    """What surfaces are made of: photos, patterns or mixed."""
    blur: float = 0.03
    """Standard deviation of the blur of all surfaces, in widths of the canvas; for larger frames
    than 64 pixels, 0 is what cameras see."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def __attrs_post_init__(self) -> None:
        unknown = [name for name in self.subsets if name not in SYNTHETIC_SUBSETS]
        if unknown or not self.subsets:
            raise InputError(
                f"The benchmark 'synthetic' has no subsets {unknown!r}. Choose at least one of: "
                f"{', '.join(SYNTHETIC_SUBSETS)}."
            )
        if self.seed < 0 or self.count < 1 or self.frames < 2 or min(self.size) < LEAST_SIDE:
            raise InputError(
                "The benchmark 'synthetic' needs a seed of at least 0, a count of at least 1, and "
                f"at least {LEAST_SIDE}x{LEAST_SIDE} pixels and 2 frames; got {self.seed!r}, "
                f"{self.count!r}, {self.width}x{self.height} and {self.frames!r}."
            )
        SyntheticConfig(travel=self.travel, textures=self.textures, blur=self.blur, fps=self.fps)
