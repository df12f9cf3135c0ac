"""What near things hide in the photo, for when the camera looks behind them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import HIDES, UNMOVED, Sight, Tears, invert_points
from kinema_backbones.preview.pyramid import Array

#: Tears wider than so many pixels, and how many pixels behind them can come into view at most.
#: Narrow tears within a near thing must not hide the wide one at its edge.
NARROW_AND_WIDE = ((0.0, 12), (12.0, 64))

#: Pixels beyond those that the fill does not copy from, because they belong to the near thing.
SPARED = 6

#: How much nearer than what it hides a thing is at least.
NEARER = 1.05


class Underlay:
    """Continues far surfaces behind the edges of near ones.

    Args:
        colour: ``(h, w, 3)`` of the sheet above.
        places: ``(h, w, 2)`` of that sheet in a frame in which it is torn.
        depth: ``(h, w)`` of that sheet in the photo.
    """

    def __init__(self, colour: Array, places: Array, depth: Array) -> None:
        tears = Tears.of(places, depth)
        near = 1.0 / np.maximum(depth, 1e-6)
        band = np.zeros(depth.shape, bool)
        spared = np.zeros(depth.shape, bool)
        for least, most in NARROW_AND_WIDE:
            edge = tears.near & (tears.width > least)
            if not edge.any():
                continue
            reach = min(math.ceil(float(tears.width.max())) + 2, most)
            distance, labels = cv2.distanceTransformWithLabels(
                (~edge).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            behind = np.zeros(int(labels.max()) + 1, np.float32)
            behind[labels[edge]] = tears.beyond[edge]
            is_near = near > NEARER * behind[labels]
            band |= (distance <= reach) & is_near
            spared |= (distance <= reach + SPARED) & is_near
        mixed = tears.far | tears.loose
        hole = spared | mixed
        self.colour = fill(colour, hole, ~hole) if not hole.all() else colour
        source = nearest(~hole) if not hole.all() else np.arange(hole.size)
        around = cv2.dilate((band | mixed).astype(np.uint8), np.ones((3, 3), np.uint8))
        self._index = np.flatnonzero(around)
        self._source = source[self._index]
        self._width = depth.shape[1]

    def sight(self, places: Array, depth: Array, box: Box) -> Sight:
        """What it shows in ``box`` when the sheet above is moved to ``places``."""
        width = self._width
        moved = places.reshape(-1, 2)[self._source]
        columns = self._index % width - self._source % width
        rows = self._index // width - self._source // width
        moved = moved + np.stack([columns, rows], axis=-1).astype(np.float32)
        near = 1.0 / np.maximum(depth.ravel()[self._source], 1e-6)
        return invert_points(
            self._index,
            width,
            moved,
            near.astype(np.float32),
            (HIDES * near).astype(np.float32),
            np.tile(np.array(UNMOVED, np.float32), (len(moved), 1)),
            box,
        )
