"""Reading a photo, whatever its form, to plain 8-bit RGB."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from kinema.errors import InputError
from kinema.media.fit import Fit
from kinema.media.pictures import check_area, content, open_picture
from kinema.motion.canvas import Size

if TYPE_CHECKING:
    from torch import Tensor

#: Rows of a picture with transparent parts that are laid on white at once.
STRIP = 256

#: How far float pixels may leave [0, 1]: rounding, not another value range.
RANGE_TOLERANCE = 1e-4

_GREY_16 = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")


@attrs.frozen(eq=False, kw_only=True)
class Photo:
    """A photo as the rest of the project uses it.

    Attributes:
        pixels: uint8 ``(H, W, 3)`` RGB, upright.
        path: where it was read from; empty for a photo from memory.
        sha256: hex digest of the file's bytes, or of ``pixels`` for a photo from memory.
        notes: what reading had to decide, such as the white behind transparent parts.
    """

    pixels: NDArray[np.uint8] = attrs.field(repr=lambda pixels: f"<{pixels.shape}>")
    path: str = ""
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def fitted(self, size: Any, canvas: Any = None) -> Photo:
        """The largest centred part with the aspect of ``size``, resized (Lanczos) to ``size``.

        The box is that of ``Motion.fitted``, so the two stay aligned. ``canvas`` is the one that a
        motion for this photo was drawn on: the photo is fitted to that first, then to ``size``.

        Raises:
            MotionError: ``size`` or ``canvas`` is not (width, height).
        """
        return self.on(Fit.of(self.size, size, canvas))

    def on(self, fit: Fit) -> Photo:
        """The photo on the canvas of ``fit``, resized by Lanczos."""
        if fit.changes_nothing:
            return self
        image = fit.image(Image.fromarray(self.pixels), Image.Resampling.LANCZOS)
        return attrs.evolve(self, pixels=np.array(image))

    def tensor(self) -> Tensor:
        """float32 ``(3, H, W)`` in [0, 1]."""
        import torch

        return (
            torch.from_numpy(self.pixels.copy()).permute(2, 0, 1).contiguous().float().div_(255.0)
        )


def read_photo(photo: Any) -> Photo:
    """Read a photo from a path, bytes, open file, PIL image, numpy array or torch tensor.

    Arrays are ``(H, W)`` or ``(H, W, C)``, tensors ``(H, W)`` or ``(C, H, W)``, with C = 1, 3 or 4;
    uint8, uint16, or floats in [0, 1]. EXIF rotation is applied, 16 bits are scaled to 8, an
    embedded colour profile is converted to sRGB, and transparent parts lie on white. Of an
    animation the first frame is taken.

    Raises:
        InputError: the file is absent, damaged, no image or larger than :data:`MAX_PIXELS`, or the
            array has another shape, type or value range.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, (str, Path)):
        return _from_file(Path(photo))
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(photo), "The photo (from memory)")
    if isinstance(photo, Image.Image):
        pixels, notes = _decoded(photo, "The PIL image")
        return Photo(pixels=pixels, sha256=_digest(pixels), notes=notes)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(photo, torch.Tensor):
        array, channels = _tensor_array(photo), 0
    elif isinstance(photo, np.ndarray):
        array, channels = photo, -1
    elif callable(getattr(photo, "read", None)):
        return _from_open_file(photo)
    else:
        raise InputError(
            f"A photo must be a path, bytes, an open file, a PIL image, a numpy array or a torch "
            f"tensor, got {type(photo).__name__}."
        )
    pixels, notes = _from_array(array, channels)
    return Photo(pixels=pixels, sha256=_digest(pixels), notes=notes)


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _from_file(path: Path) -> Photo:
    what = f"The photo {str(path)!r}"
    return attrs.evolve(_from_bytes(content(path, what), what), path=str(path))


def _from_open_file(file: Any) -> Photo:
    name = getattr(file, "name", "")
    what = f"The open file {name!r}" if isinstance(name, str) and name else "The open file"
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{what} cannot be read: {error}.") from None
    if not isinstance(content, bytes):
        raise InputError(f"{what} gives {type(content).__name__}; open photos in binary mode.")
    return _from_bytes(content, what)


def _from_bytes(content: bytes, what: str) -> Photo:
    if not content:
        raise InputError(f"{what} is an empty file.")
    with open_picture(content, what) as image:
        pixels, notes = _decoded(image, what)
    return Photo(pixels=pixels, sha256=hashlib.sha256(content).hexdigest(), notes=notes)


def _decoded(image: Image.Image, what: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """8-bit RGB of any PIL image, and what had to be decided."""
    check_area(*image.size, what)
    notes = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("the photo is an animation; its first frame was taken")
    try:
        image.load()
        # A picture from memory is the caller's own; of a file no second copy is made.
        image = ImageOps.exif_transpose(image) if image.format is None else _upright(image)
    except Exception as error:  # whatever a decoder of damaged data raises
        raise InputError(f"{what} is damaged: {error}.") from None
    if image.mode in _GREY_16 or image.mode == "F":
        pixels, more = _from_deep_grey(np.asarray(image), what)
        return pixels, (*notes, *more)
    if image.mode in _ALPHA or "transparency" in image.info:
        image, flattened = _on_white(image)
        notes += ["transparent parts lie on white"] if flattened else []
    rgb, converted = _to_srgb(image, what)
    notes += ["the colour profile was converted to sRGB"] if converted else []
    return np.array(rgb, dtype=np.uint8), tuple(notes)


def _upright(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _from_deep_grey(array: NDArray[Any], what: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    if array.dtype.kind == "f":
        return _from_array(array, -1, what)
    if array.min() < 0 or array.max() > 65535:
        raise InputError(
            f"{what} holds grey values from {array.min()} to {array.max()}; 16 bits are the most "
            "that can be read."
        )
    return _from_array(array.astype(np.uint16), -1, what)


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    profile = image.info.get("icc_profile")
    straight = image.convert("RGBA") if image.mode != "La" else image.convert("LA").convert("RGBA")
    flat = Image.new("RGB", straight.size, "white")
    for top in range(0, straight.height, STRIP):  # in strips: whole, it takes four more copies
        box = 0, top, straight.width, min(top + STRIP, straight.height)
        strip = straight.crop(box)
        white = Image.new("RGBA", strip.size, "white")
        flat.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    # Composited pixels are RGB whatever they were; only an RGB profile still describes them.
    if profile and image.mode in ("RGBA", "RGBa", "P", "PA", "RGB"):
        flat.info["icc_profile"] = profile
    low, _ = straight.getchannel("A").getextrema()
    return flat, low != 255


def _to_srgb(image: Image.Image, what: str) -> tuple[Image.Image, bool]:
    content = image.info.get("icc_profile")
    if not content or image.mode not in ("RGB", "CMYK", "L"):
        return image if image.mode == "RGB" else image.convert("RGB"), False
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image.convert("RGB"), False
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise InputError(
            f"{what} has a colour profile that cannot be used: {error}. Save it without one."
        ) from None
    return converted if converted is not None else image, True


def _tensor_array(tensor: Any) -> NDArray[Any]:
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    array: NDArray[Any] = tensor.numpy()
    return array


def _from_array(
    array: NDArray[Any], channels: int, what: str = ""
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """8-bit RGB of a grey or colour array whose channel axis is ``channels``."""
    kind, order = ("tensor", "(C, H, W)") if channels == 0 else ("array", "(H, W, C)")
    what = what or f"The photo {kind}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[channels] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 3 and array.shape[-1 - channels] in (1, 3, 4):
            hint = f" Its channels seem to come {'last' if channels == 0 else 'first'}."
        raise InputError(
            f"{what} must be (H, W) or {order} with 1, 3 or 4 channels, got the shape "
            f"{array.shape!r}.{hint}"
        )
    if array.ndim == 2:
        array = array[..., None]
    elif channels == 0:
        array = array.transpose(1, 2, 0)
    check_area(array.shape[1], array.shape[0], what)
    bytes_ = _to_bytes(array, what)
    if bytes_.shape[2] == 4:
        flat, flattened = _on_white(Image.fromarray(bytes_))
        notes = ("transparent parts lie on white",) if flattened else ()
        return np.array(flat), notes
    return np.ascontiguousarray(np.broadcast_to(bytes_, (*bytes_.shape[:2], 3))), ()


def _to_bytes(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.uint16:
        return np.round(array / 257.0).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InputError(f"{what} must be uint8, uint16, or float in [0, 1]; got {array.dtype}.")
    low, high = float(array.min()), float(array.max())
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise InputError(
            f"{what} is {array.dtype} with values from {low:g} to {high:g}; "
            "floats must be in [0, 1]."
        )
    rounded: NDArray[np.uint8] = np.round(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)
    return rounded
