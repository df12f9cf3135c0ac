"""A sheet whose depth tears it: soft edges of near things over what they hide in the photo."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.matte import LENS, VARIANCE, WINDOW, guided_filter, own_colour
from kinema_backbones.preview.points import Points, Tears
from kinema_backbones.preview.pyramid import Array, Mask, grown, push_pull
from kinema_backbones.preview.sampling import linear, sharp

Index = NDArray[np.int64]

#: Pixels on either side of a tear in which near and far are mixed, or confused by the depth.
BAND = 3

#: Pixels over which a depth map blurs from near to far, and the ratio of depths that is none.
BLURRED, ALIKE = 3, 1.02

#: Pixels that a near edge reaches into the thing itself, where it lies over it without a seam.
SEAM = 2

#: Tears wider than so many pixels, and how many pixels behind them can come into view at most.
#: Narrow tears within a near thing must not hide the wide one at its edge.
NARROW_AND_WIDE = ((0.0, 12), (12.0, 64))

#: Pixels beyond those that the fill does not copy from, because they belong to the near thing.
SPARED = 24

#: Pixels across of what remains in a hole and is no source for it.
ISLAND = 9

#: How much nearer than what it hides a thing is at least.
NEARER = 1.05

#: Opacity below which a pixel of an edge shows nothing, and above which it is the thing itself.
CLEAR, SOLID = 0.02, 0.98


class DepthLayers:
    """Three layers: what near things hide, all that is solid, and the soft edges of near things.

    A depth map knows only whole pixels, so where it tears, a guided filter reads from the photo how
    much of a pixel is near (:mod:`~kinema_backbones.preview.matte`). Solid pixels and what is
    hidden are drawn as they are; the edges lie over both, in the near thing's own colours.

    Args:
        colour: ``(h, w, 3)`` of the sheet.
        moved: ``(h, w, 2)``, its displacement in a frame in which it is torn.
        depth: ``(h, w)`` in the photo.
        origin: (x, y) on the canvas of its first pixel.
    """

    def __init__(
        self, colour: Array, moved: Array, depth: Array, origin: tuple[float, float]
    ) -> None:
        self._origin = origin
        tears = Tears.of(moved, depth)
        band = grown(tears.any, BAND)
        measured = _near_side(tears, depth, band)
        opacity, is_near = _opacity(colour, measured, band)
        fringe = band & (opacity > CLEAR) & (opacity < SOLID)
        behind, spared = _hidden(tears, depth)
        hole = _without_islands(spared | behind | (band & is_near))
        if hole.all():
            hole = behind | fringe
        # What is beyond an edge goes on beneath it.
        far = band & ~is_near
        # Between near and far, and in front of one tear but behind another, a depth is nothing's.
        least, most = _extremes(depth)
        clean = ~band | (far & ~measured & ~tears.near & ~tears.loose & ~grown(fringe, 1) & least)
        core = is_near & measured & ~tears.far & ~tears.loose & most
        self._near = _owners(band & ~core, core)
        beyond = _owners(band, clean)
        self._far = np.where(far.ravel(), beyond, self._near)
        self._solid = np.flatnonzero(~(fringe & is_near))
        self._hidden = np.flatnonzero(grown(behind | (fringe & is_near), 1))
        self._edges = np.flatnonzero(grown(fringe, SEAM) & (fringe | is_near))
        self._known = ~hole
        self._colour = colour.copy()
        self._colour[far] = colour.reshape(-1, 3)[self._far[far.ravel()]]
        self._far_colour = colour.reshape(-1, 3)[beyond].reshape(colour.shape)
        self._below = fill(self._colour, hole, ~hole)
        self._opacity = opacity
        self._edge_colour = own_colour(colour, opacity, self._far_colour)

    def seen(self, moved: Array, depth: Array, box: Box) -> tuple[Array, Mask]:
        """The picture (height, width, 3) of ``box``, and where it is known.

        Args:
            moved: ``(h, w, 2)``, by how much the sheet is displaced in this frame.
            depth: ``(h, w)`` in this frame.
            box: the pixels of the canvas.
        """
        solid = self._points(self._solid, self._far, moved, depth)
        above, _ = solid.sight(box)
        below, _ = self._beneath(moved, depth).sight(box)
        picture = sharp(self._below, below.source)
        front = solid.front(box)
        far = _beside_nearer(above.source, front, solid.nearness)
        picture[above.covered] = sharp(self._colour, above.source)[above.covered]
        far &= above.covered
        picture[far] = sharp(self._far_colour, above.source)[far]
        known = above.covered | below.covered
        if not known.all() and known.any():
            picture = push_pull(picture, known)
        if len(self._edges):
            edges = self._points(self._edges, self._near, moved, depth)
            sight, _ = edges.sight(box, np.maximum(front, edges.front(box)))
            share = linear(self._opacity, sight.source) * sight.covered
            mine = sharp(self._edge_colour, sight.source)
            picture += share[..., None] * (mine - picture)
        return picture, np.full(known.shape, known.any())

    def _points(self, index: Index, owners: Index, moved: Array, depth: Array) -> Points:
        """Pixels of the sheet, each of which moves as its owner does."""
        moved = moved.reshape(-1, 2)[owners].reshape(moved.shape)
        depth = depth.ravel()[owners].reshape(depth.shape)
        tears = Tears.of(moved, depth)
        # A pixel that is torn from all sides is an artefact of the depth.
        index = index[~tears.loose.ravel()[index]]
        return Points.of(index, moved, self._origin, depth, tears.any)

    def _beneath(self, moved: Array, depth: Array) -> Points:
        """What is hidden moves as what is seen of it beside the near thing."""
        field = np.concatenate([moved, 1.0 / np.maximum(depth, 1e-6)[..., None]], axis=-1)
        field = push_pull(field.astype(np.float32), self._known)
        deep = (1.0 / np.maximum(field[..., 2], 1e-6)).astype(np.float32)
        still = np.zeros(depth.shape, bool)
        return Points.of(self._hidden, field[..., :2], self._origin, deep, still)


def _near_side(tears: Tears, depth: Array, band: Mask) -> Mask:
    """Which pixels (h, w) of the band are in front of the tear."""
    near = 1.0 / np.maximum(depth, 1e-6)
    beyond = tears.far & ~tears.near
    flat, owners = near.ravel(), nearest(tears.near)
    others = nearest(beyond if beyond.any() else tears.far)
    middle = (0.5 * (flat[owners] + flat[others])).reshape(depth.shape)
    return np.asarray(band & (near > middle))


def _opacity(colour: Array, is_near: Mask, band: Mask) -> tuple[Array, Mask]:
    """How much of each pixel is a near thing, and where that is most of it.

    The outline is where the photo has an edge near that of the depth; it is a pixel soft.
    """
    solid = np.where(band, is_near, grown(is_near, 1)).astype(np.float32)
    guided = guided_filter(colour, solid, WINDOW, VARIANCE)
    found = cv2.medianBlur(np.where(band, guided > 0.5, solid > 0).astype(np.uint8), 3)
    opacity = cv2.GaussianBlur(found.astype(np.float32), (0, 0), LENS)
    return np.asarray(opacity, np.float32), np.asarray(band & (found > 0))


def _extremes(depth: Array) -> tuple[Mask, Mask]:
    """Which pixels (h, w) are about as far, and as near, as any within :data:`BLURRED` pixels."""
    near = (1.0 / np.maximum(depth, 1e-6)).astype(np.float32)
    kernel = np.ones((2 * BLURRED + 1, 2 * BLURRED + 1), np.uint8)
    least, most = cv2.erode(near, kernel), cv2.dilate(near, kernel)
    return np.asarray(near <= ALIKE * least), np.asarray(near >= most / ALIKE)


def _owners(strangers: Mask, known: Mask) -> Index:
    """For each of ``strangers`` (h, w) the flat index of the nearest ``known`` pixel, (h * w,)."""
    owners = np.arange(known.size, dtype=np.int64)
    if known.any():
        mine = strangers.ravel()
        owners[mine] = nearest(known)[mine]
    return owners


def _beside_nearer(source: Array, front: Array, near: Array) -> Mask:
    """Where pixels of inverse depth ``front`` (h, w) are read beside nearer ones of the sheet."""
    most = cv2.dilate(near, np.ones((5, 5), np.uint8))
    rows, columns = (
        np.clip(np.rint(source[..., axis]), 0, near.shape[1 - axis] - 1).astype(np.int64)
        for axis in (1, 0)
    )
    return np.asarray(most[rows, columns] > NEARER * front)


def _hidden(tears: Tears, depth: Array) -> tuple[Mask, Mask]:
    """The near pixels behind which something may come into view, and a margin around them."""
    near = 1.0 / np.maximum(depth, 1e-6)
    behind, spared = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
    for least, most in NARROW_AND_WIDE:
        edge = tears.near & (tears.width > least)
        if not edge.any():
            continue
        reach = min(math.ceil(float(tears.width.max())) + 2, most)
        distance, labels = cv2.distanceTransformWithLabels(
            (~edge).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        beyond = np.zeros(int(labels.max()) + 1, np.float32)
        beyond[labels[edge]] = tears.beyond[edge]
        is_near = near > NEARER * beyond[labels]
        behind |= (distance <= reach) & is_near
        spared |= (distance <= reach + SPARED) & is_near
    return behind, spared


def _without_islands(hole: Mask) -> Mask:
    """``hole`` (h, w) without specks of what is in front, from which it would be filled."""
    kernel = np.ones((ISLAND, ISLAND), np.uint8)
    return np.asarray(cv2.morphologyEx(hole.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)
