"""MC-Bench and MotionPro items: a folder with a first frame, a brush mask and key points.

``meta_data.json`` (or ``meta_data_new.json``) holds ``traj_key_points``: per drag a list of (x, y)
in pixels of ``first_frame.png``, evenly spread over the clip; one point alone is a still anchor.
Every pixel of ``first_frame_mask.png`` that is not black is brushed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import as_motion_errors, picture_size, read_json
from kinema.formats.writing import frame_count, polylines, together, write_json, write_picture
from kinema.motion.motion import FORMAT, Motion
from kinema.motion.region import Region

NAMES = ("meta_data.json", "meta_data_new.json")
KEY = "traj_key_points"


def _detect(peek: Peek) -> bool:
    return not peek.names.isdisjoint(NAMES) or (isinstance(peek.json, Mapping) and KEY in peek.json)


def _key_points(path: Path) -> Any:
    data = read_json(path)
    if not isinstance(data, Mapping) or KEY not in data:
        raise MotionError(f"The item {str(path)!r} has no key {KEY!r}.")
    return data[KEY]


def _item(path: Path) -> tuple[Path, Any]:
    """The folder and the key points of an item given by its folder or its JSON file."""
    if not path.is_dir():
        return path.parent, _key_points(path)
    found = [_key_points(path / name) for name in NAMES if (path / name).is_file()]
    if not found:
        raise MotionError(f"The folder {str(path)!r} holds neither {NAMES[0]} nor {NAMES[1]}.")
    if found[0] != found[-1]:
        raise MotionError(
            f"In {str(path)!r} the key points of {NAMES[0]} and {NAMES[1]} differ; remove the one "
            "that is not meant, or read the other by its own name."
        )
    return path, found[0]


def _brush(path: Path) -> Document | None:
    """The brushed region, by path where its pixels read the same; None where nothing is."""
    import numpy as np
    from PIL import Image, ImageOps

    from kinema.media.pictures import open_picture

    with as_motion_errors(), open_picture(path, f"The mask {str(path)!r}") as stored:
        image = ImageOps.exif_transpose(stored)
        has_alpha = "A" in image.mode
        pixels = np.asarray(image.convert("RGB"))
    brushed = (pixels != 0).any(axis=-1)
    if has_alpha:
        return {"mask": str(path)}
    if not brushed.any():
        return None
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    if np.array_equal(grey >= 128, brushed):
        return {"mask": str(path)}
    return {"png": Region.from_array(brushed).png}


def _read(path: Path, asked: Asked) -> Document:
    folder, tracks = _item(path)
    if not isinstance(tracks, list):
        raise MotionError(f"{KEY!r} of {str(path)!r} must be a list of drags, got {tracks!r:.60}.")
    mask = folder / "first_frame_mask.png"
    canvas = picture_size(folder / "first_frame.png") or picture_size(mask)
    if canvas is None:
        canvas = need_canvas(asked, "mc-bench", "there is no first_frame.png beside it.")
    region = _brush(mask) if mask.is_file() else None
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "drags": [{"points": track} for track in tracks],
        "regions": [region] if region else [],
        **timing(asked, None),
    }


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    import numpy as np

    if path.suffix:
        raise MotionError(f"An mc-bench item is a folder; {path.name!r} has the suffix of a file.")
    tracks = [points for _, points in polylines(motion, frame_count(motion, frames), "mc-bench")]
    size = picture_size(path / "first_frame.png")
    if size is not None and size != motion.canvas:
        raise MotionError(
            f"The item's first_frame.png is {size[0]}x{size[1]} but the Motion's canvas is "
            f"{motion.canvas[0]}x{motion.canvas[1]}; fit the Motion to the picture first."
        )
    inside = np.zeros((motion.canvas[1], motion.canvas[0]), dtype=bool)
    for region in motion.regions:
        inside |= region.rasterize(motion.canvas)
    path.mkdir(exist_ok=True)
    with together(path, [region.mask for region in motion.regions]) as new:
        write_picture(new / "first_frame_mask.png", inside)
        write_json(new / NAMES[0], {KEY: tracks})


FORM = Form(
    name="mc-bench",
    summary="MC-Bench or MotionPro item: key points and a brush mask",
    files="a folder with meta_data.json or meta_data_new.json",
    loses=(
        "The photo (put it beside as first_frame.png), fps and duration, names of regions. Drags "
        "with times or easing and tracks become points per frame, exact at that frame count; "
        "plain drags and the mask are lossless."
    ),
    holds=frozenset({"turns", "drags", "regions"}),
    detect=_detect,
    read=_read,
    write=_write,
)
