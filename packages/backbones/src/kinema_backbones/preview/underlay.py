"""What near things hide in the photo, for when the camera looks behind them."""

from __future__ import annotations

import math

import cv2
import numpy as np

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import TEAR, Sight, invert_torn
from kinema_backbones.preview.pyramid import Array, Mask

#: Pixels behind an edge that can come into view, at most.
DEEPEST = 64

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
        near = np.asarray(1.0 / np.maximum(depth, 1e-6), dtype=np.float32)
        edge, beyond, gap = _edges(places, near)
        reach = min(math.ceil(gap) + 2, DEEPEST)
        distance, labels = cv2.distanceTransformWithLabels(
            (~edge).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        behind = np.zeros(int(labels.max()) + 1, np.float32)
        behind[labels[edge]] = beyond[edge]
        is_near = near > NEARER * behind[labels]
        band = (distance <= reach) & is_near
        hole = (distance <= reach + SPARED) & is_near
        self.colour = fill(colour, hole, ~hole) if not hole.all() else colour
        self._source = nearest(~hole) if not hole.all() else np.arange(hole.size)
        kernel = np.ones((5, 5), np.uint8)
        self._shown: Mask = cv2.dilate(band.astype(np.uint8), kernel) > 0

    def sight(self, places: Array, depth: Array, box: Box) -> Sight:
        """What it shows in ``box`` when the sheet above is moved to ``places``."""
        height, width = depth.shape
        grid = Box(0, 0, width, height).grid()
        moved = (places - grid).reshape(-1, 2)[self._source].reshape(places.shape)
        far = depth.ravel()[self._source].reshape(depth.shape)
        return invert_torn(grid + moved, np.where(self._shown, far, 0.0), box)


def _edges(places: Array, near: Array) -> tuple[Mask, Array, float]:
    """The near pixels at tears, how near what is beyond each is, and how wide tears are."""
    edge = np.zeros(near.shape, bool)
    beyond = np.full(near.shape, np.inf, np.float32)
    gaps = [np.zeros(1, np.float32)]
    for axis in (0, 1):
        gap = np.sqrt(np.square(np.diff(places, axis=axis)).sum(-1))
        torn = gap > TEAR
        gaps.append(gap[torn])
        first: list[slice] = [slice(None), slice(None)]
        second = list(first)
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        for here, there in ((tuple(first), tuple(second)), (tuple(second), tuple(first))):
            nearer = torn & (near[here] > near[there])
            edge[here] |= nearer
            beyond[here] = np.where(nearer, np.minimum(beyond[here], near[there]), beyond[here])
    return edge, beyond, float(np.percentile(np.concatenate(gaps), 98))
