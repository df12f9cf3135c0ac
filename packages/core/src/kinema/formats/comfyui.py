"""ComfyUI's two ways of writing tracks as JSON, both in pixels of the picture.

``comfyui-tracks`` is its TRACKS value: ``{"track_path": (T, N, 2), "track_visibility": (T, N)}``;
the visibility may be ``(T, 1)``, one flag for all points. ``comfyui-coords`` is the string that its
spline editors and its ATI and Wan-Move nodes exchange: per track a list of ``{"x": .., "y": ..}``,
one per frame. A track with fewer points than the longest ends early: it is hidden from there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import as_floats, parse_text, read_json
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

    data = read_json(path)
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
    for _ in range(2):
        first = first[0] if isinstance(first, list) and first else first
    return _is_point(first) or (isinstance(first, str) and '"x"' in first.replace("'", '"'))


def _coords(path: Path) -> list[list[Any]]:
    """Tracks of points, from JSON that may itself be, or hold, JSON text in either quotes."""
    data = read_json(path)
    if isinstance(data, str):
        data = parse_text(data.replace("'", '"'), path)
    if isinstance(data, list):
        data = [
            parse_text(part.replace("'", '"'), path) if isinstance(part, str) else part
            for part in data
        ]
        if data and _is_point(data[0]):
            data = [data]
    if not (isinstance(data, list) and data and all(isinstance(track, list) for track in data)):
        raise MotionError(
            f"The file {str(path)!r} must hold a list of tracks, each a list of "
            '{"x": .., "y": ..}, one per frame.'
        )
    for number, track in enumerate(data):
        if not track or not all(_is_point(point) for point in track):
            raise MotionError(
                f"Track {number} of {str(path)!r} is not a list of points with 'x' and 'y'."
            )
    return data


def _read_coords(path: Path, asked: Asked) -> Document:
    tracks = _coords(path)
    canvas = need_canvas(asked, "comfyui-coords", _WHY)
    frames = max(len(track) for track in tracks)
    held = [track + [track[-1]] * (frames - len(track)) for track in tracks]
    points = [[[track[t]["x"], track[t]["y"]] for track in held] for t in range(frames)]
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
    loses="Canvas and fps. Drags become tracks at the frame count written. Otherwise lossless.",
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=_detect_tracks,
    read=_read_tracks,
    write=_write_tracks,
)

COORDS = Form(
    name="comfyui-coords",
    summary="points per frame, as ComfyUI's spline editors and track nodes exchange them",
    files='*.json, [[{"x": .., "y": ..}, ...], ...]',
    loses=(
        "Canvas and fps, and where a track was after it ended. Drags become tracks at the frame "
        "count written. Otherwise lossless."
    ),
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=_detect_coords,
    read=_read_coords,
    write=_write_coords,
)
