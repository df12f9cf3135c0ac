"""Motion: what a person wants to move in a photo, and how. Plain data, no tensors."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinema.errors import MotionError, suggestion
from kinema.files import parse_json, read_text, write_atomically
from kinema.motion.camera import CameraMove, CameraPath
from kinema.motion.canvas import Box, Size, as_size, fit_box, is_whole, whole_box
from kinema.motion.drag import Drag, Interpolation
from kinema.motion.region import Region, as_region, at_points, beside, layer_map
from kinema.motion.schema import faults
from kinema.motion.timing import PLAYBACKS, Playback, check_choice
from kinema.motion.tracks import Tracks
from kinema.motion.transform import Keyframe
from kinema.motion.written import written_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "kinema.motion/1"

#: Frames per second and seconds of a Motion that says nothing of time: MotionPro's.
DEFAULT_FPS = 8.0
DEFAULT_DURATION = 2.0

#: Rounds that a clip has at most; what is asked for beyond it is a slip of the keyboard.
MOST_CYCLES = 1000

_T = TypeVar("_T")


def _drags(drags: Any) -> tuple[Drag, ...]:
    return tuple(drag if isinstance(drag, Drag) else Drag(drag) for drag in drags)


def _regions(regions: Any) -> tuple[Region, ...]:
    return tuple(as_region(region) for region in regions)


def _cycles(number: Any) -> int:
    # JSON may write a whole number as 2.0.
    whole = number.is_integer() if isinstance(number, float) else isinstance(number, int)
    if isinstance(number, bool) or not whole or not 1 <= number <= MOST_CYCLES:
        raise MotionError(
            f"A Motion's cycles must be a whole number from 1 to {MOST_CYCLES}, got {number!r}."
        )
    return int(number)


@attrs.frozen(kw_only=True)
class Motion:
    """What should move in a photo, and how.

    Attributes:
        canvas: (width, height) of the pixel grid that every coordinate refers to; x right, y down,
            pixel centres at integers.
        drags: polylines that points of the photo follow, and still anchors.
        regions: parts that move together, later ones on top.
        tracks: many points given frame by frame.
        camera: how the camera moves; drags then move with respect to it.
        fps: frames per second, if the caller names none; 8 unless given.
        duration: seconds, if the caller names no frame count; 2 unless given.
        playback: how the time of drags, transforms, tracks and camera runs over the clip: ``once``
            from 0 to 1, ``loop`` again and again, ``ping-pong`` to 1 and back. The last two end
            just before they would begin again, so that the clip can be repeated.
        cycles: how many rounds of a loop or a ping-pong the clip has.

    Raises:
        MotionError: a value contradicts another; the message says which.
    """

    canvas: Size = attrs.field(converter=as_size)
    drags: tuple[Drag, ...] = attrs.field(default=(), converter=_drags)
    regions: tuple[Region, ...] = attrs.field(default=(), converter=_regions)
    tracks: Tracks | None = None
    camera: CameraPath | None = None
    fps: float = attrs.field(default=DEFAULT_FPS, converter=float)
    duration: float = attrs.field(default=DEFAULT_DURATION, converter=float)
    playback: Playback = "once"
    cycles: int = attrs.field(default=1, converter=_cycles)

    def __attrs_post_init__(self) -> None:
        for name in ("fps", "duration"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise MotionError(f"A Motion's {name} must be a positive number, got {value!r}.")
        check_choice("playback", self.playback, PLAYBACKS)
        if self.playback == "once" and self.cycles != 1:
            raise MotionError(
                f"A Motion that plays once has 1 cycle, got {self.cycles!r}; choose the playback "
                "loop or ping-pong for more."
            )
        names = [region.name for region in self.regions if region.name]
        if len(names) != len(set(names)):
            raise MotionError(f"Two regions of a Motion have the same name: {sorted(names)!r}.")
        for drag in self.drags:
            self._check_drag(drag, names)
        for x, y in self.tracks.points[0] if self.tracks else ():
            self._check_start("track", x, y)

    def _check_drag(self, drag: Drag, regions: list[str]) -> None:
        self._check_start("drag", *drag.points[0])
        if drag.region and drag.region not in regions:
            raise MotionError(
                f"A drag names the region {drag.region!r}, which the Motion does not have."
                f"{suggestion(drag.region, regions)} "
                f"Its named regions: {', '.join(regions) or 'none'}."
            )

    def _check_start(self, what: str, x: float, y: float) -> None:
        width, height = self.canvas
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            raise MotionError(
                f"A {what} starts at ({x:g}, {y:g}), outside the canvas of {width}x{height}; "
                "it has no pixel of the photo to move."
            )

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return not (self.drags or self.regions or self.tracks or self.camera)

    @property
    def default_timing(self) -> bool:
        """Whether fps and duration are the defaults, so that a backbone may choose its own."""
        return (self.fps, self.duration) == (DEFAULT_FPS, DEFAULT_DURATION)

    @property
    def frames(self) -> int:
        """Frame count T of ``duration`` at ``fps``; at least 2."""
        return max(2, round(self.fps * self.duration))

    def to_dict(self, base: Path | None = None) -> dict[str, Any]:
        """Plain JSON data; mask paths are made relative to the folder ``base`` if given."""
        data: dict[str, Any] = _lists(attrs.asdict(self, filter=_is_set))
        for index, region in enumerate(data.get("regions", ())):
            if "_png" in region:
                png = region.pop("_png").text
                data["regions"][index] = region = {"png": png, **region}
            if base is not None and "mask" in region:
                mask = os.path.relpath(region["mask"], base)
                region["mask"] = Path(mask).as_posix()
        return {"format": FORMAT, **data}

    @classmethod
    def from_dict(cls, data: Any, base: Path | None = None) -> Motion:
        """Read :meth:`to_dict` data; mask paths are taken relative to the folder ``base``.

        Raises:
            MotionError: an unknown or missing key, a wrong type, or a contradiction; the message
                says where in the document.
        """
        if not isinstance(data, Mapping):
            raise MotionError(f"A Motion document must be an object, got {type(data).__name__}.")
        fields = {name: value for name, value in data.items() if name != "$schema"}
        form = fields.pop("format", None)
        if form != FORMAT:
            raise MotionError(f"A Motion document must say 'format': {FORMAT!r}, got {form!r}.")
        for fault in faults(data):
            raise MotionError(f"At {fault.where}: {fault.message}")
        if "regions" in fields:
            fields["regions"] = [
                _with_keyframes(region, where)
                for where, region in _numbered("regions", fields["regions"])
            ]
        for name, kind in (("drags", Drag), ("regions", Region)):
            if name in fields:
                fields[name] = _build_all(kind, fields[name], name)
        if base is not None and "regions" in fields:
            fields["regions"] = [_anchored(region, base) for region in fields["regions"]]
        if fields.get("tracks") is not None:
            fields["tracks"] = _build(Tracks, fields["tracks"], "tracks")
        if fields.get("camera") is not None:
            camera = dict(fields["camera"])
            if "moves" in camera:
                camera["moves"] = _build_all(CameraMove, camera["moves"], "camera.moves")
            fields["camera"] = _build(CameraPath, camera, "camera")
        return _build(cls, fields, "motion")

    def to_json(self, base: Path | None = None) -> str:
        """The Motion as JSON text, as in :meth:`to_dict`."""
        return json.dumps(self.to_dict(base), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, base: Path | None = None) -> Motion:
        """Read :meth:`to_json` text.

        Raises:
            MotionError: the text is not JSON (NaN and Infinity are not), or not a Motion.
        """
        return cls.from_dict(parse_json(text), base)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a motion file; mask paths are written relative to it."""
        target = Path(path)
        text = self.to_json(target.resolve().parent)
        return write_atomically(target, lambda part: part.write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Motion:
        """Read a motion file written by :meth:`save`. For foreign files see ``kinema.formats``.

        Raises:
            MotionError: the file is absent, unreadable, or not a Motion.
        """
        source = Path(path)
        try:
            text = read_text(source)
        except (OSError, UnicodeDecodeError) as error:
            raise MotionError(f"The motion file {str(source)!r} cannot be read: {error}.") from None
        return cls.from_json(text, source.resolve().parent)

    def embedded(self) -> Motion:
        """The same motion with every mask file embedded, so that it stands alone.

        Raises:
            MotionError: a mask is absent, unreadable or of another size than the canvas.
        """
        regions = [region.embedded(self.canvas) for region in self.regions]
        return attrs.evolve(self, regions=regions)

    def layers(self) -> NDArray[np.int64]:
        """Which region lies on top, everywhere: ``(H, W)``, its number from 1, or 0 for none.

        Raises:
            MotionError: a mask is absent, unreadable or of another size than the canvas.
        """
        masks = (region.rasterize(self.canvas) for region in self.regions)
        return layer_map(masks, self.canvas)

    def moved_layers(self, layers: NDArray[np.int64]) -> tuple[list[int], list[int]]:
        """The layer that each drag moves, and the layer that each track moves.

        A drag moves the region it names, else the topmost one under its start, else, unless it is
        an anchor, the nearest one within a few pixels (:func:`~kinema.motion.region.beside`) if it
        has no transform; a track the topmost one under its start.

        Args:
            layers: what :meth:`layers` gives.
        """
        numbers = {region.name: number for number, region in enumerate(self.regions, start=1)}
        under = at_points(layers, [drag.points[0] for drag in self.drags]).tolist()
        drags = []
        for drag, layer in zip(self.drags, under, strict=True):
            if drag.region:
                layer = numbers[drag.region]
            elif not layer and not drag.is_anchor:
                layer = beside(layers, drag.points[0])[0]
                # One that moves by itself cannot be meant.
                layer = 0 if layer and self.regions[layer - 1].transform else layer
            drags.append(layer)
        starts = self.tracks.points[0] if self.tracks is not None else ()
        return drags, at_points(layers, starts).tolist()

    def written_out(self, frames: int, interpolation: Interpolation = "pchip") -> Motion:
        """The same motion in a clip of ``frames`` frames, of drags, tracks and a camera path alone.

        See :func:`kinema.motion.written.written_out`. Conditions read a Motion so.

        Args:
            frames: T, at least 2.
            interpolation: how the points of a drag are joined.

        Raises:
            MotionError: a region has a transform and is moved by drags or tracks as well, or has no
                pixel, or its mask cannot be read.
        """
        return written_out(self, frames, interpolation)

    def resized(self, canvas: Any) -> Motion:
        """The same motion on another canvas; what was at the edge stays at the edge."""
        return self._remapped(whole_box(self.canvas), as_size(canvas))

    def cropped(self, left: int, top: int, canvas: Any) -> Motion:
        """The motion inside the box at (left, top) of size ``canvas``.

        Raises:
            MotionError: a drag or track starts outside the box.
        """
        width, height = as_size(canvas)
        return self._remapped((left, top, left + width, top + height), (width, height))

    def fitted(self, canvas: Any) -> Motion:
        """Resized to cover ``canvas`` and cropped at its centre, as photos are.

        Raises:
            MotionError: a drag or track starts in what the crop cuts away.
        """
        size = as_size(canvas)
        return self._remapped(fit_box(self.canvas, size), size)

    def _remapped(self, box: Box, canvas: Size) -> Motion:
        if is_whole(box, self.canvas, canvas):
            return self
        return attrs.evolve(
            self,
            canvas=canvas,
            drags=[drag.remapped(box, canvas) for drag in self.drags],
            regions=[region.remapped(self.canvas, box, canvas) for region in self.regions],
            tracks=self.tracks and self.tracks.remapped(box, canvas),
            camera=self.camera and self.camera.remapped(box, canvas),
        )


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lists(part) for name, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def _is_set(attribute: attrs.Attribute[Any], value: Any) -> bool:
    needed = attribute.default is attrs.NOTHING or attribute.name in ("fps", "duration")
    return attribute.init and (needed or value != attribute.default)


def _build(kind: type[_T], data: Any, where: str) -> _T:
    if isinstance(data, kind):
        return data
    try:
        return kind(**data)
    except MotionError as error:
        raise MotionError(f"At {where}: {error}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise MotionError(f"At {where}: a value has the wrong type ({error}).") from None


def _build_all(kind: type[_T], items: Any, where: str) -> list[_T]:
    return [_build(kind, item, place) for place, item in _numbered(where, items)]


def _numbered(where: str, items: Any) -> Iterator[tuple[str, Any]]:
    return ((f"{where}[{index}]", item) for index, item in enumerate(items))


def _with_keyframes(region: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if "transform" not in region:
        return region
    place = f"{where}.transform"
    return {**region, "transform": _build_all(Keyframe, region["transform"], place)}


def _anchored(region: Region, base: Path) -> Region:
    return attrs.evolve(region, mask=str(base / region.mask)) if region.mask else region
