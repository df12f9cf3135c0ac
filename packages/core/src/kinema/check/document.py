"""Taking a document apart, so that one mistake does not hide the next."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.check.finding import Finding, error
from kinema.errors import MotionError
from kinema.formats.form import counted, listed
from kinema.motion.camera import CameraMove, CameraPath, rigid_fault
from kinema.motion.canvas import Point, Size, as_size
from kinema.motion.drag import Drag
from kinema.motion.motion import FORMAT, Motion
from kinema.motion.region import Region
from kinema.motion.schema import faults
from kinema.motion.tracks import Tracks

#: After so many faults of form, a document is something else altogether.
MOST_FAULTS = 50


@attrs.frozen
class Parts:
    """What of a document can be used.

    Attributes:
        motion: the usable parts.
        drags: for each drag of ``motion`` its number in the document.
        regions: the same for its regions.
    """

    motion: Motion
    drags: tuple[int, ...]
    regions: tuple[int, ...]

    @classmethod
    def whole(cls, motion: Motion) -> Parts:
        """All of a Motion."""
        return cls(motion, tuple(range(len(motion.drags))), tuple(range(len(motion.regions))))


def check_document(document: Any, base: Path | None) -> tuple[list[Finding], Parts | None]:
    """Every mistake that keeps a document from being a Motion, and what is left of it."""
    if not isinstance(document, Mapping):
        return [error("file", f"A Motion must be an object, got {type(document).__name__}.")], None
    if document.get("format") != FORMAT:
        said = f"it says {document['format']!r}" if "format" in document else "it says none"
        return [error("format", f"A Motion file must say 'format': {FORMAT!r}; {said}.")], None
    wrong = faults(document)
    findings = [error(fault.where, fault.message) for fault in wrong[:MOST_FAULTS]]
    if len(wrong) > MOST_FAULTS:
        findings.append(error("motion", f"There are {len(wrong) - MOST_FAULTS} more such faults."))
    builder = _Builder(document, base, {fault.where for fault in wrong})
    parts = builder.build()
    findings += builder.findings
    if not findings:
        try:
            parts = Parts.whole(Motion.from_dict(document, base))
        except MotionError as fault:
            findings.append(error("motion", str(fault)))
    return findings, parts


class _Builder:
    """Builds part after part, and keeps what each of them raised."""

    def __init__(self, document: Mapping[str, Any], base: Path | None, faulty: set[str]) -> None:
        self.document = document
        self.base = base
        self.faulty = {place for fault in faulty for place in _around(fault)}
        self.findings: list[Finding] = []

    def build(self) -> Parts | None:
        canvas = self._canvas()
        regions = self._all("regions", self._region)
        drags = self._all("drags", lambda data: Drag(**data))
        tracks, camera = self._tracks(), self._camera()
        clip = {
            name: self.document[name]
            for name in ("fps", "duration", "playback", "cycles")
            if name in self.document and self._intact(name)
        }
        whole = self._try("motion", lambda: Motion(canvas=canvas or (1, 1), **clip))
        if canvas is None or whole is None:
            return None
        regions = self._distinct(canvas, regions)
        drags = self._started(canvas, drags, list(regions.values()))
        if tracks is not None and not self._tracks_start(tracks.points[0], canvas):
            tracks = None
        motion = attrs.evolve(
            whole,
            drags=tuple(drags.values()),
            regions=tuple(regions.values()),
            tracks=tracks,
            camera=camera,
        )
        return Parts(motion, tuple(drags), tuple(regions))

    def _region(self, data: Mapping[str, Any]) -> Region:
        region = Region(**data)
        if region.mask and self.base is not None:
            region = attrs.evolve(region, mask=str(self.base / region.mask))
        return region

    def _intact(self, where: str) -> bool:
        return where not in self.faulty

    def _try(self, where: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except (MotionError, TypeError, ValueError, OverflowError) as fault:
            self.findings.append(error(where, str(fault)))
            return None

    def _canvas(self) -> Size | None:
        if "canvas" not in self.document or not self._intact("canvas"):
            return None
        size: Size | None = self._try("canvas", lambda: as_size(self.document["canvas"]))
        return size

    def _all(self, name: str, make: Callable[[Any], Any]) -> dict[int, Any]:
        items = self.document.get(name)
        made = {}
        for number, data in enumerate(items if isinstance(items, (list, tuple)) else ()):
            where = f"{name}[{number}]"
            if self._intact(where):
                made[number] = self._try(where, lambda data=data: make(data))  # type: ignore[misc]
        return {number: part for number, part in made.items() if part is not None}

    def _distinct(self, canvas: Size, regions: dict[int, Region]) -> dict[int, Region]:
        usable = self._try("regions", lambda: Motion(canvas=canvas, regions=regions.values()))
        return regions if usable is not None else {}

    def _started(
        self, canvas: Size, drags: dict[int, Drag], regions: list[Region]
    ) -> dict[int, Drag]:
        usable = {}
        for number, drag in drags.items():
            try:
                Motion(canvas=canvas, drags=[drag], regions=regions)
            except MotionError as fault:
                hint = _swap_hint([drag.points[0]], canvas) if "outside" in str(fault) else ""
                self.findings.append(error(f"drags[{number}]", f"{fault}{hint}"))
            else:
                usable[number] = drag
        return usable

    def _tracks(self) -> Tracks | None:
        data = self.document.get("tracks")
        if data is None or not self._intact("tracks"):
            return None
        broken = [
            f"track {number} in frame {frame}"
            for frame, row in enumerate(data["points"])
            for number, point in enumerate(row)
            if not all(math.isfinite(value) for value in point)
        ]
        if broken:
            self.findings.append(
                error(
                    "tracks",
                    f"{counted(len(broken), 'point')} of the tracks not finite (NaN or infinite): "
                    f"{listed(broken)}.",
                )
            )
            return None
        tracks: Tracks | None = self._try("tracks", lambda: Tracks(**data))
        return tracks

    def _tracks_start(self, starts: tuple[Point, ...], canvas: Size) -> bool:
        outside = [
            (number, point) for number, point in enumerate(starts) if not _inside(point, canvas)
        ]
        if outside:
            places = listed(f"track {number} at ({x:g}, {y:g})" for number, (x, y) in outside)
            hint = _swap_hint([point for _, point in outside], canvas)
            self.findings.append(
                error(
                    "tracks",
                    f"{len(outside)} of {len(starts)} tracks start outside the canvas of "
                    f"{canvas[0]}x{canvas[1]}, where the photo has no pixel to move: "
                    f"{places}.{hint}",
                )
            )
        return not outside

    def _camera(self) -> CameraPath | None:
        data = self.document.get("camera")
        if data is None or not self._intact("camera"):
            return None
        if "moves" in data:
            moves = [
                self._try(f"camera.moves[{number}]", lambda move=move: CameraMove(**move))  # type: ignore[misc]
                for number, move in enumerate(data["moves"])
            ]
            if None in moves:
                return None
            data = {**data, "moves": moves}
        if self._poses(data.get("world_to_camera", ())):
            return None
        camera: CameraPath | None = self._try("camera", lambda: CameraPath(**data))
        return camera

    def _poses(self, poses: Any) -> bool:
        """Whether poses are at fault; all frames with one fault make one finding."""
        at_fault: dict[str, list[int]] = {}
        for frame, pose in enumerate(poses):
            fault = _pose_fault(pose)
            if fault:
                at_fault.setdefault(fault.partition(" (")[0], []).append(frame)
        for kind, frames in at_fault.items():
            example = _pose_fault(poses[frames[0]])
            several = f"s {listed(frames)}" if len(frames) > 1 else f" {frames[0]}"
            hint = (
                " Left-handed axes (Unreal, or one flipped axis) must be turned to OpenCV's: x "
                "right, y down, z forward."
                if "mirrors" in kind
                else ""
            )
            self.findings.append(
                error(
                    "camera", f"The camera pose of frame{several} is not usable: {example}.{hint}"
                )
            )
        return bool(at_fault)


def _around(place: str) -> Iterator[str]:
    """A place such as ``drags[2].points``, and every place that it lies in."""
    ends = [match.start() for match in re.finditer(r"[.\[]", place)]
    yield from (place[:end] for end in ends)
    yield place


def _pose_fault(pose: Any) -> str | None:
    if not all(math.isfinite(value) for row in pose for value in row):
        return "it holds a number that is not finite (NaN or infinite)"
    if len(pose) == 4 and [float(value) for value in pose[3]] != [0.0, 0.0, 0.0, 1.0]:
        return f"its last row must be 0, 0, 0, 1, is the matrix transposed? ({pose[3]!r})"
    fault = rigid_fault(tuple(tuple(row) for row in pose[:3]))  # type: ignore[arg-type]
    return f"it is not rigid, {fault}" if fault else None


def _inside(point: Point, canvas: Size) -> bool:
    return -0.5 <= point[0] < canvas[0] - 0.5 and -0.5 <= point[1] < canvas[1] - 0.5


def _swap_hint(points: list[Point], canvas: Size) -> str:
    if all(_inside((y, x), canvas) for x, y in points):
        return " With the two numbers swapped it would lie inside: was (y, x) written for (x, y)?"
    return ""
