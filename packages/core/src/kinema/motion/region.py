"""Regions: which part of the photo moves together."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Point, Size, as_points, map_point

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A mask pixel belongs to the region when its grey value (0..255) is at least this.
MASK_THRESHOLD = 128


def _path(path: Any) -> str:
    return "" if path is None else str(path)


def _outline(points: Any) -> tuple[Point, ...]:
    return as_points(points, "a region's polygon")


def _stroke(points: Any) -> tuple[Point, ...]:
    return as_points(points, "a region's brush")


@attrs.frozen(kw_only=True)
class Region:
    """A part of the photo, given in exactly one of four ways.

    Attributes:
        mask: path of a grey image as large as the canvas; bright (>= 128) is inside.
        png: the same image, embedded as base64 PNG, so that a Motion can stand alone.
        polygon: corners (x, y) in canvas pixels; the border is inside.
        brush: the line (x, y) a round brush of ``radius`` pixels was drawn along.
        radius: of the brush, in canvas pixels.
        name: for drags to refer to.

    Later regions of a Motion lie on top of earlier ones.

    Raises:
        MotionError: none or several of the four are given, or a value does not fit.
    """

    mask: str = attrs.field(default="", converter=_path)
    png: str = ""
    polygon: tuple[Point, ...] = attrs.field(default=(), converter=_outline)
    brush: tuple[Point, ...] = attrs.field(default=(), converter=_stroke)
    radius: float = attrs.field(default=0.0, converter=float)
    name: str = ""

    def __attrs_post_init__(self) -> None:
        given = [kind for kind in ("mask", "png", "polygon", "brush") if getattr(self, kind)]
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

    @classmethod
    def from_array(cls, mask: Any, name: str = "") -> Region:
        """Embed an ``(H, W)`` array, nonzero inside, as a region.

        Raises:
            MotionError: the array is not two-dimensional.
        """
        import numpy as np
        from PIL import Image

        array = np.asarray(mask)
        if array.ndim != 2:
            raise MotionError(f"A region's mask must be (H, W), got the shape {array.shape!r}.")
        buffer = io.BytesIO()
        Image.fromarray((array != 0).astype(np.uint8) * 255).save(buffer, "PNG", optimize=True)
        return cls(png=base64.b64encode(buffer.getvalue()).decode("ascii"), name=name)

    def label(self) -> str:
        """How messages call this region."""
        kind = next(kind for kind in ("mask", "png", "polygon", "brush") if getattr(self, kind))
        return repr(self.name) if self.name else self.mask or kind

    def rasterize(self, canvas: Size) -> NDArray[np.bool_]:
        """The region on a canvas ``(width, height)``: bool ``(H, W)``, True inside.

        Raises:
            MotionError: a mask file is absent, unreadable, or of another size than the canvas.
        """
        if self.mask or self.png:
            return self._read(canvas)
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

    def _read(self, canvas: Size) -> NDArray[np.bool_]:
        import numpy as np
        from PIL import Image

        try:
            source = self.mask or io.BytesIO(base64.b64decode(self.png, validate=True))
            with Image.open(source) as image:
                grey = (
                    image.convert("RGBA").getchannel("A")
                    if _only_alpha(image)
                    else image.convert("L")
                )
        except FileNotFoundError:
            raise MotionError(f"The region's mask {self.mask!r} does not exist.") from None
        except Exception as error:  # a broken picture raises nearly anything
            raise MotionError(
                f"The region {self.label()} is not a readable image: {error}."
            ) from None
        if grey.size != canvas:
            raise MotionError(
                f"The region {self.label()} is {grey.size[0]}x{grey.size[1]} but the canvas is "
                f"{canvas[0]}x{canvas[1]}; a mask must have the canvas's size."
            )
        return np.asarray(grey) >= MASK_THRESHOLD

    def remapped(self, source: Size, box: Box, canvas: Size) -> Region:
        """This region of a ``source`` canvas, when ``box`` becomes ``canvas``.

        Raises:
            MotionError: its mask cannot be read.
        """
        if self.polygon:
            return attrs.evolve(self, polygon=[map_point(p, box, canvas) for p in self.polygon])
        across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
        if self.brush and abs(across - down) <= 1e-9 * across:
            brush = [map_point(p, box, canvas) for p in self.brush]
            return attrs.evolve(self, brush=brush, radius=self.radius * across)
        import numpy as np
        from PIL import Image

        inside = Image.fromarray(self.rasterize(source).astype(np.uint8) * 255)
        if all(float(edge).is_integer() for edge in box) and (across, down) == (1.0, 1.0):
            moved = inside.crop(box)
        else:
            moved = inside.resize(canvas, Image.Resampling.BOX, box=_within(box, source))
        return Region.from_array(np.asarray(moved) >= MASK_THRESHOLD, name=self.name)


def _within(box: Box, source: Size) -> Box:
    """The box, kept from leaving the source by rounding."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], source[0]), min(box[3], source[1])


def _only_alpha(image: Any) -> bool:
    """Whether a mask was painted as transparency over a single colour (a brush layer)."""
    if image.mode not in ("RGBA", "LA"):
        return False
    low, high = image.getchannel("A").getextrema()
    return bool(low != high)


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
