"""What every writer of a foreign form needs: what would be lost, and the points frame by frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import MotionError
from kinema.files import write_atomically
from kinema.formats.form import counted
from kinema.motion.canvas import Point, Size
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.outputs import refuse_inputs, replacing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def losses(motion: Motion, holds: frozenset[str]) -> list[str]:
    """What ``motion`` has that a form cannot hold, in words."""
    lost = []
    hidden = motion.tracks is not None and not all(all(row) for row in motion.tracks.visible)
    points = "drags" in holds or "tracks" in holds
    if motion.drags and not points:
        lost.append(counted(len(motion.drags), "drag"))
    if motion.tracks is not None and not points:
        lost.append(counted(len(motion.tracks.points[0]), "track"))
    elif hidden and "hidden" not in holds:
        lost.append("which track points are hidden in which frames")
    if motion.regions and "regions" not in holds:
        lost.append(counted(len(motion.regions), "region"))
    elif len(motion.regions) > 1 and "layers" not in holds:
        lost.append(f"which of {len(motion.regions)} regions is which (they become one)")
    lost += _of_regions(motion, holds, points)
    camera = motion.camera
    if camera is not None and camera.moves and "moves" not in holds:
        lost.append(f"the camera moves {', '.join(move.name for move in camera.moves)}")
    if camera is not None and camera.world_to_camera and "poses" not in holds:
        lost.append(f"the camera path of {len(camera.world_to_camera)} poses")
    elif camera is not None and camera.intrinsics and "intrinsics" not in holds:
        lost.append("the camera's intrinsics")
    timed = motion.playback != "once" or (camera is not None and camera.clock)
    if timed and camera is not None and "clock" not in holds:
        lost.append("when the camera is where (its playback or clock)")
    if motion.playback != "once" and not points and camera is None:
        lost.append(f"the playback {motion.playback!r}")
    return lost


def _of_regions(motion: Motion, holds: frozenset[str], points: bool) -> list[str]:
    """What a form cannot hold of how regions move as a whole."""
    if "transform" in holds:
        return []
    lost = []
    for region in motion.regions:
        turning = not all(keyframe.shifts_only for keyframe in region.transform)
        if region.transform and not points:
            lost.append(f"the transform of the region {region.label()}")
        elif turning and "turns" not in holds:
            lost.append(f"how the region {region.label()} turns and scales (dx and dy stay)")
        if region.scaling:
            lost.append(f"that the drags of the region {region.label()} may scale it")
        if region.attached is not None:
            state = "attached" if region.attached else "cut out"
            lost.append(f"that the region {region.label()} is {state}")
        if not region.is_always_seen:
            lost.append(f"when the region {region.label()} appears or vanishes")
    return lost


def plain(motion: Motion, frames: int, holds: frozenset[str]) -> Motion:
    """The motion as drags, tracks and a camera path, for a form that holds nothing else.

    Where it holds one drag for a region, only dx and dy of a transform stay.
    """
    if "transform" in holds:
        return motion
    if "drags" not in holds and "tracks" not in holds:
        return attrs.evolve(motion, drags=(), regions=(), tracks=None)
    if "turns" not in holds:
        regions = [_shifting(region, motion.canvas) for region in motion.regions]
        motion = attrs.evolve(motion, regions=regions)
    return motion.written_out(frames)


def _shifting(region: Region, canvas: Size) -> Region:
    keyframes = [attrs.evolve(keyframe, turn=0.0, scale=1.0) for keyframe in region.transform]
    return attrs.evolve(region, transform=keyframes)


def frame_count(motion: Motion, frames: int | None) -> int:
    """How many frames to sample: those asked for, else the tracks' own, else the duration's."""
    if frames is not None:
        return frames
    return len(motion.tracks.points) if motion.tracks is not None else motion.frames


def sampled_points(
    motion: Motion, frames: int, form: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Every track and drag frame by frame: points ``(T, N, 2)``, visible ``(T, N)``.

    Raises:
        MotionError: the Motion has neither.
    """
    import numpy as np

    points, visible = [], []
    if motion.tracks is not None:
        given, seen = motion.tracks.arrays(frames)
        points.append(given)
        visible.append(seen)
    if motion.drags:
        points.append(np.stack([drag.path(frames) for drag in motion.drags], axis=1))
        visible.append(np.ones((frames, len(motion.drags)), dtype=bool))
    if not points:
        raise MotionError(f"The form {form} needs drags or tracks; this Motion has none.")
    return np.concatenate(points, axis=1), np.concatenate(visible, axis=1)


def polylines(motion: Motion, frames: int, form: str) -> list[tuple[Drag, list[Point]]]:
    """Drags, and tracks as drags, with points that are spread evenly over the clip.

    A drag with times or easing is sampled at ``frames`` points, which gives the same positions in
    a clip of that many frames.

    Raises:
        MotionError: the Motion has neither drags nor tracks.
    """
    found = []
    for drag in motion.drags:
        plain = drag.times is None and drag.easing == "linear"
        path = drag.points if plain or drag.is_anchor else drag.path(frames).tolist()
        found.append((drag, [(float(x), float(y)) for x, y in path]))
    if motion.tracks is not None:
        for track in zip(*motion.tracks.points, strict=True):
            found.append((Drag(track), list(track)))
    if not found:
        raise MotionError(f"The form {form} needs drags or tracks; this Motion has none.")
    return found


def poses(motion: Motion, frames: int | None, form: str) -> NDArray[np.float64]:
    """The camera's world-to-camera poses ``(T, 4, 4)``.

    Raises:
        MotionError: there are none, or ``frames`` asks for another number of them.
    """
    import numpy as np

    camera = motion.camera
    if camera is None or not camera.world_to_camera:
        given = "named camera moves, whose poses depend on the scene's depth" if camera else "none"
        raise MotionError(f"The form {form} needs camera poses; this Motion has {given}.")
    count = len(camera.world_to_camera)
    if frames is not None and frames != count:
        raise MotionError(
            f"The camera path has {count} poses; it is written pose by pose, not resampled to "
            f"{frames} frames. Leave out frames."
        )
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3] = camera.world_to_camera
    return matrices


@contextmanager
def together(folder: Path, inputs: Iterable[Any] = ()) -> Iterator[Path]:
    """A folder for the files of one motion, which then appear in ``folder`` all at once.

    Args:
        folder: exists.
        inputs: files that none of them may replace.

    Raises:
        InputError: nothing can be written there, or an input would be destroyed.
    """
    with replacing(folder, "motion") as new:
        yield new
        for entry in new.iterdir():
            refuse_inputs(folder / entry.name, inputs)


def write_json(path: Path, data: Any, indent: int | None = None) -> None:
    """Write JSON; a reader never sees half of it."""
    text = json.dumps(data, indent=indent) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_text(path: Path, lines: Sequence[str]) -> None:
    """Write lines of text; a reader never sees half of them."""
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a ``.npy`` file under exactly this name; a reader never sees half of it."""
    import numpy as np

    def save(part: Path) -> None:
        with part.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)

    write_atomically(path, save)


def write_picture(path: Path, inside: NDArray[np.bool_]) -> None:
    """Write a mask as a black and white RGB PNG."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(inside.astype(np.uint8) * 255).convert("RGB")
    write_atomically(path, lambda part: image.save(part, "PNG"))
