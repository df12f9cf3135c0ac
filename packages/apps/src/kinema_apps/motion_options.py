"""The options that say what should move, shared by the commands that take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from kinema.errors import InputError, MotionError
from kinema.motion.camera import CameraPath
from kinema.motion.canvas import Size, as_size, fit_box
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.timing import PLAYBACKS
from kinema_apps.motion_texts import moved, named, parse_drag, parse_move, parse_region
from kinema_apps.terminal import note

if TYPE_CHECKING:
    from kinema.media.photo import Photo

_Command = TypeVar("_Command", bound=Callable[..., Any])

SAMPLE = Path(__file__).parent / "sample"

#: Below this share of points inside, or beyond it in a corner, points look like another picture's.
MOST_INSIDE = 0.9

#: The share of each side that the points of a larger picture's corner stay within.
CORNER = 0.5

#: A motion file's own canvas is the default size unless it has more pixels than this.
MOST_PIXELS = 400_000


@attrs.frozen(kw_only=True)
class Asked:
    """What the options of :func:`motion_options` said."""

    drag: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    move: tuple[str, ...] = ()
    playback: str | None = None
    cycles: int | None = None
    motion: str | None = None
    camera: str | None = None
    form: str | None = None
    frames: int | None = None
    fps: float | None = None
    size: Size | None = None
    canvas: Size | None = None

    def files(self) -> list[str]:
        """What may be paths of files that are read."""
        masks = [parse_region(text).mask for text in self.region]
        return [*masks, *(name for name in (self.motion, self.camera) if name)]

    @property
    def is_nothing(self) -> bool:
        """Whether nothing says what should move."""
        told = self.drag or self.region or self.move or self.camera
        return not told and self.motion is None


class SizeType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """``WxH``, as in ``512x320``."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        """(width, height)."""
        return as_size(value, "The size")


_OPTIONS = [
    click.option(
        "--drag",
        multiple=True,
        metavar='"X,Y X,Y ..."',
        help="A point of the photo and where it goes, in pixels of the photo as it is shown "
        "(EXIF rotation applied); one point alone is held still. After it: easing=gentle (or "
        "linear, ease-in, ease-out, ease-in-out), times=0,0.5,1 of the points, from 0 to 1, "
        "region=NAME that it moves. Repeatable.",
    ),
    click.option(
        "--region",
        multiple=True,
        metavar="MASK",
        help="A grey picture of the photo's size, bright where the photo may move. After it: "
        "name=NAME, grow=PIXELS (shrink where negative), appears=TIME and vanishes=TIME, from 0 to "
        "1, scaling=yes if its drags may scale it, attached=yes or attached=no if preview shall "
        "stretch it at its outline or cut it out. Repeatable; later ones lie on top.",
    ),
    click.option(
        "--move",
        multiple=True,
        metavar='"REGION KEY=VALUE ..."',
        help="Move, turn and scale a region as a whole: dx=, dy= in pixels, turn= in degrees "
        "clockwise, scale= as a factor, by time= from 0 to 1 (the end, unless given), easing= on "
        "the way there, pivot=X,Y that it turns about (its middle, unless given). REGION is its "
        "name, its mask's name or its number; left out where there is one. Repeatable: one for "
        "each time.",
    ),
    click.option(
        "--playback",
        type=click.Choice(PLAYBACKS),
        help="How the motion's time runs: once, in a loop, or in ping-pong, there and back.",
    ),
    click.option("--cycles", type=int, metavar="N", help="Rounds of a loop or a ping-pong."),
    click.option(
        "--motion",
        metavar="FILE",
        help="A motion file, or a file or folder of any form that `kinema motion check` knows.",
    ),
    click.option(
        "--camera",
        metavar="MOVE|FILE",
        help="Moves such as orbit:15, pan:5+zoom:1.2, or a file of camera poses. Moves: pan, "
        "tilt, roll, orbit (degrees), truck, pedestal, dolly (parts of the scene's depth), "
        "zoom (factor); orbit:15:gentle eases.",
    ),
    click.option(
        "--format",
        "form",
        metavar="NAME",
        help="Form of the --motion or --camera file, where it is not recognised.",
    ),
    click.option("--frames", type=int, metavar="N", help="Frame count; wins over the file's."),
    click.option(
        "--fps",
        type=float,
        metavar="N",
        help="Frame rate; wins over the file's. `preview` makes more frames of the same seconds.",
    ),
    click.option(
        "--canvas",
        type=SizeType(),
        help="Size of the picture whose pixels the motion is given in, WIDTHxHEIGHT, where the "
        "file does not say. Default: the photo's.",
    ),
    click.option(
        "--size",
        type=SizeType(),
        help="Size of the result, WIDTHxHEIGHT; photo and motion are resized to cover it and "
        "cropped at the centre. Default: the motion file's canvas, or multiples of 64 near "
        "512x320 with about the photo's aspect (what is cut off is printed).",
    ),
]


def motion_options(command: _Command) -> _Command:
    """Add the options to a command; it receives them as keywords of :class:`Asked`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def find_motion(photo: Photo, asked: Asked, may_rest: bool = False) -> Motion:
    """The Motion of the options; without a motion file its canvas is ``--canvas``, or the photo.

    Drags and regions refer to that. Beside a motion file they are carried to its canvas, as
    the photo itself will be, and lie on top of what the file holds.

    Args:
        may_rest: whether nothing need be asked to move, where a clip says what moves.

    Raises:
        InputError: nothing is asked to move, or an option cannot be used.
    """
    drags = [parse_drag(text) for text in asked.drag]
    moves = [parse_move(text) for text in asked.move]
    wanted = {move.region for move in moves} | {drag.region for drag in drags}
    regions = named([parse_region(text) for text in asked.region], wanted)
    if asked.motion is None:
        canvas = asked.canvas or photo.size
        camera = None if asked.camera is None else find_camera(asked.camera, canvas, asked)
        stays = all(region.is_always_seen for region in regions)
        if not may_rest and not drags and not moves and camera is None and stays:
            raise InputError(
                "Nothing is asked to move. Give --drag 'x,y x,y', --move 'turn=15', --camera MOVE "
                "or --motion FILE"
                f"{'; a region alone moves nothing' if asked.region else ''}."
            )
        motion = Motion(canvas=canvas, regions=regions, camera=camera)
        added: Sequence[Drag] = drags
        box = fit_box(canvas, canvas)
    else:
        motion = read_motion_file(asked.motion, asked, photo.size)
        motion = _with_camera(motion, asked)
        upper = Motion(canvas=photo.size, regions=regions).fitted(motion.canvas).regions
        motion = attrs.evolve(motion, regions=(*motion.regions, *upper))
        box = fit_box(photo.size, motion.canvas)
        added = [drag.remapped(box, motion.canvas) for drag in drags]
    motion = attrs.evolve(motion, drags=(*motion.drags, *added), **_playback(motion, asked))
    return moved(motion, moves, box)


def _with_camera(motion: Motion, asked: Asked) -> Motion:
    if asked.camera is None:
        return motion
    if motion.camera is not None:
        raise InputError(
            f"The motion file {asked.motion!r} holds a camera path and --camera "
            f"{asked.camera!r} gives another; leave one out."
        )
    return attrs.evolve(motion, camera=find_camera(asked.camera, motion.canvas, asked))


def _playback(motion: Motion, asked: Asked) -> dict[str, Any]:
    if asked.playback is None and asked.cycles is None:
        return {}
    playback = asked.playback or motion.playback
    cycles = asked.cycles if asked.cycles is not None else motion.cycles
    return {
        "playback": playback,
        "cycles": 1 if playback == "once" and not asked.cycles else cycles,
    }


def read_motion_file(path: str, asked: Asked, photo: Size | None) -> Motion:
    """Read a motion of any known form; says where its canvas comes from, if it does not say it.

    The canvas is what the file says, else ``--canvas``, else the photo's size.

    Args:
        photo: (width, height), None without a photo.

    Raises:
        InputError: ``--canvas`` contradicts the file.
        MotionError: the file cannot be read, or nothing says its canvas.
    """
    from kinema.formats import CanvasNeededError, read_motion

    read = partial(read_motion, path, format=asked.form, frames=asked.frames, fps=asked.fps)
    try:
        motion = read()
    except CanvasNeededError:
        if asked.canvas is None and photo is None:
            raise
    else:
        if asked.canvas not in (None, motion.canvas):
            raise InputError(
                f"The file {path!r} says that its canvas is {_words(motion.canvas)}, and --canvas "
                f"{_words(asked.canvas)} contradicts it; leave that out."
            )
        return motion
    if asked.canvas is not None:
        return read(canvas=asked.canvas)
    assert photo is not None
    note(
        f"{Path(path).name} does not say the size of its picture, so the photo's is taken: "
        f"{_words(photo)}. If it was made for another, give --canvas WxH."
    )
    try:
        motion = read(canvas=photo)
    except MotionError as error:
        raise MotionError(
            f"On the photo's {_words(photo)}, which is taken since the file does not say its "
            f"canvas: {error} If it was made for another picture, give --canvas WxH."
        ) from None
    doubt = _another_canvas(motion)
    if doubt:
        note(doubt)
    return motion


def _words(size: Size | None) -> str:
    return "" if size is None else f"{size[0]}x{size[1]}"


def _another_canvas(motion: Motion) -> str:
    """A warning, if most points do not look like pixels of the photo; empty otherwise."""
    import numpy as np

    points = [point for drag in motion.drags for point in drag.points]
    if motion.tracks is not None:
        places, visible = motion.tracks.arrays()
        points += [(x, y) for x, y in places[visible].tolist()]
    if not points:
        return ""
    width, height = motion.canvas
    xy = np.array(points)
    inside = ((xy >= -0.5) & (xy < np.array([width, height]) - 0.5)).all(axis=1).mean()
    if inside < MOST_INSIDE:
        told = f"{1 - inside:.0%} of its points lie outside"
    elif (far := np.quantile(xy, MOST_INSIDE, axis=0)).max() > 1 and (
        far < np.array([width, height]) * CORNER
    ).all():
        told = f"most of its points lie within {far[0]:.0f}x{far[1]:.0f} at the top left"
    else:
        return ""
    return f"warning at canvas: {told}; was it made for a picture of another size? --canvas WxH"


def find_camera(text: str, canvas: Size, asked: Asked) -> CameraPath:
    """The camera path of moves, or of a file of poses.

    Raises:
        InputError: it is neither.
    """
    name = text.partition(":")[0].partition("+")[0]
    if not Path(text).exists() and not Path(name).suffix:
        return CameraPath.parse(text)
    motion = read_motion_file(text, asked, canvas)
    if motion.camera is None:
        raise InputError(f"The file {text!r} of --camera holds no camera path.")
    return attrs.evolve(motion, drags=(), regions=(), tracks=None).fitted(canvas).camera or (
        motion.camera
    )


def warn(motion: Motion, from_file: bool) -> None:
    """Say what is doubtful about a motion before time goes into its video.

    Raises:
        MotionError: it cannot be used.
    """
    from kinema.check import check_motion

    for finding in check_motion(motion):
        if finding.severity == "error":
            raise MotionError(finding.message)
        # Only a file can have been drawn on another canvas; options refer to this photo.
        if from_file or finding.where != "motion":
            note(str(finding))


def cut_off(photo: Size, canvas: Size, size: Size) -> str:
    """Say in words what fitting the photo cuts off; empty if it is less than half a percent."""
    kept_x = kept_y = 1.0
    for source, target in ((photo, canvas), (canvas, size)):
        left, top, right, bottom = fit_box(source, target)
        kept_x *= (right - left) / source[0]
        kept_y *= (bottom - top) / source[1]
    parts = [
        f"{1 - kept:.0%} of the {name}"
        for name, kept in (("width", kept_x), ("height", kept_y))
        if kept < 0.995
    ]
    return f"{' and '.join(parts)} of the photo is cut off" if parts else ""
