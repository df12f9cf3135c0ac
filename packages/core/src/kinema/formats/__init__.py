"""Foreign motion and camera files, in and out: one module per form, listed in :data:`FORMATS`.

>>> from kinema.formats import read_motion, write_motion
>>> motion = read_motion("clip_tracks.npy", canvas=(832, 480))     # doctest: +SKIP
>>> write_motion(motion, "clip.pth", "ati")                        # doctest: +SKIP

Coordinates are taken as they are written, in the pixels of the form's own picture, x right and y
down; each module says what its form means by them and how exact a round trip is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kinema.errors import InputError, MotionError
from kinema.formats import (
    ati,
    comfyui,
    draganything,
    mc_bench,
    motion_json,
    poses,
    realestate10k,
    recammaster,
    sg_i2v,
    tora,
    wan_move,
)
from kinema.formats.form import Asked, Document, Form, Peek
from kinema.formats.reading import read_json
from kinema.formats.writing import frame_count, losses, plain
from kinema.motion.canvas import as_size
from kinema.motion.motion import Motion
from kinema.motion.schema import schema
from kinema.motion.timing import check_choice

__all__ = [
    "FORMATS",
    "Form",
    "detect",
    "read_document",
    "read_motion",
    "schema",
    "write_motion",
]

#: Every known form by name.
FORMATS: dict[str, Form] = {
    form.name: form
    for form in (
        motion_json.FORM,
        mc_bench.FORM,
        realestate10k.FORM,
        poses.WORLD_TO_CAMERA,
        poses.CAMERA_TO_WORLD,
        wan_move.FORM,
        ati.FORM,
        comfyui.TRACKS,
        comfyui.COORDS,
        tora.FORM,
        draganything.FORM,
        sg_i2v.FORM,
        recammaster.FORM,
        poses.DAS,
    )
}


def detect(path: str | os.PathLike[str]) -> Form:
    """Which form a file or folder is in.

    Raises:
        MotionError: there is nothing at ``path``, no form fits, or several do (a ``.npy`` of poses
            does not say its direction).
    """
    source = Path(path)
    if not source.exists():
        raise MotionError(f"There is no file or folder {str(source)!r}.")
    peek = Peek(source)
    found = [form for form in FORMATS.values() if form.detect(peek)]
    if len(found) == 1:
        return found[0]
    if found:
        raise MotionError(
            f"The file {str(source)!r} could be {' or '.join(form.name for form in found)}; say "
            "which with format=NAME (on the command line --format NAME)."
        )
    if peek.suffix == ".json" and peek.json is None:
        read_json(source)
    known = "".join(f"\n  {form.name}: {form.files}" for form in FORMATS.values())
    raise MotionError(f"The file {str(source)!r} is in no known form. Known forms:{known}")


def _form(name: str) -> Form:
    check_choice("motion format", name, FORMATS)
    return FORMATS[name]


def read_document(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    canvas: Any = None,
    frames: int | None = None,
    fps: float | None = None,
) -> tuple[Document, Path | None]:
    """Read any known form to :meth:`kinema.Motion.to_dict` data that is not yet checked.

    Arguments are those of :func:`read_motion`. The second value is the folder that mask paths in
    the document are relative to, None for the working folder.

    Raises:
        MotionError: the file cannot be read in its form.
    """
    source = Path(path)
    name, _, part = (format or "").partition(":")
    form = _form(name) if name else detect(source)
    if not source.exists():
        raise MotionError(f"There is no file or folder {str(source)!r}.")
    if frames is not None and (isinstance(frames, bool) or int(frames) != frames or frames < 2):
        raise MotionError(f"A clip needs a whole number of at least 2 frames, got {frames!r}.")
    if fps is not None and not 0 < fps < float("inf"):
        raise MotionError(f"fps must be a positive number, got {fps!r}.")
    asked = Asked(
        canvas=None if canvas is None else as_size(canvas), frames=frames, fps=fps, part=part
    )
    base = source.resolve().parent if form is motion_json.FORM else None
    return form.read(source, asked), base


def read_motion(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    canvas: Any = None,
    frames: int | None = None,
    fps: float | None = None,
) -> Motion:
    """Read a motion or camera file in any known form.

    Args:
        path: a file, or a folder such as an MC-Bench item.
        format: a name of :data:`FORMATS`; None finds it out. ``"recammaster:cam02"`` picks a part.
        canvas: (width, height) of the picture the file was made for. Forms that say it themselves
            (a motion file, a picture beside the file) win; the others need it.
        frames: playback frame count; wins over the file's.
        fps: playback rate; wins over the file's.

    Raises:
        MotionError: the file is absent or broken, its form is unknown or ambiguous, it needs a
            canvas, or what it says contradicts itself.
    """
    document, base = read_document(path, format=format, canvas=canvas, frames=frames, fps=fps)
    return Motion.from_dict(document, base)


def write_motion(
    motion: Motion,
    path: str | os.PathLike[str],
    format: str,
    *,
    frames: int | None = None,
    lossy: bool = False,
) -> Path:
    """Write a Motion in a foreign form.

    Args:
        motion: what to write; forms that do not say their canvas are written in its pixels.
        path: the file, or folder, to write.
        format: a name of :data:`FORMATS`.
        frames: how many frames per-frame forms are sampled at; None takes the tracks' own count,
            else the Motion's.
        lossy: write even though parts of the Motion are lost.

    Raises:
        MotionError: the form cannot hold what the Motion says, and the message says what would be
            lost.
        InputError: the target cannot be written.
    """
    form = _form(format)
    if form.write is None:
        raise MotionError(f"The form {form.name!r} is only read, not written.")
    if frames is not None and frames < 2:
        raise MotionError(f"A clip needs at least 2 frames, got {frames!r}.")
    lost = losses(motion, form.holds)
    if form is sg_i2v.FORM:
        shapes = [region.label() for region in motion.regions if not sg_i2v.is_box(region)]
        lost += [f"the shape of the region {label} (its box stays)" for label in shapes]
    if lost and not lossy:
        raise MotionError(
            f"Written as {form.name}, this Motion would lose {'; '.join(lost)}. Choose another "
            "form, or accept the loss with lossy=True (on the command line --lossy)."
        )
    target = Path(path)
    try:
        count = form.samples or frame_count(motion, frames)
        form.write(plain(motion, count, form.holds), target, frames)
    except OSError as error:
        raise InputError(f"Cannot write {str(target)!r}: {error}.") from None
    return target
