"""ComfyUI's two ways of writing tracks as JSON, both in pixels of the picture.

``comfyui-tracks`` is its TRACKS value: ``{"track_path": (T, N, 2), "track_visibility": (T, N)}``;
the visibility may be ``(T, 1)``, one flag for all points. ``comfyui-coords`` is the string that its
spline editors and its ATI and Wan-Move nodes exchange: per track a list of ``{"x": .., "y": ..}``,
one per frame. A track with fewer points than the longest ends early: it is hidden from there on.
What people save of it is read too: texts of JSON in JSON, the outputs of several editors one after
another or nested, single quotes, numbers as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import as_floats, loose_json, read_text
from kinema.formats.writing import frame_count, sampled_points, write_json
from kinema.motion.motion import FORMAT, Motion

FPS = 16.0
_WHY = "its coordinates are pixels of a picture."


def _document(asked: Asked, canvas: Any, tracks: Document) -> Document:
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "tracks": tracks,
        **timing(asked, len(tracks["points"]), FPS),
    }


def _detect_tracks(peek: Peek) -> bool:
    return isinstance(peek.json, Mapping) and "track_path" in peek.json


def _read_tracks(path: Path, asked: Asked) -> Document:
    import numpy as np

    data = loose_json(read_text(path), path)
    if not isinstance(data, Mapping) or "track_path" not in data:
        raise MotionError(f"The file {str(path)!r} has no key 'track_path'.")
    points = as_floats(data["track_path"], f"'track_path' of {str(path)!r}")
    if points.ndim != 3 or points.shape[-1] != 2:
        raise MotionError(
            f"'track_path' of {str(path)!r} has the shape {points.shape}; (T, N, 2) is expected."
        )
    tracks: Document = {"points": points.tolist()}
    given = data.get("track_visibility")
    if given is not None:
        flags = as_floats(given, f"'track_visibility' of {str(path)!r}")
        if flags.shape not in (points.shape[:2], (len(points), 1)):
            raise MotionError(
                f"'track_visibility' of {str(path)!r} has the shape {flags.shape}, the tracks "
                f"{points.shape}; (T, N) or (T, 1) is expected."
            )
        if not np.isin(flags, (0, 1)).all():
            raise MotionError(f"'track_visibility' of {str(path)!r} is not all true or false.")
        if not flags.all():
            tracks["visible"] = np.broadcast_to(flags, points.shape[:2]).astype(bool).tolist()
    canvas = need_canvas(asked, "comfyui-tracks", _WHY)
    return _document(asked, canvas, tracks)


def _write_tracks(motion: Motion, path: Path, frames: int | None) -> None:
    points, visible = sampled_points(motion, frame_count(motion, frames), "comfyui-tracks")
    write_json(path, {"track_path": points.tolist(), "track_visibility": visible.tolist()})


def _is_point(value: Any) -> bool:
    return isinstance(value, Mapping) and "x" in value and "y" in value


def _detect_coords(peek: Peek) -> bool:
    first = peek.json
    while isinstance(first, list) and first:
        first = first[0]
    return _is_point(first)


def _tracks_in(data: Any, path: Path) -> list[list[Any]]:
    """Tracks of points out of lists of them that may be nested."""
    if not isinstance(data, list) or not data:
        raise MotionError(
            f"The file {str(path)!r} must hold a list of tracks, each a list of "
            f'{{"x": .., "y": ..}}, one per frame; it holds {data!r:.40}.'
        )
    if any(_is_point(part) or _is_pair(part) for part in data):
        return [data]
    return [track for part in data for track in _tracks_in(part, path)]


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list | Mapping)


def _number(value: Any, what: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise MotionError(f"{what} is {value!r:.40}; a number is expected.") from None


def _coords(path: Path) -> list[list[list[float]]]:
    """Tracks of points (x, y)."""
    tracks = _tracks_in(loose_json(read_text(path), path), path)
    found = []
    for number, track in enumerate(tracks):
        if not all(_is_point(point) or _is_pair(point) for point in track):
            raise MotionError(
                f"Track {number} of {str(path)!r} is not a list of points with 'x' and 'y'."
            )
        pairs = [(p["x"], p["y"]) if _is_point(p) else tuple(p) for p in track]
        found.append(
            [
                [
                    _number(
                        value, f"The {axis} of point {frame} of track {number} in {str(path)!r}"
                    )
                    for axis, value in zip("xy", pair, strict=True)
                ]
                for frame, pair in enumerate(pairs)
            ]
        )
    if max(len(track) for track in found) < 2:
        raise MotionError(
            f"Every track of {str(path)!r} has one point, which is one frame; a clip needs at "
            "least 2. Repeat a point to hold it still."
        )
    return found


def _read_coords(path: Path, asked: Asked) -> Document:
    tracks = _coords(path)
    canvas = need_canvas(asked, "comfyui-coords", _WHY)
    frames = max(len(track) for track in tracks)
    held = [track + [track[-1]] * (frames - len(track)) for track in tracks]
    points = [[track[t] for track in held] for t in range(frames)]
    found: Document = {"points": points}
    if any(len(track) < frames for track in tracks):
        found["visible"] = [[t < len(track) for track in tracks] for t in range(frames)]
    return _document(asked, canvas, found)


def _write_coords(motion: Motion, path: Path, frames: int | None) -> None:
    points, visible = sampled_points(motion, frame_count(motion, frames), "comfyui-coords")
    tracks = []
    for number in range(points.shape[1]):
        seen = visible[:, number]
        count = int(seen.sum())
        if not seen[:count].all() or not count:
            raise MotionError(
                f"A comfyui-coords file can only end a track early; track {number} is hidden and "
                "visible again. Write comfyui-tracks instead."
            )
        tracks.append([{"x": x, "y": y} for x, y in points[:count, number].tolist()])
    if max(len(track) for track in tracks) < len(points):
        raise MotionError(
            "A comfyui-coords file cannot say how long the clip is once every track has ended; "
            "write comfyui-tracks instead."
        )
    write_json(path, tracks)


TRACKS = Form(
    name="comfyui-tracks",
    summary="ComfyUI's TRACKS value: track_path and track_visibility",
    files="*.json with the key 'track_path'",
    loses=(
        "Canvas and fps. Drags become tracks at the frame count written. Otherwise lossless, but "
        "for the places of hidden points, which mean nothing."
    ),
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=_detect_tracks,
    read=_read_tracks,
    write=_write_tracks,
)

COORDS = Form(
    name="comfyui-coords",
    summary="points per frame, as ComfyUI's spline editors and track nodes exchange them",
    files='*.json or *.txt, [[{"x": .., "y": ..}, ...], ...]',
    loses=(
        "Canvas and fps, and where a track was after it ended. Drags become tracks at the frame "
        "count written. Otherwise lossless."
    ),
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=_detect_coords,
    read=_read_coords,
    write=_write_coords,
)
