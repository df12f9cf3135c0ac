"""A photo taken apart into a background and cut-outs, and put together again frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from kinema_backbones.preview.background import Background
from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.config import Attached
from kinema_backbones.preview.cutout import Cutout
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.joint import Joint, joint
from kinema_backbones.preview.moves import Field, Moves, bands, read
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.survey import Labels, Survey

#: Pixels around a gap that it is closed from.
AROUND = 64


#: Gives the picture ``(h, w, 3)`` of a band without what moves over it, and where it is known.
Ground = Callable[[Box], tuple[Array, Mask]]

#: Draws onto the picture of a band what moves over it.
Top = Callable[[Array, Box], None]


class Stage:
    """All that rendering needs and no frame changes.

    Args:
        photo: float32 ``(H, W, 3)``.
        moves: of the ``layered-motion`` signal.
        feather: pixels over which the edges of regions fade inward, beyond what the photo says.
        attached: whether regions are held by what they touch, where the moves do not say.
        plate: float32 ``(H, W, 3)``, what is behind everything; None fills holes from the photo.
    """

    def __init__(
        self,
        photo: Array,
        moves: Moves,
        feather: float = 0.0,
        attached: Attached = "auto",
        plate: Array | None = None,
    ) -> None:
        self._photo = photo
        self._moves = moves
        survey = Survey(moves)
        layers = survey.layers
        loose = _loose(survey)
        moving = [number for number in loose if survey.stirs[:, number].any()]
        bound = [number for number in range(survey.stirs.shape[1]) if number not in loose]
        self._stirs = [survey.stirs[:, bound].any(1), *survey.stirs[:, loose].T]
        rest = np.zeros(layers.shape, bool)
        for number in bound:
            rest |= layers == number
        covers = _covers(layers, survey.cover)
        taken = np.zeros(layers.shape, bool)
        self._cutouts: list[Cutout] = []
        self._held: list[Joint | None] = []
        # From the top down, since what is below shows nothing of what moves away above it.
        for number in reversed(loose):
            own = layers == number
            shown = own & ~taken
            hidden = _hidden(layers, number, moving) | (own & taken)
            if not shown.any():
                shown, hidden = own, hidden & ~own
            held = None
            if number in moving and not survey.gone[:, number].any():
                says = _said(survey.attached.get(number), attached)
                held = joint(photo, survey.farthest, own, rest, says)
            blocked = (layers > 0) & ~own
            cutout = Cutout(
                photo, survey.sides, shown, hidden, covers(number), blocked, held, feather
            )
            self._held.insert(0, held)
            self._cutouts.insert(0, cutout)
            if number in moving:
                taken |= cutout.stained
        stirred = survey.stirred & rest
        for held in filter(None, self._held):
            rows, columns = held.zone
            stirred[rows + held.box.top, columns + held.box.left] = True
            rest = rest | held.close
        self._gone = survey.gone[:, loose]
        # What is filled next takes much memory, and none of this is needed any more.
        survey.forget_layers()
        del layers, covers
        self._background = Background(photo, self._carried, survey, rest, taken, stirred, plate)

    def __len__(self) -> int:
        """T."""
        return len(self._moves)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""
        height, width, colours = self._photo.shape
        return height, width, colours

    def frame(self, index: int) -> Array:
        """Frame ``index``, ``(H, W, 3)``."""
        picture = np.empty(self._photo.shape, np.float32)
        for band, part in self.bands(index):
            band.of(picture)[:] = part
        return picture

    def bands(self, index: int) -> Iterator[tuple[Box, Array]]:
        """Frame ``index`` in parts of full width, each ``(h, W, 3)``, from the top down."""
        if index == 0 and not self._gone[0].any():
            for band in bands(self._moves):
                yield band, band.of(self._photo)
            return
        ground, top = self._drawn(index)
        for band in bands(self._moves):
            picture, known = ground(band)
            if not known.all():
                # A gap is closed from what is around it, so all that is below is needed.
                yield from self._closed(ground, top, band.top)
                return
            top(picture, band)
            yield band, picture

    def _closed(self, ground: Ground, top: Top, first: int) -> Iterator[tuple[Box, Array]]:
        """The bands from the row ``first`` on of a frame whose background has gaps."""
        whole = np.empty(self._photo.shape, np.float32)
        known = np.empty(whole.shape[:2], bool)
        for band in bands(self._moves):
            band.of(whole)[:], band.of(known)[:] = ground(band)
        _close(whole, known, self._background.area)
        for band in bands(self._moves):
            if band.top >= first:
                top(band.of(whole), band)
                yield band, band.of(whole)

    # -- one frame ----------------------------------------------------------------------------

    def _carried(self, index: int, area: Box) -> Field:
        """The field of an area of the background in a frame, with what goes along at joints."""
        field = self._fields(index, area, [None] * len(self._cutouts))[0]
        assert field is not None
        return field

    def _fields(
        self, index: int, area: Box | None, boxes: Sequence[Box | None]
    ) -> list[Field | None]:
        """The fields of an area of the background, and of other boxes."""
        held = [
            held if held is not None and stirs[index] and area is not None else None
            for held, stirs in zip(self._held, self._stirs[1:], strict=True)
        ]
        wanted = [area, *boxes, *(None if each is None else each.box for each in held)]
        field, *fields = read(self._moves, index, wanted)
        for bond, own in zip(held, fields[len(boxes) :], strict=True):
            if bond is not None and area is not None and field is not None and own is not None:
                bond.carry(field, area, own)
        return [field, *fields[: len(boxes)]]

    def _drawn(self, index: int) -> tuple[Ground, Top]:
        """What draws a band of frame ``index``, first below and then over it."""
        gone = self._gone[index]
        changes, *moved = (bool(stirs[index]) for stirs in self._stirs)
        changes = changes or any(
            held is not None and has_moved
            for held, has_moved in zip(self._held, moved, strict=True)
        )
        area = self._background.area if changes else None
        shown = [has_moved and not off for has_moved, off in zip(moved, gone, strict=True)]
        boxes = [
            cut.seen if is_shown else None
            for cut, is_shown in zip(self._cutouts, shown, strict=True)
        ]
        below, *fields = self._fields(index, area, boxes)
        ground = None if below is None else self._background.drawing(below)
        draws = [
            None if field is None else cut.drawing(field)
            for cut, field in zip(self._cutouts, fields, strict=True)
        ]

        def under(band: Box) -> tuple[Array, Mask]:
            canvas = band.of(self._photo).copy(order="C")
            uncovered, known = np.zeros(canvas.shape[:2], bool), np.ones(canvas.shape[:2], bool)
            for cut, has_moved in zip(self._cutouts, moved, strict=True):
                if has_moved:
                    uncovered |= band.of(cut.stained)
            self._background.patch(canvas, band, uncovered)
            part = None if area is None else area.common(band)
            if part is not None and ground is not None:
                part.within(band).of(canvas)[:], part.within(band).of(known)[:] = ground(part)
            return canvas, known

        def over(canvas: Array, band: Box) -> None:
            changed = changes
            for cut, draw, has_moved, off in zip(self._cutouts, draws, moved, gone, strict=True):
                if off:
                    continue
                if draw is not None:
                    draw(canvas, band)
                elif changed:
                    cut.keep(canvas, self._photo, band)
                changed |= has_moved

        return under, over


def _close(whole: Array, are_known: Mask, area: Box | None) -> None:
    """Fill what is not known (H, W) of an area of a picture (H, W, 3) smoothly."""
    if area is None:
        return
    picture, known = area.of(whole), area.of(are_known)
    if not known.any() or known.all():
        return
    box = box_of(~known, AROUND)
    if not box.of(known).any():
        box = Box(0, 0, known.shape[1], known.shape[0])
    box.of(picture)[:] = push_pull(box.of(picture), box.of(known))


def _said(region: bool | None, otherwise: Attached) -> Attached:
    """What a region says about itself comes before what is said about all."""
    if region is None:
        return otherwise
    return "always" if region else "never"


def _loose(survey: Survey) -> list[int]:
    """The regions that have to be cut out, lowest first.

    A region that moves as one with what is around it belongs to the background, unless something
    below it moves and might pass under it.
    """
    loose: list[int] = []
    for number in range(1, survey.stirs.shape[1]):
        passing = bool(survey.stirs[:, loose].any())
        if (passing or not survey.joined[number]) and (survey.layers == number).any():
            loose.append(number)
    return loose


def _covers(layers: Labels, cover: Array) -> Callable[[int], Array]:
    """Of each region by its number: its mask (H, W) in grey levels from 0 to 1.

    Where less than half of a pixel is covered it is the fringe of the nearest region, and lies over
    whatever layer is there.
    """
    fringe = (cover > 0) & (cover < 0.5)
    owner = layers
    if fringe.any() and (layers > 0).any():
        owner = np.where(fringe, layers.ravel()[nearest(layers > 0)].reshape(layers.shape), layers)

    def of(number: int) -> Array:
        solid = (layers == number) & (owner != number)
        return np.where(solid, 1.0, np.where(owner == number, cover, 0.0)).astype(np.float32)

    return of


def _hidden(layers: Labels, number: int, moving: list[int]) -> Mask:
    """What a region probably has below higher regions that move: the gap in its convex outline."""
    own = layers == number
    above = np.isin(layers, [other for other in moving if other > number])
    if not above.any():
        return np.zeros_like(own)
    points = np.argwhere(own)[:, ::-1].astype(np.int32)
    hull = np.zeros(own.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return np.asarray((hull > 0) & above)
