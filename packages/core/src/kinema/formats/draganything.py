"""DragAnything: ``demo.json`` with a mask and a trajectory per entity.

``{"1": {"mask_name": "1_bird.jpg", "trajectory": [[x, y], ...]}, ...}``: one (x, y) per frame in
pixels of the picture; masks lie beside the JSON and are as large as the picture. Later entities
lie on top. The clip is as long as the first trajectory, as in DragAnything's own demo: longer ones
end with it, and shorter ones rest where they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import picture_size, read_json
from kinema.formats.regions import regions_of
from kinema.formats.writing import frame_count, together, write_json, write_picture
from kinema.motion.motion import FORMAT, Motion

NAME = "demo.json"


def _is_entity(value: Any) -> bool:
    return isinstance(value, Mapping) and "trajectory" in value and "mask_name" in value


def _detect(peek: Peek) -> bool:
    if NAME in peek.names:
        return True
    return isinstance(peek.json, Mapping) and any(_is_entity(v) for v in peek.json.values())


def _entities(path: Path) -> dict[str, Mapping[str, Any]]:
    data = read_json(path)
    if not isinstance(data, Mapping) or not data:
        raise MotionError(f"The file {str(path)!r} must hold an object with one entry per entity.")
    for name, entity in data.items():
        if not _is_entity(entity) or not isinstance(entity["trajectory"], list):
            raise MotionError(
                f"Entity {name!r} of {str(path)!r} needs a 'mask_name' and a 'trajectory'."
            )
        if not isinstance(entity["mask_name"], str) or not entity["mask_name"]:
            raise MotionError(
                f"The mask_name of entity {name!r} in {str(path)!r} is "
                f"{entity['mask_name']!r:.40}; it must be the name of a picture beside the file."
            )
        if not entity["trajectory"]:
            raise MotionError(f"The trajectory of entity {name!r} in {str(path)!r} is empty.")
    return dict(data)


def _read(path: Path, asked: Asked) -> Document:
    file = path / NAME if path.is_dir() else path
    entities = _entities(file)
    canvas = None
    for entity in entities.values():
        canvas = canvas or picture_size(file.parent / entity["mask_name"])
    if canvas is None:
        canvas = need_canvas(asked, "draganything", "its masks are not beside it.")
    names = [name or f"entity {number}" for number, name in enumerate(entities)]
    rows = len(next(iter(entities.values()))["trajectory"])
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "drags": [
            {"points": _of_length(entity["trajectory"], rows), "region": name}
            for name, entity in zip(names, entities.values(), strict=True)
        ],
        "regions": [
            {"mask": str(file.parent / entity["mask_name"]), "name": name}
            for name, entity in zip(names, entities.values(), strict=True)
        ],
        **timing(asked, rows),
    }


def _of_length(trajectory: list[Any], rows: int) -> list[Any]:
    return trajectory[:rows] + trajectory[-1:] * (rows - len(trajectory))


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    if not motion.drags:
        raise MotionError("A draganything file needs drags; this Motion has none.")
    regions = regions_of(motion, "draganything")
    unused = [region.label() for region in motion.regions if region not in regions]
    if unused:
        raise MotionError(
            f"A draganything file holds one drag per region; no drag moves {', '.join(unused)}."
        )
    count = frame_count(motion, frames)
    same = {len(drag.points) for drag in motion.drags} == {count}
    plain = same and all(d.times is None and d.easing == "linear" for d in motion.drags)
    if not path.suffix:
        path.mkdir(exist_ok=True)
        path = path / NAME
    data = {}
    with together(path.parent, [region.mask for region in regions]) as new:
        for number, (drag, region) in enumerate(zip(motion.drags, regions, strict=True), 1):
            name = region.name or str(number)
            if name in data:
                raise MotionError(
                    f"Two drags move the region {region.label()}; a draganything file holds one "
                    "each."
                )
            mask = f"{path.stem}_mask_{number}.png"
            write_picture(new / mask, region.rasterize(motion.canvas))
            track = drag.points if plain else drag.path(count).tolist()
            data[name] = {"mask_name": mask, "trajectory": [list(point) for point in track]}
        write_json(new / path.name, data)


FORM = Form(
    name="draganything",
    summary="DragAnything entities: a mask and a trajectory each",
    files="demo.json with its masks beside it, or that folder",
    loses=(
        "fps; drags become points per frame, exact at the frame count written, and every drag "
        "needs a region of its own. Masks are lossless (published ones are JPEG: bright, >= 128, "
        "is inside)."
    ),
    holds=frozenset({"drags", "regions", "layers"}),
    detect=_detect,
    read=_read,
    write=_write,
)
