"""The clip source ``motionpro-folder``: clips whose motion was tracked before, as MotionPro's are.

Each sub-folder holds ``video.mp4``; the flow from frame 0 to each later frame, as one ``.npy`` of
``(T - 1, H, W, 2)`` or as T - 1 files of ``(H, W, 2)`` in the order of their names; and the
visibility as ``.jpg``, one per later frame or one for all. Flow and visibility are those of the
video as it is shown: turned upright, unmirrored, with square pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kinema.errors import InputError
from kinema.files import check_ordinary
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema.media.pictures import open_picture
from kinema.motion.canvas import Size, fit_box
from kinema.signals import Observation
from kinema_apps.sources.captions import printable
from kinema_apps.sources.configs import MotionProFolderConfig
from kinema_apps.sources.decoding import (
    check_there,
    existing_folder,
    first_frames,
    fitted,
    sha256_of_path,
)

#: A pixel of a mask is visible above this grey level, as the published code has it.
VISIBLE_ABOVE = 125


class MotionProFolderSource:
    """Every sub-folder with a ``video.mp4``.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, config: MotionProFolderConfig) -> None:
        self.config = config
        self.folder = existing_folder("motionpro-folder", config.folder)

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """One per sub-folder.

        Raises:
            InputError: no sub-folder holds a ``video.mp4``.
        """
        names = sorted(path.parent.name for path in self.folder.glob("*/video.mp4"))
        if not names:
            raise InputError(
                f"No sub-folder of {str(self.folder)!r} holds a video.mp4, as MotionPro's clips do."
            )
        return [ClipItem(key=printable(name), place=(name,)) for name in names]

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """The clip and its motion, both cut to the size.

        Raises:
            InputError: a file is absent, damaged or of another shape, or the clip is too short.
        """
        folder = self.folder / str(item.place[0])
        video = folder / "video.mp4"
        check_there(video)
        frames = first_frames(str(video), form.frames)
        flow = _flow(folder, form.frames, (frames.shape[2], frames.shape[1]))
        seen = _visible(folder, form.frames, (frames.shape[2], frames.shape[1]))
        return RawClip(
            frames=torch.from_numpy(np.stack([fitted(f, form.size) for f in frames.numpy()])),
            licence=self.config.licence,
            source=item.key,
            source_sha256=sha256_of_path(str(video)),
            observation=_fit(flow, seen, form.size),
        )


def _flow(folder: Path, frames: int, size: Size) -> Tensor:
    """Displacement ``(T, H, W, 2)``; frame 0 is zero."""
    parts = [_array(path) for path in _of_suffix(folder, ".npy")]
    joined = [part if part.ndim == 4 else part[None] for part in parts]
    shapes = {part.shape[1:] for part in joined}
    count = sum(len(part) for part in joined)
    expected = (size[1], size[0], 2)
    if shapes != {expected} or count < frames - 1:
        sideways = (
            " It has the shape of the video before it is turned upright: track the upright video."
            if shapes == {(size[0], size[1], 2)}
            else ""
        )
        raise InputError(
            f"The flow of {str(folder)!r} must be {frames - 1} times {expected!r}; found {count} "
            f"of {sorted(shapes)!r}.{sideways}"
        )
    rows: list[NDArray[Any]] = []
    for part in joined:  # no more of a long clip comes into memory than is needed
        rows.extend(part[: frames - 1 - len(rows)])
    flow = torch.from_numpy(np.stack(rows).astype(np.float32))
    if not bool(torch.isfinite(flow).all()):
        raise InputError(f"The flow of {str(folder)!r} holds a number that is not finite.")
    return torch.cat([torch.zeros_like(flow[:1]), flow])


def _of_suffix(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder by their suffix, in order.

    Raises:
        FileNotFoundError: the folder is gone, which is no reason to call its clip broken.
    """
    return sorted(path for path in folder.iterdir() if path.suffix == suffix)


def _array(path: Path) -> NDArray[Any]:
    """The numbers of a ``.npy`` file, which stay on the disk until they are looked at."""
    try:
        check_ordinary(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # a broken header raises nearly anything
        reason = str(error).partition("\n")[0]
        raise InputError(f"The flow {str(path)!r} is no readable .npy file: {reason}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"The flow {str(path)!r} is an .npz archive; save it with numpy.save.")
    if array.dtype.kind not in "iuf":
        raise InputError(f"The flow {str(path)!r} holds {array.dtype} instead of numbers.")
    return array


def _mask(path: Path, size: Size) -> NDArray[np.bool_]:
    with open_picture(path, f"The mask {str(path)!r}") as image:
        if image.size != size:
            raise InputError(
                f"The mask {str(path)!r} is {image.size[0]}x{image.size[1]}, the upright video "
                f"{size[0]}x{size[1]}."
            )
        return np.asarray(image.convert("L")) > VISIBLE_ABOVE


def _visible(folder: Path, frames: int, size: Size) -> Tensor:
    """Visibility ``(T, H, W)``; frame 0 is visible."""
    paths = _of_suffix(folder, ".jpg")
    if len(paths) != 1 and len(paths) < frames - 1:
        raise InputError(
            f"The masks of {str(folder)!r} must be one or {frames - 1}; found {len(paths)}."
        )
    masks = [_mask(path, size) for path in paths[: frames - 1]]
    later = torch.from_numpy(np.stack(masks)).expand(frames - 1, -1, -1)
    return torch.cat([torch.ones_like(later[:1]), later])


def _fit(flow: Tensor, seen: Tensor, size: Size) -> Observation:
    """The motion on the canvas that :func:`fitted` cuts the frames to.

    A pixel that ends outside the canvas is not seen there.
    """
    height, width = flow.shape[1:3]
    left, top, right, bottom = fit_box((width, height), size)
    scale = torch.tensor([size[0] / (right - left), size[1] / (bottom - top)])
    x = left + (torch.arange(size[0]) + 0.5) / scale[0]
    y = top + (torch.arange(size[1]) + 0.5) / scale[1]
    places = torch.stack(torch.meshgrid(x / width * 2 - 1, y / height * 2 - 1, indexing="xy"), -1)
    grid = places[None].expand(len(flow), -1, -1, -1)
    moved = F.grid_sample(
        flow.movedim(-1, 1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    nearest = F.grid_sample(
        seen[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    displacement = moved.movedim(1, -1) * scale
    pixels = torch.stack(
        torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="xy"), -1
    )
    goal = pixels + displacement
    far = torch.tensor([size[0] - 1, size[1] - 1])
    inside = ((goal >= -0.5) & (goal <= far + 0.5)).all(-1)
    inside[0] = True
    displacement[0] = 0
    return Observation(displacement=displacement, visible=(nearest[:, 0] > 0.5) & inside)
