"""Looking at what strangers send, before anything is done with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import attrs
from PIL import Image
from pydantic import ValidationError

from kinema.errors import InputError, MotionError
from kinema.files import parse_json
from kinema.motion.motion import Motion
from kinema_apps.motion_options import MOST_PIXELS
from kinema_apps.service.settings import Limits
from kinema_apps.service.wire import JobRequest

#: The parts of a request that are photos, and how many there may be of each.
PHOTOS = {"photo": 1, "last_image": 1, "plate": 1, "references": 1000}

#: The decoders that a photo may reach, and suffixes by what they find; MPO are JPEGs of phones.
PICTURES = ("JPEG", "PNG", "WEBP")
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}

Image.init()  # else WEBP is not known by its name


@attrs.frozen(kw_only=True)
class Upload:
    """A photo that was looked at.

    Attributes:
        suffix: for its file.
        sha256: hex digest of its bytes.
    """

    file: BinaryIO
    suffix: str
    sha256: str


def read_request(text: bytes, limits: Limits) -> tuple[JobRequest, Motion]:
    """The request and its motion.

    Raises:
        InputError: it is no JSON, larger or deeper than allowed, or says what cannot be made.
    """
    data = parse_json(text, "The part 'job'", InputError)
    numbers = _measure(data, limits.json_depth)
    if numbers > 2 * limits.points:
        raise InputError(
            f"The job has {numbers} numbers, more than {limits.points} points would be. "
            "Draw with fewer points."
        )
    try:
        request = JobRequest.model_validate(data)
    except ValidationError as error:
        raise InputError(" ".join(_faults(error))) from None
    try:
        motion = _motion(request.motion, limits)
        _check_form(request, motion, limits)
    except ArithmeticError as error:
        raise MotionError(f"The motion holds numbers beyond reason: {error}.") from None
    return request, motion


def _measure(data: Any, deepest: int) -> int:
    """How many numbers there are.

    Raises:
        InputError: arrays and objects are nested too deeply, or a text is no Unicode.
    """
    numbers = 0
    level = [data]
    for _ in range(deepest + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value)
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            elif isinstance(value, (int, float)):
                numbers += 1
            elif isinstance(value, str) and not _is_unicode(value):
                raise InputError("The part 'job' holds half a surrogate pair, which is no text.")
        if not inner:
            return numbers
        level = inner
    raise InputError(f"The part 'job' is nested more than {deepest} deep.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False)[:5]:
        where = ".".join(str(step) for step in fault["loc"]) or "the job"
        yield f"At {where}: {fault['msg']}."


def _motion(document: Mapping[str, Any], limits: Limits) -> Motion:
    regions = document.get("regions") or ()
    if isinstance(regions, list):
        for region in regions:
            if isinstance(region, Mapping) and "mask" in region:
                raise MotionError(
                    "A region names a mask file. Files of the server are out of reach: embed the "
                    "mask as 'png', as Motion.embedded() does."
                )
    motion = Motion.from_dict(document)
    width, height = motion.canvas
    if width * height > limits.canvas_pixels:
        raise MotionError(
            f"The canvas of {width}x{height} has more than {limits.canvas_pixels} pixels."
        )
    count = len(motion.regions)
    if count > limits.regions or count * width * height > limits.region_pixels:
        raise MotionError(
            f"{count} regions on a canvas of {width}x{height} are more than is taken: "
            f"{limits.regions} of {limits.region_pixels} pixels together."
        )
    for number, region in enumerate(regions):
        if "png" in region:
            _check_mask(region["png"], motion.canvas, number)
    return motion


def _check_mask(text: str, canvas: tuple[int, int], number: int) -> None:
    what = f"The mask of regions[{number}]"
    try:
        content = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size = image.size
            if size == canvas:  # a larger one is not even read
                image.verify()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MotionError(f"{what} has too many pixels.") from None
    except (binascii.Error, ValueError, OSError, SyntaxError, EOFError) as error:
        raise MotionError(f"{what} is no readable PNG: {type(error).__name__}.") from None
    if size != canvas:
        raise MotionError(
            f"{what} is {size[0]}x{size[1]} but the canvas is {canvas[0]}x{canvas[1]}."
        )


def _check_form(request: JobRequest, motion: Motion, limits: Limits) -> None:
    frames = request.frames or motion.frames
    if request.frames is None and request.fps is not None:
        # Some backbones make more frames of the same seconds for a higher rate.
        most = min(request.fps * motion.duration, limits.frames + 1)
        frames = max(frames, round(most))
    if frames > limits.frames:
        raise InputError(f"{frames} frames are asked for; {limits.frames} are the most.")
    width, height = request.size or motion.canvas
    if request.size is None and width * height > MOST_PIXELS:
        return  # it is made in the backbone's native size
    if max(width, height) > limits.side:
        raise InputError(
            f"{width}x{height} pixels are asked for; {limits.side} are the most of a side."
        )
    if width * height * frames > limits.video_pixels:
        raise InputError(
            f"{frames} frames of {width}x{height} are {width * height * frames} pixels; "
            f"{limits.video_pixels} are the most. Ask for a smaller size or fewer frames."
        )


def check_photo(file: BinaryIO, what: str, limits: Limits) -> Upload:
    """Look at a photo: its size, its type, its pixels, and that it is whole.

    Raises:
        InputError: it cannot be used; the message says why.
    """
    size = file.seek(0, io.SEEK_END)
    if size > limits.photo_bytes:
        raise InputError(f"The {what} has {size} bytes; {limits.photo_bytes} are the most.")
    if not size:
        raise InputError(f"The {what} is empty.")
    file.seek(0)
    digest = _sha256(file)
    file.seek(0)
    try:
        with Image.open(file, formats=PICTURES) as image:
            width, height = image.size
            form = image.format or ""
            if width * height > limits.photo_pixels:
                raise InputError(
                    f"The {what} is {width}x{height}; {limits.photo_pixels} pixels are the most."
                )
            image.draft("RGB", (width // 8, height // 8))  # a JPEG is then decoded at an eighth
            image.load()
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"The {what} has more than {limits.photo_pixels} pixels; scale it down."
        ) from None
    except Exception as error:  # whatever a decoder of damaged data raises
        raise InputError(
            f"The {what} is no whole JPEG, PNG or WebP ({type(error).__name__})."
        ) from None
    finally:
        file.seek(0)
    return Upload(file=file, suffix=SUFFIXES[form], sha256=digest)


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while part := file.read(2**20):
        digest.update(part)
    return digest.hexdigest()


def digest_of(request: JobRequest, photos: Mapping[str, Any]) -> str:
    """Equal for equal requests."""
    told = {"request": request.model_dump(mode="json"), "photos": photos}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
