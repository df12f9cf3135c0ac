"""Tora: one trajectory per text file, ``x,y`` in whole numbers per line.

Coordinates run from 0 to 256 on both axes whatever the aspect of the video: Tora stretches the
square over the whole picture, ``x * W / 256`` and ``y * H / 256``, and so does this reader. The
points are spread evenly over the clip and joined by straight lines. Several trajectories of one
clip are several files; a folder of them is read and written in the order of their names.
"""

from __future__ import annotations

import re
from pathlib import Path

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, listed, need_canvas, timing
from kinema.formats.reading import read_text
from kinema.formats.writing import frame_count, polylines, together, write_text
from kinema.motion.motion import FORMAT, Motion

RANGE = 256
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_LINE = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")


def _detect(peek: Peek) -> bool:
    if peek.names:
        inside = sorted(name for name in peek.names if name.lower().endswith(".txt"))
        return bool(inside) and _detect(Peek(peek.path / inside[0]))
    return bool(peek.lines) and _LINE.fullmatch(peek.lines[0]) is not None


def _points(path: Path) -> list[list[float]]:
    points, faults = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found:
            points.append([float(found[1]), float(found[2])])
        elif line.strip():
            faults.append(f"line {number} is {line.strip()[:30]!r}")
    if faults:
        raise MotionError(
            f"A trajectory of Tora has 'x,y' per line; in {str(path)!r} {listed(faults)}."
        )
    if not points:
        raise MotionError(f"The trajectory {str(path)!r} holds no points.")
    return points


def _read(path: Path, asked: Asked) -> Document:
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise MotionError(f"The folder {str(path)!r} holds no .txt file.")
    tracks = [_points(file) for file in files]
    width, height = need_canvas(
        asked, "tora", f"its {RANGE}x{RANGE} square is stretched over the picture."
    )
    return {
        "format": FORMAT,
        "canvas": [width, height],
        "drags": [
            {"points": [[x * width / RANGE, y * height / RANGE] for x, y in track]}
            for track in tracks
        ],
        **timing(asked, None),
    }


def _line(x: float, y: float, canvas: tuple[int, int]) -> str:
    """A point in Tora's whole numbers; one inside the canvas stays inside."""
    values = []
    for value, size in ((x, canvas[0]), (y, canvas[1])):
        rounded = round(value * RANGE / size)
        if -0.5 <= value < size - 0.5:
            rounded = min(max(rounded, 0), RANGE - 1)
        values.append(str(rounded))
    return ",".join(values)


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    tracks = [points for _, points in polylines(motion, frame_count(motion, frames), "tora")]
    texts = [[_line(x, y, motion.canvas) for x, y in points] for points in tracks]
    if path.suffix.lower() == ".txt":
        if len(texts) > 1:
            raise MotionError(
                f"A Tora file holds one trajectory, this Motion has {len(texts)}; give a folder, "
                "which gets one file each."
            )
        write_text(path, texts[0])
        return
    if path.suffix:
        raise MotionError(f"Tora writes .txt files, or a folder of them; got {path.name!r}.")
    if path.is_dir() and any(path.glob("*.txt")):
        raise MotionError(f"The folder {str(path)!r} already holds .txt files; give an empty one.")
    path.mkdir(exist_ok=True)
    with together(path) as new:
        for number, lines in enumerate(texts):
            write_text(new / f"{number:02d}.txt", lines)


FORM = Form(
    name="tora",
    summary="Tora trajectory on its 256x256 square",
    files="*.txt with x,y per line, or a folder of them",
    loses=(
        "Canvas, fps, and all but whole numbers: a point moves by at most W/512 and H/512 px "
        "(W/256 and H/256 at the right and bottom edge). Drags with times or easing and tracks "
        "become points per frame. Tora joins points by straight lines."
    ),
    holds=frozenset({"turns", "drags"}),
    detect=_detect,
    read=_read,
    write=_write,
)
