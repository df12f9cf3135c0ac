"""A region of the photo, cut out with a soft edge, that moves over what is below."""

from __future__ import annotations

import cv2
import numpy as np

from kinema_backbones.preview.box import Box, box_around, box_of
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import sighted
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp, within

#: Pixels that a cut-out's sheet reaches beyond its mask, for the kernel that samples it.
BORDER = 4

#: Pixels of motion from which an edge has its full softness; where it stays, it has no edge.
LOOSENED = 2.0


class Cutout:
    """One region.

    Args:
        photo: ``(H, W, 3)``.
        own: ``(H, W)``, the pixels of the region that the photo shows.
        hidden: ``(H, W)``, pixels that it probably has below higher regions; they are filled in.
        feather: pixels over which its edge fades inward.
    """

    def __init__(self, photo: Array, own: Mask, hidden: Mask, feather: float) -> None:
        whole = own | hidden
        picture = fill(photo, hidden, own) if hidden.any() else photo
        self.own = own
        self.box = box_of(whole, BORDER)
        self._inside: Mask = self.box.of(whole)
        self._colour = push_pull(self.box.of(picture), self._inside)
        # A region that ends with the canvas has no edge there.
        outward = np.pad(self._inside, 1, mode="edge").astype(np.uint8)
        self._depth = cv2.distanceTransform(outward, cv2.DIST_L2, 5)[1:-1, 1:-1]
        self._feather = feather
        self._extended = Extension(self.box.of(own))

    def draw(self, canvas: Array, maps: Array) -> None:
        """Draw it onto ``canvas`` (H, W, 3), moved by ``maps`` (4, H, W) of one frame."""
        field = self._extended(self.box.of_maps(maps[:3]))
        places = self.box.grid() + field[..., :2]
        height, width = canvas.shape[:2]
        box = box_around(places[self._inside], Box(0, 0, width, height))
        if box is None:
            return
        sight = sighted(places, field[..., 2], box)
        alpha = within(self._alpha(field[..., :2]), sight.source) * sight.covered
        colour = sharp(self._colour, sight.source)
        below = box.of(canvas)
        below += alpha[..., None] * (colour - below)

    def keep(self, canvas: Array, photo: Array) -> None:
        """Draw it onto ``canvas`` where the photo has it, exactly."""
        canvas[self.own] = photo[self.own]

    def _alpha(self, moved: Array) -> Array:
        loose = np.clip(np.sqrt(np.square(moved).sum(-1)) / LOOSENED, 0.0, 1.0)
        width = np.maximum(self._feather * loose, 1e-3)
        alpha = np.clip((self._depth - 0.5) / width, 0.0, 1.0) * self._inside
        return np.asarray(alpha, dtype=np.float32)
