"""Camera paths in the text form of RealEstate10K, which CameraCtrl and others read.

The first line names the video, and may be empty. Every further line is one frame: ``timestamp fx
fy cx cy 0 0`` and the 12 numbers of its 3x4 world-to-camera pose. Intrinsics are fractions of the
picture's width and height, measured from its edge: with pixel centres at integers, ``fx * W`` and
``cx * W - 0.5``.
"""

from __future__ import annotations

from pathlib import Path

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, listed, need_canvas, timing
from kinema.formats.reading import read_text
from kinema.formats.writing import poses, write_text
from kinema.motion.motion import FORMAT, Motion

COLUMNS = 19
#: A focal length of ten picture widths is a telescope; more is pixels in disguise.
MOST_FOCAL = 10.0


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _detect(peek: Peek) -> bool:
    return any(len(_numbers(line) or ()) >= 8 for line in peek.lines[:2])


def _rows(path: Path) -> list[list[float]]:
    texts = read_text(path).splitlines()
    lines = [(number, line.strip()) for number, line in enumerate(texts, 1) if line.strip()]
    headed = not lines or len(_numbers(lines[0][1]) or ()) != COLUMNS
    if not headed and lines[0][0] == 1:
        raise MotionError(
            f"The first line of {str(path)!r} is a pose; readers of this form skip the first line, "
            "which names the video. Put a line before it, with a name or empty."
        )
    rows, faults = [], []
    for number, line in lines[1:] if headed else lines:
        values = _numbers(line)
        if values is None:
            faults.append(f"line {number} holds a word that is no number")
        elif len(values) != COLUMNS:
            faults.append(f"line {number} has {len(values)}")
        else:
            rows.append(values)
    if faults:
        raise MotionError(
            f"The poses of {str(path)!r} need {COLUMNS} columns (timestamp fx fy cx cy 0 0 and 12 "
            f"numbers of the world-to-camera pose): {listed(faults)}."
        )
    if not rows:
        raise MotionError(f"The file {str(path)!r} holds no poses after its first line.")
    return rows


def _read(path: Path, asked: Asked) -> Document:
    rows = _rows(path)
    width, height = need_canvas(
        asked, "realestate10k", "its intrinsics are fractions of the picture's width and height."
    )
    large = [n for n, row in enumerate(rows) if max(row[1:3]) > MOST_FOCAL]
    if large:
        raise MotionError(
            f"Frame {large[0]} of {str(path)!r} has the focal lengths "
            f"{tuple(rows[large[0]][1:3])}; this form wants fractions of the picture's width and "
            "height, those look like pixels."
        )
    bent = [n for n, row in enumerate(rows) if row[5] or row[6]]
    if bent:
        raise MotionError(
            f"Frame {bent[0]} of {str(path)!r} has the lens distortion "
            f"{tuple(rows[bent[0]][5:7])}; only 0 0 can be used."
        )
    return {
        "format": FORMAT,
        "canvas": [width, height],
        "camera": {
            "world_to_camera": [[row[7:11], row[11:15], row[15:19]] for row in rows],
            "intrinsics": [
                [row[1] * width, row[2] * height, row[3] * width - 0.5, row[4] * height - 0.5]
                for row in rows
            ],
        },
        **timing(asked, len(rows)),
    }


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    matrices = poses(motion, frames, "realestate10k")
    assert motion.camera is not None
    intrinsics = motion.camera.intrinsics
    if not intrinsics:
        raise MotionError(
            "A realestate10k file needs intrinsics; this camera path has none. Give "
            "CameraPath(intrinsics=[(fx, fy, cx, cy)])."
        )
    if len(intrinsics) == 1:
        intrinsics = intrinsics * len(matrices)
    width, height = motion.canvas
    lines = ["kinema"]
    for frame, (matrix, (fx, fy, cx, cy)) in enumerate(zip(matrices, intrinsics, strict=True)):
        lens = (fx / width, fy / height, (cx + 0.5) / width, (cy + 0.5) / height, 0.0, 0.0)
        stamp = round(frame * 1e6 / motion.fps)
        values = [*lens, *matrix[:3].ravel().tolist()]
        lines.append(" ".join([str(stamp), *(repr(float(value)) for value in values)]))
    write_text(path, lines)


FORM = Form(
    name="realestate10k",
    summary="camera path as RealEstate10K and CameraCtrl write it, world-to-camera",
    files="*.txt, a line with the video's name, then 19 columns per frame",
    loses=(
        "The video's name and the timestamps on reading (playback is at fps), everything but the "
        "camera on writing. Poses are lossless, intrinsics to float rounding (1e-9 px)."
    ),
    holds=frozenset({"poses", "intrinsics"}),
    detect=_detect,
    read=_read,
    write=_write,
)
