"""How a picture comes to lie on a canvas: one transform for photo, masks and depth."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from PIL import Image

from kinema.errors import InputError
from kinema.motion.canvas import Box, Size, as_size, fit_box, inner_box, whole_box


@attrs.frozen
class Fit:
    """The largest centred part of a picture that has a canvas's aspect, resized to it.

    Attributes:
        source: (width, height) of the picture.
        canvas: (width, height) it is carried to.
        box: the part of the picture, in pixel edges.
        drawn_on: (width, height) of the canvas that the picture is fitted to first; the same as
            ``canvas`` unless a motion was drawn on another one.
    """

    source: Size
    canvas: Size
    box: Box
    drawn_on: Size

    @classmethod
    def of(cls, source: Size, canvas: Any, drawn_on: Any = None) -> Fit:
        """From a picture to a canvas.

        The box is that of ``Motion.fitted``, so the two stay aligned. ``drawn_on`` is the canvas
        that a motion for the picture was drawn on: it is fitted to that first, then to ``canvas``.

        Raises:
            MotionError: ``canvas`` or ``drawn_on`` is not (width, height).
        """
        target = as_size(canvas, "The size of a photo")
        first = target if drawn_on is None else as_size(drawn_on)
        left, top, right, bottom = inner_box(fit_box(source, first), first, fit_box(first, target))
        # Rounding may carry an edge out of the picture, which Pillow refuses.
        box = max(0.0, left), max(0.0, top), min(source[0], right), min(source[1], bottom)
        return cls(source, target, box, first)

    def other(self, source: Size) -> Fit:
        """How a picture of another size and shape goes the same way."""
        return Fit.of(source, self.canvas, self.drawn_on)

    @property
    def changes_nothing(self) -> bool:
        """Whether the picture is on the canvas already."""
        return self.box == whole_box(self.canvas) and self.source == self.canvas

    def image(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        """A PIL image of the picture's size, on the canvas."""
        if self.changes_nothing:
            return image
        return image.resize(self.canvas, resample, box=self.box)

    def __call__(self, array: Any, smooth: bool = True) -> Any:
        """An array ``(H, W)`` or ``(H, W, C)`` of the picture's size, on the canvas.

        Args:
            smooth: interpolate; False takes the nearest pixel, for labels and depth edges.

        Returns:
            an array of the same type, or a tensor if a tensor was given; values of bool and whole
            numbers are rounded.

        Raises:
            InputError: the array has another size than the picture.
        """
        given = np.asarray(array)
        if given.ndim not in (2, 3) or given.shape[1::-1] != self.source:
            raise InputError(
                f"An array of the shape {given.shape!r} is not a picture of "
                f"{self.source[0]}x{self.source[1]} pixels, (H, W) or (H, W, C)."
            )
        resample = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        planes = np.atleast_3d(given).astype(np.float32)
        moved = [
            np.asarray(self.image(Image.fromarray(plane), resample))
            for plane in np.moveaxis(planes, -1, 0)
        ]
        fitted = np.stack(moved, axis=-1).reshape(*moved[0].shape, *given.shape[2:])
        if given.dtype.kind in "bui":
            fitted = fitted.round()
        result = fitted.astype(given.dtype)
        return result if array is given or isinstance(array, np.ndarray) else _like(array, result)


def _like(array: Any, result: Any) -> Any:
    make = getattr(array, "new_tensor", None)
    return result if make is None else make(result)
