"""Regions: which part of the photo moves together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Point, Size, as_points, map_point
from kinema.motion.mask import MASK_THRESHOLD, Last, Picture, grown, read_mask
from kinema.motion.transform import Keyframe, as_keyframes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _path(path: Any) -> str:
    return "" if path is None else str(path)


def _picture(png: str | Picture | None) -> Picture | None:
    return png if isinstance(png, Picture) else Picture(png) if png else None


def _outline(points: Any) -> tuple[Point, ...]:
    return as_points(points, "a region's polygon")


def _stroke(points: Any) -> tuple[Point, ...]:
    return as_points(points, "a region's brush")


def _pivot(point: Any) -> Point | None:
    return None if point is None else as_points([point], "a region's pivot")[0]


def _time(time: Any) -> float | None:
    return None if time is None else float(time)


@attrs.frozen(kw_only=True)
class Region:
    """A part of the photo, given in exactly one of four ways, and how it moves as a whole.

    Attributes:
        mask: path of a grey image as large as the canvas; bright (>= 128) is inside.
        png: the same image, embedded as base64 PNG, so that a Motion can stand alone.
        polygon: corners (x, y) in canvas pixels; the border is inside.
        brush: the line (x, y) a round brush of ``radius`` pixels was drawn along.
        radius: of the brush, in canvas pixels.
        name: for drags to refer to.
        grow: canvas pixels by which it reaches farther on all sides than it was drawn; less far
            where negative.
        transform: keyframes by which it moves, turns and scales as a whole; drags then leave it
            alone. Empty leaves all to drags and tracks.
        pivot: (x, y) about which the transform turns and scales; None is the middle of its pixels.
        scaling: whether its drags may let it grow and shrink, as two fingers do, where a condition
            knows how; otherwise they only move, turn and bend it.
        attached: whether it stretches at its outline instead of being cut out there, where it moves
            over the background: True is all around, False nowhere, None leaves that to what
            renders. Only ``preview`` reads it; a video model sees for itself what belongs together.
        appears: time in [0, 1] of the clip from which it is seen; 0 is from the photo on.
        vanishes: time in [0, 1] of the clip from which it is gone; None is never.

    Later regions of a Motion lie on top of earlier ones. What ``appears`` and ``vanishes`` say does
    not depend on the Motion's playback.

    Raises:
        MotionError: none or several of the four are given, or a value does not fit.
    """

    mask: str = attrs.field(default="", converter=_path)
    _png: Picture | None = attrs.field(default=None, alias="png", converter=_picture, repr=False)
    polygon: tuple[Point, ...] = attrs.field(default=(), converter=_outline)
    brush: tuple[Point, ...] = attrs.field(default=(), converter=_stroke)
    radius: float = attrs.field(default=0.0, converter=float)
    name: str = ""
    grow: float = attrs.field(default=0.0, converter=float)
    transform: tuple[Keyframe, ...] = attrs.field(default=(), converter=as_keyframes)
    pivot: Point | None = attrs.field(default=None, converter=_pivot)
    scaling: bool = False
    attached: bool | None = None
    appears: float = attrs.field(default=0.0, converter=float)
    vanishes: float | None = attrs.field(default=None, converter=_time)
    _last: Last = attrs.field(init=False, factory=Last, eq=False, repr=False)
    _grown: Last = attrs.field(init=False, factory=Last, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        given = self._given()
        if len(given) != 1:
            raise MotionError(
                "A region is given by exactly one of mask, png, polygon and brush; "
                f"got {' and '.join(given) or 'none'}."
            )
        if self.polygon and len(self.polygon) < 3:
            raise MotionError(
                f"A region's polygon needs at least 3 corners, got {len(self.polygon)}."
            )
        if bool(self.brush) != (self.radius > 0):
            raise MotionError(
                f"A brushed region needs a brush and a radius above 0 pixels; got "
                f"{len(self.brush)} points and radius {self.radius!r}."
            )
        if not math.isfinite(self.grow):
            raise MotionError(f"A region grows by a number of pixels, got {self.grow!r}.")
        if not (self.attached is None or isinstance(self.attached, bool)):
            raise MotionError(
                "A region's attached is True, False, or None where nothing is said; got "
                f"{self.attached!r}."
            )
        last = 1.0 if self.vanishes is None else self.vanishes
        if not (0.0 <= self.appears <= last <= 1.0) or self.appears == self.vanishes:
            raise MotionError(
                f"A region appears at a time in [0, 1] and vanishes at a later one; got "
                f"{self.appears!r} and {self.vanishes!r}."
            )
        if self.pivot is not None and not self.transform:
            raise MotionError(
                f"A region has the pivot {self.pivot!r} but no transform that would turn or scale "
                "it about it."
            )

    @property
    def is_always_seen(self) -> bool:
        """Whether it neither appears nor vanishes during the clip."""
        return self.appears == 0.0 and self.vanishes is None

    def is_seen(self, time: float) -> bool:
        """Whether it is there at a ``time`` in [0, 1] of the clip."""
        return self.appears <= time and (self.vanishes is None or time < self.vanishes)

    def _given(self) -> list[str]:
        ways = ("mask", self.mask), ("png", self._png), ("polygon", self.polygon)
        return [kind for kind, value in (*ways, ("brush", self.brush)) if value]

    @property
    def png(self) -> str:
        """The mask as base64 PNG, if it is embedded; it is encoded when first asked for."""
        return self._png.text if self._png is not None else ""

    @classmethod
    def from_array(cls, mask: Any, name: str = "", **options: Any) -> Region:
        """Embed an ``(H, W)`` array, nonzero inside, as a region with the other ``options``.

        Raises:
            MotionError: the array is not two-dimensional.
        """
        import numpy as np

        array = np.asarray(mask)
        if array.ndim != 2:
            raise MotionError(f"A region's mask must be (H, W), got the shape {array.shape!r}.")
        return cls(png=Picture.of(array != 0), name=name, **options)

    def embedded(self, canvas: Size) -> Region:
        """The same region with its mask file embedded, so that it stands alone.

        Raises:
            MotionError: the mask is absent, unreadable or of another size than the canvas.
        """
        return attrs.evolve(self, mask="", png=self._drawn(canvas)) if self.mask else self

    def label(self) -> str:
        """How messages call this region."""
        return repr(self.name) if self.name else self.mask or self._given()[0]

    def rasterize(self, canvas: Size) -> NDArray[np.bool_]:
        """The region on a canvas ``(width, height)``: bool ``(H, W)``, True inside.

        A mask is decoded once, however often it is asked for; a mask file that has changed in
        between is read again. The array is the caller's own.

        Raises:
            MotionError: a mask file is absent, unreadable, or of another size than the canvas.
        """
        return self._on(canvas).inside

    def emptiness(self, canvas: Size) -> str:
        """Why the region has no pixel on a canvas, as a sentence; empty if it has one.

        Raises:
            MotionError: as :meth:`rasterize`.
        """
        import numpy as np

        levels = self._on(canvas).levels
        brightest = int(levels.max(initial=0))
        if brightest >= MASK_THRESHOLD:
            return ""
        if not (self.mask or self._png):
            return (
                f"The region {self.label()} has no pixel on the canvas of {canvas[0]}x{canvas[1]}. "
                "Draw it larger, or leave it out."
            )
        told = f"The region {self.label()} is empty: no pixel of it is bright."
        if not brightest:
            return f"{told} Its mask is black everywhere; paint white what belongs to it."
        count = len(np.unique(levels))
        return (
            f"{told} The brightest of its mask's {count} grey levels is {brightest}, and what is "
            f"at least {MASK_THRESHOLD} of 255 belongs to it. If the mask holds labels (0 and 1, "
            "or a palette), save it as grey with 255 where the region is."
        )

    def coverage(self, canvas: Size) -> NDArray[np.float32]:
        """How much of each pixel the region covers: float32 ``(H, W)`` from 0 to 1.

        The grey of a mask is read as coverage, its brightest pixels as wholly covered. At least
        half is covered exactly where :meth:`rasterize` is True; a polygon or a brush knows 0 and 1.

        Raises:
            MotionError: as :meth:`rasterize`.
        """
        import numpy as np

        levels = self._on(canvas).levels
        # The threshold stays one half, whatever the brightest pixel is.
        half, brightest = float(MASK_THRESHOLD), int(levels.max(initial=0))
        shares = np.arange(256, dtype=np.float32)
        bright = 0.5 + 0.5 * (shares - half) / max(brightest - half, 1.0)
        table = np.where(shares < half, shares / (2 * half), bright.clip(0.5, 1.0))
        return np.asarray(table.astype(np.float32)[levels])

    def _on(self, canvas: Size) -> Picture:
        picture = self._drawn(canvas)
        if not self.grow:
            return picture
        return self._grown.drawn(picture, lambda: grown(picture.levels, self.grow))

    def _drawn(self, canvas: Size) -> Picture:
        """The picture as it was drawn, before it grows."""
        if not (self.mask or self._png):
            return self._last.drawn(canvas, lambda: self._draw(canvas))
        try:
            picture = self._png if self._png is not None else self._file()
            height, width = picture.levels.shape
        except FileNotFoundError:
            raise MotionError(f"The region's mask {self.mask!r} does not exist.") from None
        except Exception as error:  # a broken picture raises nearly anything
            raise MotionError(
                f"The region {self.label()} is not a readable image: {error}."
            ) from None
        if (width, height) != canvas:
            raise MotionError(
                f"The region {self.label()} is {width}x{height} but the canvas is "
                f"{canvas[0]}x{canvas[1]}; a mask must have the canvas's size."
            )
        return picture

    def _file(self) -> Picture:
        state = Path(self.mask).stat()
        key = (state.st_ino, state.st_size, state.st_mtime_ns)
        return self._last.drawn(key, lambda: read_mask(self.mask))

    def _draw(self, canvas: Size) -> NDArray[np.bool_]:
        import numpy as np
        from PIL import Image, ImageDraw

        image = Image.new("L", canvas)
        draw = ImageDraw.Draw(image)
        if self.polygon:
            draw.polygon(self.polygon, fill=255, outline=255)
        else:
            r = self.radius
            draw.line(self.brush, fill=255, width=2 * int(r) + 1, joint="curve")
            for x, y in self.brush:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        return np.asarray(image) >= MASK_THRESHOLD

    def remapped(self, source: Size, box: Box, canvas: Size) -> Region:
        """This region of a ``source`` canvas, when ``box`` becomes ``canvas``.

        Raises:
            MotionError: its mask cannot be read.
        """
        across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
        moved = self._moved_along(box, canvas)
        even = abs(across - down) <= 1e-9 * across
        if self.polygon and (even or not self.grow):
            polygon = [map_point(p, box, canvas) for p in self.polygon]
            return attrs.evolve(moved, polygon=polygon, grow=self.grow * across)
        if self.brush and even:
            brush = [map_point(p, box, canvas) for p in self.brush]
            radius, grow = self.radius * across, self.grow * across
            return attrs.evolve(moved, brush=brush, radius=radius, grow=grow)
        pixels = self._remapped_pixels(source, box, canvas)
        return attrs.evolve(moved, mask="", polygon=(), brush=(), radius=0.0, grow=0.0, png=pixels)

    def _moved_along(self, box: Box, canvas: Size) -> Region:
        pivot = None if self.pivot is None else map_point(self.pivot, box, canvas)
        transform = [keyframe.remapped(box, canvas) for keyframe in self.transform]
        return attrs.evolve(self, pivot=pivot, transform=transform)

    def _remapped_pixels(self, source: Size, box: Box, canvas: Size) -> Picture:
        import numpy as np
        from PIL import Image

        levels = np.rint(self.coverage(source) * 255).astype(np.uint8)
        inside = Image.fromarray(levels)
        left, top, right, bottom = box
        same = (right - left, bottom - top) == (float(canvas[0]), float(canvas[1]))
        if same and all(float(edge).is_integer() for edge in box):
            moved = inside.crop(box)
        else:
            moved = inside.resize(canvas, Image.Resampling.BOX, box=_within(box, source))
        result = np.array(moved)
        if not ((levels > 0) & (levels < 255)).any():
            # A mask of black and white only looks soft where its pixels are shared out.
            return Picture.of(result >= MASK_THRESHOLD)
        return Picture.of(result)


def _within(box: Box, source: Size) -> Box:
    """The box, kept from leaving the source by rounding."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], source[0]), min(box[3], source[1])


def as_region(region: Any) -> Region:
    """Take a path, a mapping or an array to a Region.

    Raises:
        MotionError: it cannot be understood as a region.
    """
    if isinstance(region, Region):
        return region
    if isinstance(region, (str, Path)):
        return Region(mask=str(region))
    if isinstance(region, dict):
        return Region(**region)
    return Region.from_array(region)


def layer_map(masks: Iterable[NDArray[np.bool_]], canvas: Size) -> NDArray[np.int64]:
    """Which region lies on top, everywhere: ``(H, W)``, its number from 1, or 0 for none.

    Args:
        masks: of the regions ``(H, W)``, in their order; later ones lie on top.
        canvas: (width, height).
    """
    import numpy as np

    layers = np.zeros((canvas[1], canvas[0]), dtype=np.int64)
    for number, inside in enumerate(masks, start=1):
        layers[inside] = number
    return layers


def at_points(values: NDArray[Any], points: Any) -> NDArray[Any]:
    """Values of a map ``(H, W)`` at the pixels nearest to points ``(N, 2)``, ``(N,)``.

    A point beyond the edge takes the pixel at the edge. With :func:`layer_map` this is the rule by
    which a drag or a track finds the region that it moves.
    """
    import numpy as np

    height, width = values.shape
    pixels = np.rint(np.asarray(points, dtype=np.float64).reshape(-1, 2))
    columns = pixels[:, 0].clip(0, width - 1).astype(np.intp)
    return values[pixels[:, 1].clip(0, height - 1).astype(np.intp), columns]


def beside(layers: NDArray[np.int64], point: Point) -> tuple[int, float]:
    """The layer of a region next to a point that misses it, and how many pixels away it is.

    A finger or a mouse misses by a few pixels: at most 1.25 % of the canvas's shorter side, 4 at
    least. Layer 0 if there is none so near.

    Args:
        layers: what :func:`layer_map` gives.
        point: (x, y).
    """
    import numpy as np

    height, width = layers.shape
    reach = max(4.0, 0.0125 * min(width, height))
    left, top = (max(0, int(value - reach)) for value in point)
    part = layers[top : max(0, int(point[1] + reach) + 2), left : max(0, int(point[0] + reach) + 2)]
    rows, columns = np.nonzero(part)
    if not len(rows):
        return 0, 0.0
    distances = np.hypot(columns + left - point[0], rows + top - point[1])
    # Of equally near ones the topmost.
    nearest = np.lexsort((-part[rows, columns], distances))[0]
    far = float(distances[nearest])
    return (int(part[rows[nearest], columns[nearest]]), far) if far <= reach else (0, 0.0)
