"""What controllers are told of the clips of ``tools/train_tiny_flow.py``, many clips at a time.

The conditions and controllers of kinema make one clip's signals at a time; these give the same
numbers for a batch (``tests/backbones/test_tiny_flow_training.py`` compares them).
"""

from __future__ import annotations

import attrs
import torch
import torch.nn.functional as F
from tiny_flow_clips import SIDE, Clips, Renderer
from torch import Tensor

#: Side of a drag's block and of the regions, in pixels, as region-trajectory has them.
BLOCK = 8

#: Pixels between the points of a region, and cells per pixel of latents.
STEP, CELL = 8, 8

#: Of latent-splat: its spots are about a cell wide on so small a canvas.
TEMPERATURE, TOP_K = 16.0, 2

#: Shares of clips whose motion is not told, and whose tracks are those of the drags alone.
UNTOLD, DRAGS_ALONE = 0.1, 0.25

#: A dragged point is this many pixels from what moves otherwise.
REACH = 2


@attrs.frozen(eq=False)
class Points:
    """Points of each clip and where they go.

    Attributes:
        places: ``(B, T, N, 2)`` pixels.
        visible: bool ``(B, T, N)``.
    """

    places: Tensor
    visible: Tensor

    def chosen(self, part: slice) -> Points:
        """Those of some of the clips."""
        return Points(self.places[part], self.visible[part])


def draw_drags(clips: Clips, draw: Renderer) -> Points:
    """One drag or two of each clip, where ``motion_of`` would draw them; the later ones win."""
    length = clips.moves.norm(dim=2).mean(1)
    last = clips.moves[:, -1]
    spread = -F.max_pool2d(-last, 2 * REACH + 1, 1, REACH)
    spread = (F.max_pool2d(last, 2 * REACH + 1, 1, REACH) - spread).norm(dim=1)
    seen = clips.visible.all(1) & clips.moving
    calm = seen & (spread < 0.2 * last.norm(dim=1) + 0.5)
    free = torch.where(calm.flatten(1).any(1)[:, None, None], calm, seen)
    count = len(length)
    second = draw.rand(count) < 0.5
    places, shown = [], []
    for number in range(2):
        weights = (length * free).flatten(1)
        found = (weights.sum(1) > 0) & (second if number else torch.ones_like(second))
        at = torch.multinomial(weights + 1e-12, 1, generator=draw.generator)[:, 0]
        start = torch.stack([at % SIDE, at // SIDE], dim=-1)
        free = free & ((draw.grid - start[:, None, None]).norm(dim=-1) > SIDE / 8)
        places.append(_followed(clips, start[:, None])[:, :, 0])
        shown.append(found)
    # motion_of's first drag comes first, so a second one wins.
    joined = torch.stack(places, dim=2)
    return Points(joined, torch.stack(shown, dim=1)[:, None].expand(-1, joined.shape[1], -1))


def _followed(clips: Clips, starts: Tensor) -> Tensor:
    """Where whole pixels ``(B, N, 2)`` of frame 0 go, ``(B, T, N, 2)``."""
    flat = starts[..., 1] * SIDE + starts[..., 0]
    index = flat[:, None, None].expand(-1, clips.moves.shape[1], 2, -1)
    moves = clips.moves.flatten(3).gather(3, index).transpose(2, 3)
    places: Tensor = starts[:, None].float() + moves
    return places


def region_maps(clips: Clips, drags: Points, draw: Renderer, regions: float) -> Tensor:
    """dx, dy and the motion mask, ``(B, T, 3, H, W)``.

    Args:
        regions: share of clips that random regions tell of instead of drags.
    """
    count = len(clips.moves)
    x, y = draw.grid.unbind(-1)
    told = torch.zeros_like(clips.moves)
    mask = clips.moving.clone()
    for number in range(drags.places.shape[2]):
        path = drags.places[:, :, number]
        left, top = (path[:, 0].int() - BLOCK // 2).unbind(-1)
        block = (x >= left[:, None, None]) & (x < left[:, None, None] + BLOCK)
        block &= (y >= top[:, None, None]) & (y < top[:, None, None] + BLOCK)
        block &= drags.visible[:, 0, number, None, None]
        moves = (path - path[:, :1])[..., None, None]
        told = torch.where(block[:, None, None], moves, told)
        mask |= block
    kept = _kept_regions(clips, draw)
    random = draw.rand(count) < regions
    told = torch.where(random[:, None, None, None, None], clips.moves * kept[:, None, None], told)
    mask = torch.where(random[:, None, None], clips.moving, mask)
    maps = torch.cat([told, mask[:, None, None].float().expand(-1, told.shape[1], -1, -1, -1)], 2)
    shown: Tensor = maps * (draw.rand(count, 1, 1, 1, 1) >= UNTOLD)
    return shown


def _kept_regions(clips: Clips, draw: Renderer) -> Tensor:
    """Bool ``(B, H, W)``: regions of 8x8 that are seen all the time, a random share of them."""
    seen = clips.visible.all(1)[:, BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK]
    kept: Tensor = seen & (draw.rand(*seen.shape) > draw.rand(len(seen), 1, 1))
    whole: Tensor = kept.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    return whole


def track_points(clips: Clips, drags: Points, draw: Renderer) -> Points:
    """The points of the region of all that moves, on a grid, and then those of the drags."""
    count, frames = clips.moves.shape[:2]
    nodes = draw.grid[STEP // 2 :: STEP, STEP // 2 :: STEP].reshape(1, -1, 2).expand(count, -1, -1)
    places = _followed(clips, nodes.long())
    inside = clips.moving[:, STEP // 2 :: STEP, STEP // 2 :: STEP].flatten(1)
    inside &= draw.rand(count, 1) >= DRAGS_ALONE
    shown = inside[:, None].expand(-1, frames, -1)
    joined = torch.cat([places, drags.places], dim=2)
    on = ((joined >= -0.5) & (joined < SIDE - 0.5)).all(-1)
    return Points(joined, torch.cat([shown, drags.visible], dim=2) & on)


def copied(photo: Tensor, points: Points) -> Tensor:
    """The photo's latents in frame 0, copied along points into empty later frames.

    As ``latent-copy`` does.

    Args:
        photo: ``(B, C, h, w)``.

    Returns:
        ``(B, T, C, h, w)``.
    """
    count, channels, height, width = photo.shape
    # Pixel centres are whole numbers in a motion, and halves where cells are counted.
    column, row = ((points.places + 0.5) / CELL).floor().long().unbind(-1)
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height) & points.visible
    cells = torch.where(within, row * width + column, -1)
    lands = (cells[:, 1:] >= 0) & (cells[:, :1] >= 0)
    spare = height * width
    winner = cells.new_full((count, lands.shape[1], spare + 1), -1)
    order = torch.arange(cells.shape[2], device=cells.device).expand_as(lands)
    target = torch.where(lands, cells[:, 1:], spare)
    winner = winner.scatter_reduce(2, target, order, "amax")[..., :-1]
    source = cells[:, :1].expand(-1, winner.shape[1], -1).gather(2, winner.clamp_min(0))
    index = source.clamp_min(0)[:, :, None].expand(-1, -1, channels, -1)
    taken = photo.flatten(2)[:, None].expand(-1, winner.shape[1], -1, -1).gather(3, index)
    later = torch.where(winner[:, :, None] >= 0, taken, 0.0).unflatten(3, (height, width))
    return torch.cat([photo[:, None], later], dim=1)


def splatted(photo: Tensor, points: Points) -> tuple[Tensor, Tensor]:
    """The photo's latents spread along points into empty later frames, and the mask beside them.

    As ``latent-splat`` does with a temperature of 16.

    Returns:
        ``(B, T, C, h, w)`` and ``(B, T, 1, h, w)``.
    """
    height, width = photo.shape[-2:]
    # Halves of the side from the middle of the canvas, as published.
    places = (points.places + 0.5 - SIDE / 2) * 2 / SIDE
    seen = points.visible[:, 1:].float()
    centres = seen[..., None] * places[:, 1:] / (seen[..., None] + 1e-5)
    lines = [torch.linspace(-1, 1, side, device=photo.device) for side in (width, height)]
    across = (lines[0] - centres[..., :1]) ** 2
    down = (lines[1] - centres[..., 1:]) ** 2
    far = down[..., :, None] + across[..., None, :]
    weights = seen[..., None, None] * torch.exp(-TEMPERATURE * far)
    kept, which = weights.topk(TOP_K, dim=2)
    weights = torch.zeros_like(weights).scatter(2, which, kept)
    starts = places[:, 0].clamp(-1, 1)[:, None]
    features = F.grid_sample(
        photo, starts, mode="bilinear", padding_mode="zeros", align_corners=False
    )[:, :, 0]
    spread = torch.einsum("bcn,btnhw->btchw", features, weights)
    mask = torch.cat([torch.ones_like(weights[:, :1, 0]), weights.sum(2)], dim=1)
    return torch.cat([photo[:, None], spread], dim=1), mask[:, :, None]
