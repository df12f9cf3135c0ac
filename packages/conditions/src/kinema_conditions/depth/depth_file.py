"""The depth estimator ``depth-file``: a depth map that somebody else made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from kinema.errors import InputError
from kinema.formats.reading import open_array
from kinema.interfaces import DepthMap
from kinema.media.fit import Fit
from kinema.media.pictures import MAX_PIXELS, open_picture
from kinema.motion.canvas import Box, Size, fit_box
from kinema_conditions.configs import DepthFileConfig

_FORMS = ".npy, 16-bit .png, .tif"

#: Metres per unit of an integer file, where none is named: depth cameras write millimetres.
MILLIMETRE = 0.001


class DepthFile:
    """Reads the depth of the photo from a file.

    Raises:
        InputError: no path is given, or it is no file of a known form.
    """

    def __init__(self, config: DepthFileConfig) -> None:
        self.config = config
        if not config.path:
            raise InputError("depth-file needs the option 'path': which file holds the depth?")
        self.path = Path(config.path)
        if self.path.suffix.lower() not in (".npy", ".png", ".tif", ".tiff"):
            raise InputError(
                f"The depth file {str(self.path)!r} has no known form; write it as one of: "
                f"{_FORMS}. (EXR: save its z channel as .npy.)"
            )

    def estimate(self, image: Tensor, fit: Callable[[Any], Any] | None = None) -> DepthMap:
        """The file's depth at the size of ``image`` ``(3, H, W)``.

        A file of the photo's shape, whatever its resolution, is carried to the canvas exactly as
        the photo was (``fit``). One of another shape is fitted by the box that a photo of its size
        would be. Every pixel takes one of the file's, so that no depth is made up between near and
        far.

        Raises:
            InputError: the file is absent, unreadable, of another shape, or without valid depth.
        """
        values, scale = self._read()
        depth, missing = self._filled(values.astype(np.float64) * scale)
        size = (int(image.shape[-1]), int(image.shape[-2]))
        own = (depth.shape[1], depth.shape[0])
        box = fit_box(own, size)
        if isinstance(fit, Fit) and fit.canvas == size and _same_shape(own, fit.source):
            across, down = own[0] / fit.source[0], own[1] / fit.source[1]
            left, top, right, bottom = fit.box
            box = left * across, top * down, right * across, bottom * down
        fitted = torch.from_numpy(_fitted(depth, size, box)).float()
        notes = [f"depth-file {self.path.name}"]
        if missing:
            notes.append(
                f"{missing / depth.size:.1%} of its pixels had no depth and took the nearest one"
            )
        if depth.shape != size[::-1]:
            notes.append(f"fitted from {depth.shape[1]}x{depth.shape[0]}")
        return DepthMap(
            depth=fitted.to(image.device), metric=self.config.metric, source=", ".join(notes)
        )

    def _read(self) -> tuple[NDArray[np.generic], float]:
        """The file's numbers (H, W), and the depth per unit."""
        try:
            if self.path.suffix.lower() == ".npy":
                values: NDArray[np.generic] = open_array(self.path)
            else:
                with open_picture(self.path, f"The depth file {str(self.path)!r}") as picture:
                    values = self._numbers(picture)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The depth file {str(self.path)!r} cannot be read: {error}."
            ) from None
        if values.size > MAX_PIXELS:
            raise InputError(
                f"The depth file {str(self.path)!r} holds {values.size} numbers, more than the "
                f"{MAX_PIXELS} pixels of any photo."
            )
        if values.ndim != 2 or values.dtype.kind not in "uif" or values.size == 0:
            raise InputError(
                f"The depth file {str(self.path)!r} must hold one number per pixel, (H, W); it "
                f"holds {values.dtype} of the shape {values.shape!r}."
            )
        default = 1.0 if values.dtype.kind == "f" else MILLIMETRE
        return values, default if self.config.scale is None else self.config.scale

    def _numbers(self, picture: Image.Image) -> NDArray[np.generic]:
        if picture.mode not in ("I", "I;16", "I;16B", "I;16L", "F"):
            raise InputError(
                f"The depth file {str(self.path)!r} is a picture of the mode {picture.mode!r}; its "
                "8 bits are too coarse for a depth. Save the depth as 16-bit grey or as .npy."
            )
        return np.asarray(picture)

    def _filled(self, depth: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        """The depth with every gap filled, and how many pixels were gaps."""
        valid = np.isfinite(depth) & (depth > 0)
        missing = int(depth.size - valid.sum())
        if missing == depth.size:
            raise InputError(
                f"The depth file {str(self.path)!r} holds no positive, finite depth at all."
            )
        if missing and not self.config.fill:
            raise InputError(
                f"{missing} of the {depth.size} pixels of the depth file {str(self.path)!r} are "
                "not positive and finite. Fill them, or set the option 'fill'."
            )
        if missing:
            rows, columns = distance_transform_edt(
                ~valid, return_distances=False, return_indices=True
            )
            depth = depth[rows, columns]
        return depth, missing


def _same_shape(size: Size, photo: Size) -> bool:
    """Whether a picture of ``size`` is one of the photo at another resolution, but for rounding."""
    scale = size[0] / photo[0]
    return abs(size[1] - photo[1] * scale) <= max(1.0, scale)


def _fitted(depth: NDArray[np.float64], size: Size, box: Box) -> NDArray[np.float64]:
    """The part ``box`` of depth (H, W) at ``size``, each pixel from the one at its centre."""
    source = (depth.shape[1], depth.shape[0])
    left, top, right, bottom = box
    columns = left + (np.arange(size[0]) + 0.5) * (right - left) / size[0]
    rows = top + (np.arange(size[1]) + 0.5) * (bottom - top) / size[1]
    row = rows.astype(int).clip(0, source[1] - 1)
    column = columns.astype(int).clip(0, source[0] - 1)
    fitted: NDArray[np.float64] = depth[np.ix_(row, column)]
    return fitted
