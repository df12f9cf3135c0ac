"""One video that a session is asked for, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.media.photo import Photo, read_photo
from kinema.motion.motion import Motion
from kinema.session.form import positive, seed_of, whole


def _motion(motion: Any) -> Motion:
    if isinstance(motion, Motion):
        return motion
    how = ""
    if isinstance(motion, Mapping):
        how = " Read a document with kinema.Motion.from_dict."
    elif isinstance(motion, (str, Path)):
        how = " Read a motion file with kinema.Motion.load, or kinema.formats.read_motion."
    raise InputError(f"A motion must be a kinema.Motion, got {type(motion).__name__}.{how}")


def _text(name: str, none: bool = False) -> Any:
    def check(instance: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, str) and not (none and value is None):
            raise InputError(f"A {name} must be a text, got {value!r}.")

    return check


def _photos(photos: Any) -> tuple[Photo, ...]:
    if isinstance(photos, (str, Path)) or not isinstance(photos, Sequence):
        raise InputError(f"References are a list of photos, got {type(photos).__name__}.")
    return tuple(read_photo(photo) for photo in photos)


def _sampling(sample: Any) -> Mapping[str, Any]:
    if sample is not None and not isinstance(sample, Mapping):
        raise InputError(
            f"The sampling options of a job are a mapping, got {type(sample).__name__}."
        )
    return dict(sample or {})


def _photo_or_none(photo: Any) -> Photo | None:
    return None if photo is None else read_photo(photo)


def _check_plate(plate: Photo, photo: Photo) -> None:
    (width, height), (across, down) = plate.size, photo.size
    # A pixel of rounding is what a resize leaves.
    if abs(width * down - height * across) > max(width, height, across, down):
        raise InputError(
            f"The plate is {width}x{height} and the photo {across}x{down}; it must be the same "
            "picture without what moves, of the same shape."
        )


@attrs.frozen(eq=False, kw_only=True)
class Job:
    """A video to make.

    Attributes:
        photo: path, bytes, open file, PIL image, numpy array or tensor; resized to cover the
            motion's canvas and cropped at its centre.
        motion: what should move, and how.
        prompt: what is to be seen, for backbones that read text.
        negative_prompt: what is not to be seen; None leaves it to the backbone.
        last_image: a photo of the frame to end at, for backbones that read one.
        references: further photos, for backbones that read them.
        plate: a photo of what is behind all that moves, of the photo's own size or shape, for
            backbones that read one.
        size: (width, height) of the video; see :func:`kinema.session.form.choose_form`.
        frames: T.
        fps: frames per second.
        seed: of all randomness.
        sample: options of the sampling, laid over the session's; the solver stays the session's.

    Raises:
        InputError: a value has another type or is out of range, or a photo cannot be read.
    """

    photo: Photo = attrs.field(converter=read_photo)
    motion: Motion = attrs.field(converter=_motion)
    prompt: str = attrs.field(default="", validator=_text("prompt"))
    negative_prompt: str | None = attrs.field(
        default=None, validator=_text("negative prompt", none=True)
    )
    last_image: Photo | None = attrs.field(default=None, converter=_photo_or_none)
    references: tuple[Photo, ...] = attrs.field(default=(), converter=_photos)
    plate: Photo | None = attrs.field(default=None, converter=_photo_or_none)
    size: Any = None
    frames: int | None = None
    fps: float | None = None
    seed: int = attrs.field(default=0, converter=seed_of)
    sample: Mapping[str, Any] = attrs.field(default=None, converter=_sampling)

    def __attrs_post_init__(self) -> None:
        if self.plate is not None:
            _check_plate(self.plate, self.photo)
        if self.frames is not None:
            whole(self.frames, "frames", 2)
        if self.fps is not None:
            positive(self.fps, "fps")
