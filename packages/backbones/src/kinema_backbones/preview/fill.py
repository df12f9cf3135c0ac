"""Fill a hole in a photo with patches of the photo."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.pyramid import Array, Mask, push_pull

Index = NDArray[np.int64]

#: Half the side of a patch.
REACH = 3

#: Source patches that a full search compares with; of more, every n-th is taken.
SOURCES = 4000

#: Patches whose pixels are held at once.
AT_ONCE = 16_384

#: Pixels that are voted on at once.
VOTED = 2**19

#: Frequencies per axis and colour that a full search compares.
WAVES = 3

#: Pixels of a level up to which all its patches are searched; finer levels look around the match
#: that the coarser level found.
SEARCHED = 12_000

#: Rounds of search and vote in a fully searched level, and in a finer one.
SEARCHES, ROUNDS, FINE_ROUNDS = 2, 6, 2

#: How much less a patch's proposal counts per pixel that it lies deeper in the hole.
FADING = 0.8

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))

#: What the difference to a patch counts that continues a neighbour's copy, against any other.
COHERENCE = 0.6

#: Share of the source pixels that have a whole patch around them, below which a level is too coarse
#: to say what the picture is made of.
SCARCE = 0.25

#: What a source patch as far away as the picture is long adds to the mean squared difference: up
#: and down, and to the sides.
NEARNESS = (0.1, 0.1)

#: Pixels around a hole in which the copies are compared with the picture, and pixels into the hole
#: over which the difference fades.
SEAM, EASED = 3, 12.0


@attrs.frozen(eq=False)
class _Level:
    """One resolution: the picture, what is missing in it, and the centres of usable patches."""

    image: Array
    hole: Mask
    sources: Mask
    centres: Mask
    finest: bool

    @property
    def box(self) -> Box:
        """The hole and what patches that touch it reach."""
        return box_of(self.hole, 3 * REACH)


@attrs.frozen(eq=False)
class _Matches:
    """Patch centres on a grid of ``rows`` x ``columns``, each with the centre it copies from."""

    rows: Index
    columns: Index
    source: NDArray[np.int64]

    def at(self, places: Index) -> Index:
        """The offset (K, 2) to the source, of the grid points at or after ``places`` (K, 2)."""
        row = np.minimum(np.searchsorted(self.rows, places[:, 0]), len(self.rows) - 1)
        column = np.minimum(np.searchsorted(self.columns, places[:, 1]), len(self.columns) - 1)
        here = np.stack([self.rows[row], self.columns[column]], axis=1)
        return np.asarray(self.source[row, column] - here)


def fill(
    image: Array, hole: Mask, sources: Mask, nearness: tuple[float, float] = NEARNESS
) -> Array:
    """Fill ``hole`` with texture copied from ``sources``.

    From coarse to fine, each level alternates between finding the source patch most similar to
    every patch that touches the hole, and averaging what overlapping patches propose (Wexler,
    Shechtman and Irani 2007).

    Args:
        image: ``(H, W, 3)`` float32; what is in the hole is ignored.
        hole: ``(H, W)`` bool.
        sources: ``(H, W)`` bool, where patches may be copied from.
        nearness: what a source patch costs that is as far away as the picture is long, up and down
            and to the sides, in mean squared difference.

    Returns:
        ``(H, W, 3)`` float32, equal to ``image`` outside the hole.
    """
    sources = sources & ~hole
    if not hole.any() or not sources.any():
        return image
    current: Array | None = None
    matches: _Matches | None = None
    for level in reversed(_pyramid(image, hole, sources)):
        if current is None:
            current = push_pull(level.image, level.sources)
        else:
            size = level.hole.shape[::-1]
            larger = cv2.resize(current, size, interpolation=cv2.INTER_LINEAR)
            current = np.asarray(larger, dtype=np.float32)
        np.copyto(current, level.image, where=~level.hole[..., None])
        if level.centres.any():
            current, matches = _improved(level, current, matches, nearness)
    assert current is not None
    return current


def _pyramid(image: Array, hole: Mask, sources: Mask) -> list[_Level]:
    """Levels from fine to coarse, until the hole is about as narrow as a patch."""
    levels: list[_Level] = []
    # Patches are read from runs of memory, thousands of times.
    image = np.ascontiguousarray(image)
    while True:
        centres = _whole(sources)
        if levels and centres.sum() < SCARCE * sources.sum():
            break
        levels.append(_Level(image, hole, sources, centres, not levels))
        inside = cv2.distanceTransform(
            np.pad(hole, 1, mode="edge").astype(np.uint8), cv2.DIST_C, 3
        ).max()
        if inside <= REACH or min(hole.shape) < 4 * REACH:
            break
        image, hole, sources = _halved(image, hole, sources)
    return levels


def _whole(sources: Mask) -> Mask:
    """Centres of patches that lie in ``sources`` altogether."""
    side = 2 * REACH + 1
    kernel = np.ones((side, side), np.uint8)
    eroded = cv2.erode(
        sources.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(eroded > 0)


def _halved(image: Array, hole: Mask, sources: Mask) -> tuple[Array, Mask, Mask]:
    height, width = (side // 2 for side in hole.shape)
    size = (width, height)
    known = (~hole).astype(np.float32)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    usable = cv2.resize(sources.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mean = total / np.maximum(share, 1e-6)[..., None]
    return mean.astype(np.float32), np.asarray(share < 0.999), np.asarray(usable > 0.999)


def _improved(
    level: _Level, current: Array, coarser: _Matches | None, nearness: tuple[float, float]
) -> tuple[Array, _Matches]:
    full = level.hole.size <= SEARCHED or coarser is None
    stride = 1 if level.hole.size <= SEARCHED // 3 else 2
    rows, columns, wanted = _targets(level.hole, stride)
    places = np.argwhere(wanted)
    targets = np.stack([rows[places[:, 0]], columns[places[:, 1]]], axis=1)
    source = np.zeros((*wanted.shape, 2), np.int64)
    if not full:
        assert coarser is not None
        source[places[:, 0], places[:, 1]] = targets + 2 * coarser.at(targets // 2)
    for index in range(ROUNDS if full else FINE_ROUNDS):
        if full and index < SEARCHES:
            source[places[:, 0], places[:, 1]] = _searched(level, current, targets, nearness)
        found, cost = _refined(level, current, targets, source, places, stride)
        source[places[:, 0], places[:, 1]] = found
        copied, known = _voted(level, targets, found, cost)
        voted = level.box.of(level.hole) & known
        level.box.of(current)[voted] = copied[voted]
    if level.finest:
        current = _eased(level, current, copied, known)
    return current, _Matches(rows, columns, source)


def _targets(hole: Mask, stride: int) -> tuple[Index, Index, Mask]:
    """Rows and columns of a grid of patch centres, and which of them touch the hole."""
    rows, columns = (
        np.unique(np.clip(np.arange(0, side + stride, stride), REACH, side - 1 - REACH))
        for side in hole.shape
    )
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    touched = cv2.dilate(hole.astype(np.uint8), kernel) > 0
    return rows, columns, np.asarray(touched[np.ix_(rows, columns)])


def _patches(image: Array, centres: Index) -> Array:
    """Patches (K, side * side * 3) around ``centres`` (K, 2)."""
    side = 2 * REACH + 1
    height, width = image.shape[:2]
    down, right, item = image.strides
    # A row of a patch is one run of memory, which makes the gathering several times faster.
    view = as_strided(
        image, (height - side + 1, width - side + 1, side, side * 3), (down, right, down, item)
    )
    return view[centres[:, 0] - REACH, centres[:, 1] - REACH].reshape(len(centres), -1)


def _frequencies() -> Array:
    """The low frequencies of a patch, orthonormal: (side * side * 3, WAVES * WAVES * 3)."""
    side = 2 * REACH + 1
    waves = cv2.dct(np.eye(side, dtype=np.float32))[:WAVES].T
    return np.kron(np.kron(waves, waves), np.eye(3, dtype=np.float32)).astype(np.float32)


def _searched(
    level: _Level, current: Array, targets: Index, nearness: tuple[float, float]
) -> Index:
    """The centre (K, 2) of the best of all source patches for each target (K, 2)."""
    centres = np.argwhere(level.centres)
    centres = centres[:: max(1, len(centres) // SOURCES)]
    theirs, ours = _patches(level.image, centres), _patches(current, targets)
    dimensions = theirs.shape[1]
    basis = _frequencies()
    theirs, ours = theirs @ basis, ours @ basis
    near = np.sqrt(np.array(nearness) * dimensions) / max(level.hole.shape)
    theirs = np.concatenate([theirs, centres * near], axis=1).astype(np.float32)
    ours = np.concatenate([ours, targets * near], axis=1).astype(np.float32)
    square = np.square(theirs).sum(1)
    which = np.empty(len(targets), np.int64)
    for start in range(0, len(targets), 128):
        part = slice(start, start + 128)
        which[part] = (square - 2 * (ours[part] @ theirs.T)).argmin(1)
    return centres[which]


def _refined(
    level: _Level, current: Array, targets: Index, source: Index, places: Index, stride: int
) -> tuple[Index, Array]:
    """The best source around the present one, or where the neighbours' sources continue."""
    parts = [
        _refined_part(level, current, targets[part], source, places[part], stride)
        for part in _parts(len(targets))
    ]
    return np.concatenate([found for found, _ in parts]), np.concatenate([c for _, c in parts])


def _parts(count: int) -> list[slice]:
    """All of ``count`` patches, so many at a time that they fit a processor's memory well."""
    return [slice(start, start + AT_ONCE) for start in range(0, max(count, 1), AT_ONCE)]


def _refined_part(
    level: _Level, current: Array, targets: Index, source: Index, places: Index, stride: int
) -> tuple[Index, Array]:
    ours = _patches(current, targets)
    limit = np.array(level.hole.shape) - 1 - REACH
    grid = np.array(source.shape[:2]) - 1
    result = source[places[:, 0], places[:, 1]]
    lowest = np.full(len(targets), np.inf, np.float32)
    candidates = [(result + np.array(step), 1.0) for step in ((0, 0), *SIDES)]
    for step in SIDES:
        neighbour = np.clip(places + step, 0, grid)
        theirs = source[neighbour[:, 0], neighbour[:, 1]]
        candidates.append((theirs - stride * np.array(step), COHERENCE))
    for candidate, favour in candidates:
        candidate = np.clip(candidate, REACH, limit)
        usable = level.centres[candidate[:, 0], candidate[:, 1]]
        cost = np.square(_patches(level.image, candidate) - ours).mean(1) * favour
        better = usable & (cost < lowest)
        result = np.where(better[:, None], candidate, result)
        lowest = np.where(better, cost, lowest)
    return result, lowest


def _eased(level: _Level, current: Array, copied: Array, known: Mask) -> Array:
    """``current`` without a step at the outline of the hole.

    By how much the copies miss the picture just outside is taken from them just inside.
    """
    box = level.box
    hole, sources, image, mine = (
        box.of(part) for part in (level.hole, level.sources, level.image, current)
    )
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 3)
    ring = known & sources & (distance <= SEAM) & ~hole
    if not ring.any():
        return current
    missed = push_pull(image - copied, ring)
    missed *= np.exp(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3) / -EASED)[
        ..., None
    ]
    missed += mine
    mine[hole] = missed.clip(0.0, 1.0)[hole]
    return current


def _voted(level: _Level, targets: Index, source: Index, cost: Array) -> tuple[Array, Mask]:
    """What the patches over a pixel propose, averaged, likelier ones more; and where any does.

    Both are of the level's box. In strips, since the sums of a large picture take many times its
    memory.
    """
    usable = np.isfinite(cost)
    targets, source, cost = targets[usable], source[usable], cost[usable]
    box, width = level.box, level.hole.shape[1]
    mean, known = box.of(level.image).copy(), np.zeros((box.height, box.width), bool)
    if not len(cost):
        return mean, known
    around = np.arange(-REACH, REACH + 1)
    spread = max(float(np.percentile(cost, 75)), 1e-5)
    centred = np.exp(-(around[:, None] ** 2 + around**2) / (2 * 1.5**2)).ravel()
    depth = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 3)
    trust = np.maximum(FADING ** depth[targets[:, 0], targets[:, 1]], 1e-3)
    weight = (trust * (np.exp(-cost / (2 * spread)) + 1e-3)).astype(np.float64)
    rows = max(1, VOTED // width)
    for top in range(box.top, box.bottom, rows):
        bottom = min(top + rows, box.bottom)
        # Targets are in the order of their rows.
        first, last = np.searchsorted(targets[:, 0], (top - REACH, bottom + REACH))
        part = slice(first, last)
        if first == last:
            continue
        strip = _summed(
            level.image, targets[part], source[part], weight[part], centred, top, bottom
        )
        total = strip[3]
        share = (total > 0).reshape(-1, width)[:, box.left : box.right]
        values = np.stack(strip[:3], axis=-1) / np.maximum(total, 1e-12)[:, None]
        values = values.reshape(-1, width, 3)[:, box.left : box.right]
        mean[top - box.top : bottom - box.top][share] = values[share]
        known[top - box.top : bottom - box.top] = share
    return mean, known


def _summed(
    image: Array,
    targets: Index,
    source: Index,
    weight: NDArray[np.float64],
    centred: NDArray[np.float64],
    top: int,
    bottom: int,
) -> list[NDArray[np.float64]]:
    """Weighted sums of red, green and blue and of the weights, of the rows from ``top`` on."""
    width = image.shape[1]
    around = np.arange(-REACH, REACH + 1)
    offsets = (around[:, None] * width + around).ravel()
    # Patches reach beyond the strip by up to twice their half side.
    margin = 2 * REACH
    size = (bottom - top + 2 * margin) * width
    sums = [np.zeros(size) for _ in range(4)]
    for part in _parts(len(targets)):
        corner = (targets[part, 0] - top + margin) * width + targets[part, 1]
        index = (corner[:, None] + offsets).ravel()
        share = (weight[part, None] * centred).ravel()
        values = _patches(image, source[part]).reshape(-1, 3)
        sums[3] += np.bincount(index, share, size)
        for channel in range(3):
            sums[channel] += np.bincount(index, share * values[:, channel], size)
    return [each[margin * width : size - margin * width] for each in sums]
