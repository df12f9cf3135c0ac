"""Two observed motions as one: that of an object over that of a camera."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.motion.canvas import Size, fit_box
from kinema.motion.motion import Motion
from kinema.motion.region import Region, as_region, at_points
from kinema.motion.tracks import Tracks
from kinema.observing.similarity import similarity

#: Pixels around the mask whose tracks are left out, as a share of the longer side.
MARGIN = 0.04

#: What the object's region is called.
OBJECT = "object"

Places = NDArray[np.float64]
Flags = NDArray[np.bool_]


def compose(
    object: Motion,
    camera: Motion,
    mask: Any = None,
    *,
    along: bool = False,
    margin: float | None = None,
) -> Motion:
    """The motion of an object, seen in one clip, over the motion of all else, seen in another.

    In the mask the object's tracks are taken, elsewhere those of the camera's clip, and where the
    object comes to lie over these they are hidden. So MotionPro-Dense makes an object and a camera
    move at once (its synchronized videos).

    Both last as long as the object's clip: the camera's tracks are resampled to its frames, from
    its first to its last. They are carried to its canvas too, if theirs is another one.

    Args:
        object: observed in a clip whose camera rests; of one with a camera path (``observe(...,
            camera=True)``) only the tracks are taken.
        camera: observed in a clip in which nothing else moves, as tracks, as a camera path, or as
            both.
        mask: where the object is in frame 0: a mask file, an array ``(H, W)`` or a :class:`Region`,
            of the object's canvas. Its only region unless given.
        along: also let the camera carry the object along, as one that stands in the scene: by the
            similarity that fits what its clip shows in the mask. Otherwise the object's tracks stay
            where they were seen. A camera path carries it along always.
        margin: pixels of the canvas around the mask in which no track of the camera's clip is
            taken, since trackers take the two sides of an edge for one; 4 % of the longer side
            unless given.

    Returns:
        A Motion on the object's canvas: the region of the object over all else, its tracks, those
        of the camera's clip that start outside it, and the camera path, if there is one.

    Raises:
        InputError: one of the two has no such motion, or none where it is asked for, or has drags
            or a playback; there is no mask; or the margin is negative.
        MotionError: the mask cannot be read, is empty or of another size.
    """
    if margin is not None and not margin >= 0:
        raise InputError(f"The margin is a number of pixels, at least 0; got {margin!r}.")
    for name, motion in (("object", object), ("camera", camera)):
        if motion.drags or motion.playback != "once" or any(r.transform for r in motion.regions):
            raise InputError(
                f"The {name}'s motion has drags, transforms or a playback; two motions are "
                "composed of tracks and a camera path alone, as `observe` gives them."
            )
    if object.tracks is None:
        raise InputError("The object's motion has no tracks, so that nothing is known of it.")
    if camera.tracks is None and camera.camera is None:
        raise InputError("The camera's motion has neither tracks nor a camera path.")
    region = attrs.evolve(_region(object, mask), name=OBJECT)
    inside = region.rasterize(object.canvas)
    if not inside.any():
        raise InputError(region.emptiness(object.canvas))
    frames = len(object.tracks.points)
    own, shown = _starting(*object.tracks.arrays(), inside, True)
    if not own.shape[1]:
        raise InputError(
            f"None of the object's {len(object.tracks.points[0])} tracks starts in the mask "
            f"{region.label()}; is it the mask of that clip?"
        )
    box = fit_box(camera.canvas, object.canvas)
    scene, seen = np.zeros((frames, 0, 2)), np.zeros((frames, 0), bool)
    if camera.tracks is not None:
        moved = camera.tracks.remapped(box, object.canvas)
        everything, flags = moved.arrays(frames)
        if along and camera.camera is None:
            own = _carried(own, everything, flags, inside)
        beside = _reaching(inside, MARGIN * max(object.canvas) if margin is None else margin)
        scene, seen = _starting(*_on(object.canvas, everything, flags), beside, False)
        seen &= ~_covered(scene, own, shown, inside)
    if not scene.shape[1] and camera.camera is None:
        raise InputError(
            "None of the camera's tracks starts outside the mask and its margin; observe more of "
            "that clip, or take a smaller margin."
        )
    points, visible = np.concatenate([scene, own], 1), np.concatenate([seen, shown], 1)
    path = camera.camera and camera.camera.remapped(box, object.canvas)
    behind = (_whole(object.canvas),) if scene.shape[1] and path is None else ()
    return attrs.evolve(
        object,
        tracks=Tracks(
            points=np.round(points, 3).tolist(), visible=[] if visible.all() else visible.tolist()
        ),
        regions=(*behind, region),
        camera=path,
    )


def _region(motion: Motion, mask: Any) -> Region:
    if mask is not None:
        return as_region(mask)
    if len(motion.regions) != 1:
        raise InputError(
            f"Nothing says where the object is: its motion has {len(motion.regions)} regions. Give "
            "a mask, or observe the clip with a region."
        )
    return motion.regions[0]


def _whole(size: Size) -> Region:
    """All of the picture; the edge lies outside, so that it still does on a larger canvas."""
    width, height = size
    return Region(
        polygon=[(-1, -1), (width, -1), (width, height), (-1, height)], name="scene", scaling=True
    )


def _starting(points: Places, visible: Flags, inside: Flags, wanted: bool) -> tuple[Places, Flags]:
    """The tracks that are seen in frame 0 and start in the mask, or outside it."""
    kept = visible[0] & (at_points(inside, points[0]) == wanted)
    return points[:, kept], visible[:, kept]


def _reaching(inside: Flags, margin: float) -> Flags:
    """The mask, farther by ``margin`` pixels."""
    from scipy.ndimage import distance_transform_edt

    reaching: Flags = distance_transform_edt(~inside) <= margin
    return reaching


def _on(size: Size, points: Places, visible: Flags) -> tuple[Places, Flags]:
    """The tracks that start on the canvas; the others have no pixel of the photo."""
    kept = ((points[0] >= -0.5) & (points[0] < np.array(size) - 0.5)).all(1)
    return points[:, kept], visible[:, kept]


def _carried(own: Places, scene: Places, seen: Flags, inside: Flags) -> Places:
    """The object's tracks, carried along by what the camera's clip shows in the mask.

    That is one similarity for each frame, so that tracks which lost the object in that clip do not
    tear it; of all tracks of that clip, where fewer than two are seen in the mask.
    """
    starts = scene[0]
    there = seen[0] & at_points(inside, starts)
    carried = own.copy()
    for frame in range(1, len(own)):
        chosen = there & seen[frame]
        chosen = chosen if chosen.sum() >= 2 else seen[0] & seen[frame]
        if chosen.sum() >= 2:
            carried[frame] = similarity(starts[chosen], scene[frame][chosen])(own[frame])
        else:
            carried[frame] += carried[frame - 1] - own[frame - 1]
    return carried


def _covered(scene: Places, own: Places, shown: Flags, inside: Flags) -> Flags:
    """Where the object lies over points of the scene, ``(T, N)``.

    Each is taken back by the displacement of the nearest of the object's tracks: if it comes to lie
    in the mask, it is covered.
    """
    covered = np.zeros(scene.shape[:2], bool)
    height, width = inside.shape
    for frame in range(1, len(scene)):
        there = own[frame][shown[frame]]
        if not len(there) or not scene.shape[1]:
            continue
        away = np.square(scene[frame][:, None] - there[None]).sum(-1)
        nearest = away.argmin(1)
        home = scene[frame] - (there - own[0][shown[frame]])[nearest]
        on = ((home > -0.5) & (home < (width - 0.5, height - 0.5))).all(1)
        covered[frame] = on & at_points(inside, home)
    return covered
