"""Smooth displacement fields from control points: moving least squares, and soft neighbourhoods.

Points in the plane are complex numbers here (x + iy), since a rotation is then one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

#: Takes points (M, 2) to displacements (T, M, 2).
Field = Callable[[Tensor], Tensor]

#: Pixels times control points held in memory at once.
CHUNK = 250_000

#: Pixels times control points up to which a field is computed in every pixel.
DENSE = 6_000_000

#: Nodes that a grid keeps however many control points there are.
NODES = 640

#: Squared pixels added to a distance, so that a control point's own pixel has a finite weight.
NEAR = 1e-3

#: A difference of squares that is smaller than this share of them is rounding.
ROUNDING = 1e-11

#: Pixels around a control point without a region that move with it as one.
CORE = 12.0

#: Shares of a bump's radius in which its top and its foot are rounded, unless told otherwise.
TOP, FOOT = 0.3, 0.2


def rigid_field(
    pixels: Tensor,
    starts: Tensor,
    moves: Tensor,
    visible: Tensor,
    *,
    falloff: float = 1.0,
    scaling: bool = False,
) -> Tensor:
    """As-rigid-as-possible displacement that takes every control point where it goes.

    Moving least squares after Schaefer, McPhail and Warren (2006), section 2.3: around each pixel
    the best rotation and translation of the control points, near ones weighing more. One control
    point gives a translation, two a rotation about each other.

    Args:
        pixels: ``(M, 2)`` where the field is asked for.
        starts: ``(N, 2)`` control points in frame 0.
        moves: ``(T, N, 2)`` their displacement in pixels.
        visible: ``(T, N)`` bool, whether a control point counts in a frame; at least one does.
        falloff: the weight is the distance to the power of ``-2 * falloff``.
        scaling: also allow the scale to change (the similarity variant, section 2.2).

    Returns:
        Displacement ``(T, M, 2)`` float32 pixels.
    """
    # Near a control point the others hardly weigh; single precision would lose the turn they give.
    start = torch.view_as_complex(starts.double())
    move = torch.view_as_complex(moves.double()).contiguous()

    def field(part: Tensor) -> Tensor:
        v = torch.view_as_complex(part.double())
        distance = (v[:, None] - start[None]).abs().square()
        # Ratios alone matter; the nearest control point weighs 1.
        weights = ((distance.amin(1, keepdim=True) + NEAR) / (distance + NEAR)) ** falloff
        if bool(visible.all()):
            w = (weights / weights.sum(1, keepdim=True)).to(move.dtype)
            centre = w @ start
            arms = w * (start[None] - centre[:, None]).conj()
            length = (arms * (start[None] - centre[:, None])).sum(1).real
            turned, shift = move @ arms.T, move @ w.T
            offset = v - centre
        else:
            turned, length, shift, offset = _moments(weights, start[None] - v[:, None], move, seen)
        turned = length + turned
        scale = length if scaling else turned.abs()
        turn = turned / torch.where(scale > 0, scale, 1.0)
        turn = torch.where(scale > 0, turn, 1.0)
        return (shift + (turn - 1.0) * offset).to(torch.complex64)

    seen = visible.to(move.dtype)
    return _by_parts(field, pixels, len(start))


def _moments(
    weights: Tensor, arms: Tensor, move: Tensor, seen: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What :func:`rigid_field` sums up, where other control points count in each frame.

    As products of matrices: a pass over pixels times control points for each frame would take as
    many times as long. All is relative to the pixel, where cancellation costs nothing.

    Args:
        weights: ``(M, N)`` of the control points.
        arms: ``(M, N)`` from each pixel to each control point.
        move: ``(T, N)`` displacements.
        seen: ``(T, N)`` 1 where a control point counts, else 0.

    Returns:
        the turned arms and their squared length about the centre, the centre's displacement, and
        the way from the centre to the pixel; ``(T, M)`` each.
    """
    seen_move, w = seen * move, weights.to(move.dtype)
    total = seen @ w.T
    shift = seen_move @ w.T / total
    centre = seen @ (w * arms).T / total
    w *= arms.conj()
    turned = seen_move @ w.T / total - centre.conj() * shift
    square = (seen @ (w * arms).T / total).real
    length = square - centre.abs().square()
    # Around a lone control point both are differences of equals, whose rounding is no turn.
    spread = length > ROUNDING * square
    turned = torch.where(spread, turned, 0.0)
    return turned, torch.where(spread, length, 0.0), shift, -centre


def soft_field(
    pixels: Tensor,
    starts: Tensor,
    moves: Tensor,
    visible: Tensor,
    radius: Tensor,
    core: float = CORE,
    top: float = TOP,
) -> Tensor:
    """Displacement that moves a soft neighbourhood around each control point, and nothing else.

    Each control point has a bump of its radius, flat in its core. A lone one gives its bump times
    its displacement; where bumps meet, the nearer control point wins smoothly (inverse distance
    weighting with a constant share of stillness), so a still one holds what is around it.

    Args:
        pixels, starts, moves, visible: as in :func:`rigid_field`.
        radius: ``(N,)`` pixels beyond which a control point has no influence.
        core: pixels around a control point that move with it as one.
        top: share of the rest of the radius over which the bump bends down.

    Returns:
        Displacement ``(T, M, 2)`` float32 pixels, exactly zero outside every radius.
    """
    start, move = torch.view_as_complex(starts), torch.view_as_complex(moves).contiguous()

    def field(part: Tensor) -> Tensor:
        v = torch.view_as_complex(part)
        distance = (v[:, None] - start[None]).abs()
        height = bump((distance - core).clamp_min_(0.0).div_((radius - core).clamp_min(1.0)), top)
        # In the core a trace of the distance remains, so that of two cores the nearer one wins; far
        # out it must not outgrow what a wide bump has lost there, which would make it steep.
        trace = (
            distance.clamp_(max=4 * CORE).square_().add_(NEAR).mul_(1e-3).div_(max(core, 1.0) ** 2)
        )
        weights = height / torch.maximum(1.0 - height, trace)
        if bool(visible.all()):
            weights /= 1.0 + weights.sum(1, keepdim=True)
            return move @ weights.to(move.dtype).T
        return seen_move @ weights.to(move.dtype).T / (1.0 + seen @ weights.T)

    seen = visible.to(starts.dtype)
    seen_move = seen * move
    return _by_parts(field, pixels, len(start))


def bump(distance: Tensor, top: float = TOP) -> Tensor:
    """A cone with its top and foot rounded: 1 at 0, exactly 0 from ``distance`` 1 on.

    Of all bumps a cone is the least steep, so it moves the smallest neighbourhood without folding.
    """
    slope = steepest(top)
    # In place where it can be: fresh memory costs more than the arithmetic on it.
    cap = distance.square().mul_(slope / (2 * top)).neg_().add_(1.0)
    side = (distance - top / 2).mul_(slope).neg_().add_(1.0)
    foot = (1.0 - distance).clamp_min_(0.0).square_().mul_(slope / (2 * FOOT))
    return torch.where(distance < top, cap, torch.where(distance < 1.0 - FOOT, side, foot))


def steepest(top: float = TOP) -> float:
    """The slope of :func:`bump` between its top and its foot."""
    return 1.0 / (1.0 - top / 2 - FOOT / 2)


def spacing(pixels: int, controls: int, products: int) -> int:
    """Pixels between the nodes of a grid that takes about ``products`` evaluations.

    An evaluation is of one control point at one node. From then on as many nodes remain, and the
    work grows with the control points.

    Args:
        pixels: how many the grid covers.
        controls: how many control points the field has.
        products: how many evaluations are fine.
    """
    return max(1, math.ceil(math.sqrt(pixels * min(controls / products, 1 / NODES))))


def sampled(field: Field, grid: Tensor) -> Field:
    """``field`` at the points of ``grid`` (h, w, 2), interpolated in between."""
    nodes = field(grid.reshape(-1, 2)).view(-1, *grid.shape).movedim(-1, 1)
    extent = (grid[-1, -1] - grid[0, 0]).clamp_min(1.0)

    def between(pixels: Tensor) -> Tensor:
        at = (pixels - grid[0, 0]) / extent * 2 - 1
        at = at.expand(len(nodes), 1, -1, -1)
        values = functional.grid_sample(nodes, at, "bilinear", align_corners=True)
        return values[:, :, 0].movedim(1, -1)

    return between


def grid_over(pixels: Tensor, step: int) -> Tensor:
    """Points ``(h, w, 2)``, ``step`` apart, over the box that holds ``pixels`` ``(M, 2)``."""
    low, high = pixels.amin(0), pixels.amax(0)
    ends = zip(low.tolist(), high.tolist(), strict=True)
    x, y = (torch.arange(start, end + step, step) for start, end in ends)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).float()


def smallest_area(field: Tensor, step: float) -> float:
    """The smallest area, over all pixels and frames, that one pixel's area becomes.

    Zero or less means that the field folds. ``field`` is ``(T, h, w, 2)`` sampled every ``step``
    pixels.
    """
    if min(field.shape[1:3]) < 2:
        return 1.0
    right = (field[:, :-1, 1:] - field[:, :-1, :-1]) / step
    down = (field[:, 1:, :-1] - field[:, :-1, :-1]) / step
    area = (1 + right[..., 0]) * (1 + down[..., 1]) - right[..., 1] * down[..., 0]
    return float(area.min())


def _by_parts(field: Field, pixels: Tensor, controls: int) -> Tensor:
    size = max(1, CHUNK // controls)
    # A lone pixel may be called contiguous with strides that no complex number can have.
    fresh = pixels.clone(memory_format=torch.contiguous_format)
    parts = [field(part) for part in fresh.split(size)]
    return torch.view_as_real(torch.cat(parts, dim=1))
