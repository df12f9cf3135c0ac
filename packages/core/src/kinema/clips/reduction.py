"""Observations at a reduced resolution: what training keeps of a clip's motion.

A cell of ``reduction`` x ``reduction`` pixels keeps one displacement per frame, that of its middle.
Coming back, each cell is a plane: its displacement plus a slope in x and in y, taken from the
neighbour on the side where the motion differs less. So an affine motion comes back as it was, and
nothing is ever blended across the edge of a moving thing (the reconstruction of Harten et al.
1987, "essentially non-oscillatory", with two cells). A cell that this describes badly is invisible.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.signals import Observation

#: What displacements are rounded to, in pixels: finer digits only cost bytes.
QUANTUM = 1 / 32

#: A cell whose pixels come back further off than this, on average, in pixels, is invisible.
TOLERANCE = 1.0

#: The largest displacement in pixels, so that 16-bit floats keep a quarter of a pixel.
FARTHEST = 4096.0


@attrs.frozen(eq=False, kw_only=True)
class Reduced:
    """An Observation in cells.

    Attributes:
        displacement: float32 ``(T, H', W', 2)``: pixels of the full canvas, at the cells' middles.
        visible: bool ``(T, H', W')``.
        lost: the share, 0 to 1, of the visible pixels that are invisible here.
    """

    displacement: Tensor
    visible: Tensor
    lost: float


def reduced_shape(height: int, width: int, reduction: int) -> tuple[int, int]:
    """(H', W'): how many cells cover the canvas; the last ones may reach over its border."""
    return -(-height // reduction), -(-width // reduction)


def reduce_observation(
    observation: Observation, reduction: int = 4, tolerance: float = TOLERANCE
) -> Reduced:
    """Keep one displacement per cell and frame.

    Args:
        observation: of the full canvas.
        reduction: side of a cell in pixels, at least 1.
        tolerance: a cell is invisible in a frame in which its visible pixels come back further off
            than this, in pixels, on average.

    Raises:
        InputError: ``reduction`` is no positive whole number that fits the canvas, or a pixel moves
            further than 4096 pixels.
    """
    _, height, width, _ = observation.displacement.shape
    _check_reduction(reduction, height, width)
    moved = _cells(_within_reach(observation), reduction)
    seen = _cells(observation.visible[..., None], reduction)[..., 0]
    middle, off = _best(moved, seen, reduction)
    count = seen.sum(-1)
    visible = (2 * count >= seen.shape[-1]) & (off <= tolerance)
    total = float(observation.visible.sum())
    kept = float((observation.visible & _spread(visible, reduction)[:, :height, :width]).sum())
    return Reduced(displacement=middle, visible=visible, lost=1 - kept / total if total else 0.0)


def restore_observation(
    displacement: Tensor, visible: Tensor, reduction: int, height: int, width: int
) -> Observation:
    """The Observation of a canvas ``height`` x ``width`` from one of cells.

    Args:
        displacement: float32 ``(T, H', W', 2)``, pixels of the full canvas.
        visible: bool ``(T, H', W')``.
        reduction: side of a cell in pixels.
        height: of the full canvas.
        width: of the full canvas.

    Raises:
        InputError: the cells do not cover that canvas.
    """
    _check_reduction(reduction, height, width)
    if tuple(visible.shape[1:]) != reduced_shape(height, width, reduction):
        raise InputError(
            f"An Observation in {visible.shape[2]}x{visible.shape[1]} cells of {reduction} pixels "
            f"does not fit a canvas of {width}x{height}."
        )
    return Observation(
        displacement=_planes(displacement, reduction)[:, :height, :width],
        visible=_spread(visible, reduction)[:, :height, :width],
    )


def motion_length(observation: Observation) -> float:
    """The mean length of the displacement over all frames and pixels, in pixels."""
    return float(observation.displacement.square().sum(-1).sqrt().mean())


def _check_reduction(reduction: int, height: int, width: int) -> None:
    if reduction < 1 or reduction > min(height, width):
        raise InputError(
            f"The reduction of an Observation must be a whole number from 1 to its smaller side, "
            f"got {reduction!r} for {width}x{height}."
        )


def _within_reach(observation: Observation) -> Tensor:
    """The displacement, clamped where nothing is visible."""
    displacement = observation.displacement
    least, most = displacement.aminmax()
    if bool((least >= -FARTHEST) & (most <= FARTHEST)):  # false for NaN too
        return displacement
    clipped = displacement.clamp(-FARTHEST, FARTHEST)
    if bool((clipped != displacement)[observation.visible].any()):
        raise InputError(
            f"A visible pixel moves further than {FARTHEST:g} pixels, which no clip does; the "
            "tracker that made this Observation is at fault."
        )
    return clipped


def _cells(values: Tensor, reduction: int) -> Tensor:
    """``(T, H, W, C)`` as ``(T, H', W', reduction**2, C)``; the border repeats to fill cells."""
    frames, height, width, channels = values.shape
    rows, columns = reduced_shape(height, width, reduction)
    y = torch.arange(rows * reduction).clamp(max=height - 1)
    x = torch.arange(columns * reduction).clamp(max=width - 1)
    if len(y) != height or len(x) != width:
        values = values[:, y][:, :, x]
    split = values.reshape(frames, rows, reduction, columns, reduction, channels)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(
        frames, rows, columns, reduction * reduction, channels
    )


def _best(moved: Tensor, seen: Tensor, reduction: int) -> tuple[Tensor, Tensor]:
    """The displacement of each cell's middle ``(T, H', W', 2)``, and how far its pixels are off.

    Two guesses are tried out. The mean, which for an affine motion is that of the middle; and, for
    a cell on an edge, the mean of the pixels that move like the one most like all others.
    """
    mean = _rounded(moved.mean(-2))
    off = _off(mean, moved, seen, reduction)
    edges = off.amax(0) > QUANTUM
    if reduction == 1 or not bool(edges.any()):
        return mean, off
    group = mean.clone()
    group[:, edges] = _rounded(_largest_group(moved[:, edges], seen[:, edges]))
    better = _off(group, moved, seen, reduction) < off
    middle = torch.where(better[..., None], group, mean)
    return middle, _off(middle, moved, seen, reduction)


def _rounded(middle: Tensor) -> Tensor:
    return ((middle / QUANTUM).round() * QUANTUM).half().float()


def _off(middle: Tensor, moved: Tensor, seen: Tensor, reduction: int) -> Tensor:
    """How far the visible pixels of each cell come back off, on average: ``(T, H', W')``."""
    x, y = (_cells(_planes(middle, reduction), reduction) - moved).unbind(-1)
    # Twice as fast as a norm over so short an axis.
    off = (x.square() + y.square()).sqrt()
    return (off * seen).sum(-1) / seen.sum(-1).clamp(min=1)


def _largest_group(moved: Tensor, seen: Tensor) -> Tensor:
    """The mean of the pixels that move like the one most like all others: ``(T, N, 2)``.

    Args:
        moved: ``(T, N, P, 2)``: P pixels in each of N cells.
        seen: ``(T, N, P)``.
    """
    weight = seen[..., None].float()
    centre = (moved * weight).sum(-2) / weight.sum(-2).clamp(min=1)
    # What a tracker says of a hidden pixel may be nonsense.
    known = torch.where(seen[..., None], moved, centre[..., None, :])
    # One choice for all frames: a pixel belongs to one thing, however fast that moves.
    paths = (known - centre[..., None, :]).permute(1, 2, 0, 3).flatten(2)
    apart = torch.cdist(paths, paths)
    medoid = apart.sum(-1).argmin(-1)[:, None, None].expand(-1, 1, apart.shape[-1])
    far = apart.gather(-2, medoid)[..., 0, :]
    near = far <= far.amax(-1, keepdim=True) / 2
    return (known * near[None, ..., None]).sum(-2) / near.sum(-1)[None, ..., None]


def _slope(cells: Tensor, axis: int) -> Tensor:
    """The difference per cell along ``axis``, on the side where it is smaller over all frames.

    ``cells`` is ``(T, H', W')``, complex: x + iy.
    """
    steps = cells.diff(dim=axis)
    count = steps.shape[axis]
    if count == 0:
        return torch.zeros_like(cells)
    sizes = torch.view_as_real(steps).square().sum(0).sum(-1)
    first, last = sizes.narrow(axis - 1, 0, 1), sizes.narrow(axis - 1, count - 1, 1)
    calmer = torch.cat([sizes, last], axis - 1) < torch.cat([first, sizes], axis - 1)
    before = torch.cat([steps.narrow(axis, 0, 1), steps], axis)
    after = torch.cat([steps, steps.narrow(axis, count - 1, 1)], axis)
    return torch.where(calmer, after, before)


def _planes(displacement: Tensor, reduction: int) -> Tensor:
    """``(T, H', W', 2)`` as ``(T, H' * reduction, W' * reduction, 2)``, a plane in each cell.

    Complex numbers, and one addition per row and column of a cell, keep both components of many
    pixels side by side in memory: six times faster than broadcasting.
    """
    if reduction == 1:
        return displacement
    cells = torch.view_as_complex(displacement.contiguous())
    frames, rows, columns = cells.shape
    offsets = [(place - (reduction - 1) / 2) / reduction for place in range(reduction)]
    across, down = _slope(cells, 2), _slope(cells, 1)
    wide = cells.new_empty(frames, rows, columns, reduction)
    for place, offset in enumerate(offsets):
        torch.add(cells, across, alpha=offset, out=wide[..., place])
    wide = wide.view(frames, rows, columns * reduction)
    down = down[..., None].expand(*down.shape, reduction).reshape(wide.shape)
    full = displacement.new_empty(frames, rows, reduction, columns * reduction, 2)
    for place, offset in enumerate(offsets):
        row = full[:, :, place]
        torch.add(torch.view_as_real(wide), torch.view_as_real(down), alpha=offset, out=row)
    return full.view(frames, rows * reduction, columns * reduction, 2)


def _spread(visible: Tensor, reduction: int) -> Tensor:
    frames, rows, columns = visible.shape
    # Columns first, so that the large step copies whole rows.
    wide = visible[..., None].expand(*visible.shape, reduction)
    wide = wide.reshape(frames, rows, 1, columns * reduction).expand(-1, -1, reduction, -1)
    return wide.reshape(frames, rows * reduction, columns * reduction)
