"""Drawing a Motion: arrows, anchors, region tints, and how the camera moves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kinema.motion.camera import CAMERA_MOVES, CameraPath
from kinema.motion.canvas import Point, Size
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.motion.transform import placed

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

#: Told apart by most kinds of colour blindness (Okabe and Ito 2008), brightest first.
COLOURS: tuple[Colour, ...] = (
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
    (0, 190, 140),
    (213, 94, 0),
    (204, 121, 167),
)
_DARK = (20, 20, 20)
_TINT = 80

#: Everything is drawn this many times larger and scaled down, which smooths the edges.
_FINER = 3

#: Points that the way of a drag is drawn through.
_PATH = 48

#: Frames that the way behind a followed point reaches back.
_TRAIL = 6

#: Tracks beyond this many are thinned out; more would hide the photo.
_MOST_TRACKS = 400


def drawn(photo: Pixels, motion: Motion) -> Pixels:
    """The motion on a picture of its canvas; both uint8 ``(H, W, 3)``.

    Raises:
        MotionError: a region's mask cannot be read.
    """
    return _over(photo, _Sheet(motion).still())


def overlaid(frames: Pixels, motion: Motion) -> Pixels:
    """The motion on each frame ``(T, H, W, 3)``: paths, and a dot where each point is by then.

    Raises:
        MotionError: a region's mask cannot be read.
    """
    sheet = _Sheet(motion)
    below = sheet.still()
    dots = sheet.dots(len(frames))
    return np.stack(
        [_over(_over(pixels, below), dot) for pixels, dot in zip(frames, dots, strict=True)]
    )


def tracked(photo: Pixels, tracks: NDArray[np.float32], visible: NDArray[np.bool_]) -> Pixels:
    """Point tracks on a picture of their canvas: a line while a point is seen, a dot at its end.

    Args:
        photo: uint8 ``(H, W, 3)``.
        tracks: ``(T, N, 2)`` pixels.
        visible: ``(T, N)``.
    """
    sheet = _Sheet(Motion(canvas=(photo.shape[1], photo.shape[0])))
    return _over(photo, sheet.tracked(tracks, visible))


def followed(frames: Pixels, tracks: NDArray[np.float64], visible: NDArray[np.bool_]) -> Pixels:
    """Point tracks on the frames of their clip: a dot where a point is seen, its way behind it.

    Args:
        frames: uint8 ``(T, H, W, 3)``.
        tracks: ``(T, N, 2)`` pixels.
        visible: ``(T, N)``.
    """
    sheet = _Sheet(Motion(canvas=(frames.shape[2], frames.shape[1])))
    some = slice(None, None, math.ceil(tracks.shape[1] / _MOST_TRACKS))
    points, seen = tracks[:, some].astype(np.float32), visible[:, some]
    shown = []
    for frame, pixels in enumerate(frames):
        late = slice(max(0, frame - _TRAIL), frame + 1)
        here = seen[late] & seen[frame]
        shown.append(_over(pixels, sheet.tracked(points[late], here)))
    return np.stack(shown)


def _over(pixels: Pixels, layer: Image.Image) -> Pixels:
    picture = Image.fromarray(pixels).convert("RGBA")
    return np.asarray(Image.alpha_composite(picture, layer).convert("RGB"))


class _Sheet:
    """A transparent layer of the canvas's size, drawn finer and scaled down."""

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.width = _FINER * max(1.5, max(motion.canvas) / 220)
        self.pen = ImageDraw.Draw(Image.new("RGBA", (1, 1)))

    def still(self) -> Image.Image:
        """All that does not change over the clip."""
        layer = self._fresh()
        self._tint_regions(layer)
        self._draw_tracks()
        for drag, colour in self._transform_drags():
            self._arrow(drag, colour)
        for index, drag in enumerate(self.motion.drags):
            if drag.is_anchor:
                self._anchor(drag.points[0])
            else:
                self._arrow(drag, COLOURS[index % len(COLOURS)])
        self._label_regions()
        if self.motion.camera is not None:
            _draw_camera(self.pen, self.motion.camera, self._pixels(self.motion.canvas), self.width)
        return layer.resize(self.motion.canvas, Image.Resampling.BOX)

    def dots(self, frames: int) -> Iterator[Image.Image]:
        """Where every dragged or tracked point is, frame by frame; nothing in a single frame."""
        if frames < 2:
            yield from [Image.new("RGBA", self.motion.canvas)] * frames
            return
        motion = self.motion.written_out(frames)
        paths = [drag.path(frames) for drag in motion.drags if not drag.is_anchor]
        tracks = None if motion.tracks is None else motion.tracks.arrays(frames)
        for frame in range(frames):
            layer = self._fresh()
            for path in paths:
                x, y = path[frame].tolist()
                self._dot((x, y), 1.8 * self.width, (255, 255, 255))
            if tracks is not None:
                points, visible = (values[frame] for values in tracks)
                for x, y in points[visible][:: self._thinning()].tolist():
                    self._dot((x, y), 0.8 * self.width, (255, 255, 255))
            yield layer.resize(self.motion.canvas, Image.Resampling.BOX)

    def tracked(self, tracks: NDArray[np.float32], visible: NDArray[np.bool_]) -> Image.Image:
        """Every point's way while it is seen, and a dot where it is seen last."""
        layer = self._fresh()
        both = visible[1:] & visible[:-1]
        for index in np.flatnonzero(visible.any(axis=0)).tolist():
            colour = COLOURS[index % len(COLOURS)]
            path = [self._at(point) for point in tracks[:, index].tolist()]
            for frame in np.flatnonzero(both[:, index]).tolist():
                self.pen.line(path[frame : frame + 2], (*colour, 220), round(0.6 * self.width))
            last = int(np.flatnonzero(visible[:, index])[-1])
            self._dot(tracks[last, index].tolist(), 0.8 * self.width, colour)
        return layer.resize(self.motion.canvas, Image.Resampling.BOX)

    def _fresh(self) -> Image.Image:
        layer = Image.new("RGBA", self._pixels(self.motion.canvas), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(layer)
        return layer

    @staticmethod
    def _pixels(size: Size) -> Size:
        return size[0] * _FINER, size[1] * _FINER

    @staticmethod
    def _at(point: Sequence[float]) -> Point:
        return (point[0] + 0.5) * _FINER, (point[1] + 0.5) * _FINER

    def _thinning(self) -> int:
        tracks = self.motion.tracks
        return 1 if tracks is None else math.ceil(len(tracks.points[0]) / _MOST_TRACKS)

    def _tint_regions(self, layer: Image.Image) -> None:
        edges = []
        for index, region in enumerate(self.motion.regions):
            colour = COLOURS[(index + 1) % len(COLOURS)]
            inside = Image.fromarray(region.rasterize(self.motion.canvas))
            mask = inside.convert("L").resize(layer.size, Image.Resampling.NEAREST)
            layer.paste((*colour, _TINT), mask=mask)
            edge = np.asarray(inside)
            rim = edge & ~_shrunk(edge)
            line = Image.fromarray(rim).convert("L").resize(layer.size, Image.Resampling.NEAREST)
            layer.paste((*colour, 230), mask=line)
            edges.append((region, edge, rim, colour))
        for region, edge, rim, colour in edges:
            if region.transform and edge.any():
                self._outline_at_end(region, edge, rim, colour)

    def _outline_at_end(
        self,
        region: Region,
        inside: NDArray[np.bool_],
        rim: NDArray[np.bool_],
        colour: Colour,
    ) -> None:
        """The outline where a transform takes a region by the end."""
        rows, columns = np.nonzero(inside)
        pivot = region.pivot or (float(columns.mean()), float(rows.mean()))
        state = region.transform[-1]
        for point in placed(np.argwhere(rim)[:, ::-1], pivot, state).tolist():
            x, y = self._at(point)
            r = 0.35 * self.width
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, 255))
        if not state.shifts_only:
            self._dot(pivot, 1.2 * self.width, colour)

    def _transform_drags(self) -> list[tuple[Drag, Colour]]:
        """The drags that transforms stand for, in the colours of their regions."""
        once = attrs.evolve(self.motion, playback="once", cycles=1).written_out(_PATH)
        names = [region.name for region in once.regions]
        return [
            (drag, COLOURS[(names.index(drag.region) + 1) % len(COLOURS)])
            for drag in once.drags[len(self.motion.drags) :]
        ]

    def _label_regions(self) -> None:
        """When regions appear and vanish."""
        font = ImageFont.load_default(max(9.0 * _FINER, 5 * self.width))
        for region in self.motion.regions:
            words = [f"appears {region.appears:g}"] if region.appears > 0 else []
            words += [] if region.vanishes is None else [f"vanishes {region.vanishes:g}"]
            rows, columns = np.nonzero(region.rasterize(self.motion.canvas)) if words else ((), ())
            if len(rows):
                at = self._at((float(np.mean(columns)), float(np.mean(rows))))
                text = ", ".join(words)
                box = self.pen.textbbox(at, text, font, anchor="mm")
                margin = self.width
                around = (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)
                self.pen.rounded_rectangle(around, radius=margin, fill=(*_DARK, 190))
                self.pen.text(at, text, (255, 255, 255, 255), font, anchor="mm")

    def _draw_tracks(self) -> None:
        if self.motion.tracks is None:
            return
        points, _ = self.motion.tracks.arrays()
        for index, path in enumerate(points.transpose(1, 0, 2)[:: self._thinning()]):
            line = [self._at(point) for point in path]
            self.pen.line(line, (*COLOURS[index % len(COLOURS)], 200), round(0.6 * self.width))

    def _arrow(self, drag: Drag, colour: Colour) -> None:
        path = [self._at(point) for point in drag.path(_PATH)]
        for width, ink in ((1.0, _DARK), (0.55, colour)):
            self.pen.line(path, (*ink, 255), round(width * self.width * 1.6), joint="curve")
            self._head(path, (1.6 + 4.5 * width) * self.width, ink)
        for radius, ink in ((2.2, _DARK), (1.6, (255, 255, 255)), (0.9, colour)):
            self._dot(drag.points[0], radius * self.width, ink)

    def _head(self, path: list[Point], size: float, ink: Colour) -> None:
        tip = path[-1]
        base = next((p for p in reversed(path) if math.dist(p, tip) > 3 * self.width), path[0])
        angle = math.atan2(tip[1] - base[1], tip[0] - base[0])
        reach = (tip[0] + 0.45 * size * math.cos(angle), tip[1] + 0.45 * size * math.sin(angle))
        wings = [
            (reach[0] - size * math.cos(angle + side), reach[1] - size * math.sin(angle + side))
            for side in (-0.45, 0.45)
        ]
        self.pen.polygon([reach, *wings], (*ink, 255))

    def _anchor(self, point: Point) -> None:
        x, y = self._at(point)
        for half, ink in ((2.6, _DARK), (2.0, (255, 255, 255)), (1.1, (210, 30, 40))):
            r = half * self.width
            self.pen.rectangle((x - r, y - r, x + r, y + r), fill=(*ink, 255))

    def _dot(self, point: Sequence[float], radius: float, ink: Colour) -> None:
        x, y = self._at(point)
        box = (x - radius, y - radius, x + radius, y + radius)
        self.pen.ellipse(box, fill=(*ink, 255), outline=(*_DARK, 255), width=round(self.width / 3))


def _shrunk(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(inside, 1)
    up, down, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    smaller: NDArray[np.bool_] = inside & up & down & left & right
    return smaller


def camera_words(camera: CameraPath) -> str:
    """The camera path in a few words, as it is labelled."""
    if not camera.moves:
        return f"camera: {len(camera.world_to_camera)} poses"
    parts = []
    for move in camera.moves:
        unit = {"degrees": "°", "factor": "x"}.get(CAMERA_MOVES[move.name][0], " depths")
        parts.append(f"{move.name} {move.amount:g}{unit}")
    return f"camera: {', '.join(parts)}"


def _draw_camera(pen: ImageDraw.ImageDraw, camera: CameraPath, size: Size, width: float) -> None:
    """A label in the lower left corner; above it, the path of the camera seen from above."""
    text, margin = camera_words(camera), 3 * width
    font = ImageFont.load_default(max(10.0 * _FINER, 7 * width))
    left, top, right, bottom = pen.textbbox((0, 0), text, font)
    x, y = margin, size[1] - margin - (bottom - top)
    box = (x - width, y - width, x + (right - left) + width, y + (bottom - top) + width)
    pen.rounded_rectangle(box, radius=2 * width, fill=(*_DARK, 190))
    pen.text((x - left, y - top), text, (255, 255, 255, 255), font)
    if camera.world_to_camera:
        _draw_path_from_above(pen, camera, (margin, y - 3 * width), width)


def _draw_path_from_above(
    pen: ImageDraw.ImageDraw, camera: CameraPath, corner: Point, width: float
) -> None:
    poses = np.array(camera.world_to_camera)
    centres = -np.einsum("tji,tj->ti", poses[:, :, :3], poses[:, :, 3])[:, [0, 2]] * (1, -1)
    side = 30 * width
    extent = float(np.ptp(centres, axis=0).max())
    scaled = (centres - centres.mean(axis=0)) * (0.8 * side / extent if extent > 0 else 0)
    middle = corner[0] + side / 2, corner[1] - side / 2
    box = (corner[0] - width, corner[1] - side, corner[0] + side, corner[1])
    pen.rounded_rectangle(box, radius=2 * width, fill=(*_DARK, 190))
    line = [(middle[0] + float(p[0]), middle[1] + float(p[1])) for p in scaled]
    pen.line(line, (*COLOURS[0], 255), round(1.2 * width), joint="curve")
    for point, ink in ((line[0], (255, 255, 255)), (line[-1], COLOURS[0])):
        r = 2 * width
        pen.ellipse((point[0] - r, point[1] - r, point[0] + r, point[1] + r), fill=(*ink, 255))
