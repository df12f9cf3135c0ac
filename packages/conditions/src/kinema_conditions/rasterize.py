"""Drags, tracks and regions as pixels: shared by every condition that fills maps."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from kinema.errors import MotionError
from kinema.interfaces import Scene
from kinema.motion.drag import Drag, Interpolation
from kinema.motion.motion import Motion
from kinema.signals import Observation

#: How far a still anchor drifts by the last frame, so that a network can tell "hold this still"
#: from "nothing was said here" (as published).
HOLD_DRIFT = (1.0, 1.0)

#: How far below a whole number a coordinate may lie by rounding alone, in pixels.
ROUNDING = 1e-6


@attrs.frozen(eq=False, kw_only=True)
class PointPaths:
    """Points of the photo and where each is in every frame.

    Attributes:
        places: ``(T, N, 2)`` float64 canvas pixels.
        visible: ``(T, N)`` bool; a point says nothing about a frame in which it is not seen.
    """

    places: Tensor
    visible: Tensor

    @property
    def starts(self) -> Tensor:
        """``(N, 2)`` float64 canvas pixels."""
        return self.places[0]

    @property
    def displacement(self) -> Tensor:
        """``(T, N, 2)`` float32 pixels from the start."""
        return (self.places - self.starts).float()


def signal_device(scene: Scene) -> torch.device:
    """Where the maps of a signal are made: beside the photo, else on the CPU."""
    return torch.device("cpu") if scene.image is None else scene.image.device


def check_scene(motion: Motion, scene: Scene) -> None:
    """Refuse a photo that is not on the motion's canvas.

    Raises:
        MotionError: the sizes differ.
    """
    width, height = motion.canvas
    if scene.image is not None and tuple(scene.image.shape[-2:]) != (height, width):
        shape = tuple(scene.image.shape)
        raise MotionError(
            f"The photo {shape!r} is not on the motion's canvas of {width}x{height}. Fit one to "
            "the other first (Motion.fitted)."
        )


def refuse_vanishing(motion: Motion, condition: str) -> None:
    """Refuse regions that appear or vanish, for conditions that say only where things go.

    Raises:
        MotionError: there is one.
    """
    for region in motion.regions:
        if not region.is_always_seen:
            raise MotionError(
                f"The region {region.label()} appears or vanishes during the clip; {condition} "
                "says only where things go. The conditions layered-motion, dense-trajectory and "
                "point-tracks know when a region is seen."
            )


def point_paths(motion: Motion, frames: int, interpolation: Interpolation) -> PointPaths:
    """The tracks and then the drags of a Motion, T points each; still anchors drift.

    A track that is not seen for a while stays as :class:`kinema.Tracks` says, and one that is not
    seen in frame 0, or never again, says nothing: no pixel of the photo is known to go anywhere. So
    every point that is left counts in every frame.

    Raises:
        MotionError: fewer than two frames.
    """
    drags = [_held(drag).path(frames, interpolation) for drag in motion.drags]
    places = np.stack(drags, axis=1) if drags else np.zeros((frames, 0, 2))
    visible = np.ones(places.shape[:2], dtype=bool)
    if motion.tracks is not None:
        tracks, seen = motion.tracks.arrays(frames)
        known = np.array(motion.tracks.seen) & seen[1:].any(axis=0)
        places = np.concatenate([tracks[:, known], places], axis=1)
        visible = np.ones(places.shape[:2], dtype=bool)
    return PointPaths(places=torch.from_numpy(places), visible=torch.from_numpy(visible))


def _held(drag: Drag) -> Drag:
    if not drag.is_anchor:
        return drag
    (x, y) = drag.points[0]
    return Drag([(x, y), (x + HOLD_DRIFT[0], y + HOLD_DRIFT[1])], easing=drag.easing)


def start_pixel(x: float, y: float) -> tuple[int, int]:
    """The pixel a point belongs to: its coordinates cut to whole numbers, as published.

    What the rounding of a resized canvas took from a whole number is given back first.
    """
    return int(x + ROUNDING), int(y + ROUNDING)


def block(x: float, y: float, k: int, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the k x k block around a start, clipped at the canvas ``(W, H)``.

    Rows run from ``int(y) - k // 2``, k of them; columns likewise. The start's own pixel is always
    inside, so a start on the canvas never loses its block.
    """
    column, row = start_pixel(x, y)
    left, top = column - k // 2, row - k // 2
    rows = slice(max(top, 0), min(top + k, size[1]))
    return rows, slice(max(left, 0), min(left + k, size[0]))


def fill_blocks(maps: Tensor, paths: PointPaths, values: Tensor, k: int) -> Tensor:
    """Write each point's value into its k x k block; later points win where blocks overlap.

    Args:
        maps: ``(T, C, H, W)``, changed in place.
        paths: where the N points start, and the frames in which each is seen; where it is not, the
            map stays as it is.
        values: ``(T, N, C)``.
        k: side of the block.

    Returns:
        ``maps``.
    """
    size = (maps.shape[-1], maps.shape[-2])
    values = values.to(maps.device, maps.dtype)
    seen = paths.visible.to(maps.device)
    always = paths.visible.all(0).tolist()
    for n, (x, y) in enumerate(paths.starts.tolist()):
        rows, columns = block(x, y, k, size)
        value = values[:, n, :, None, None]
        if always[n]:
            maps[:, :, rows, columns] = value
        else:
            maps[seen[:, n], :, rows, columns] = value[seen[:, n]]
    return maps


def block_union(paths: PointPaths, k: int, canvas: tuple[int, int]) -> Tensor:
    """Bool ``(H, W)``: the blocks of every point that is seen in some frame after the first."""
    width, height = canvas
    mask = torch.zeros(height, width, dtype=torch.bool)
    seen = paths.visible[1:].any(0).tolist()
    for n, (x, y) in enumerate(paths.starts.tolist()):
        if seen[n]:
            mask[block(x, y, k, canvas)] = True
    return mask


def region_union(motion: Motion) -> Tensor:
    """Bool ``(H, W)``: the brushed regions of a Motion, united.

    Raises:
        MotionError: a mask cannot be read, or has another size than the canvas.
    """
    width, height = motion.canvas
    mask = np.zeros((height, width), dtype=bool)
    for region in motion.regions:
        mask |= region.rasterize(motion.canvas)
    return torch.from_numpy(mask)


def keep_regions(seen: Tensor, k: int, ratio: Tensor, generator: torch.Generator) -> Tensor:
    """A random choice of k x k regions, as published: kept where a draw exceeds ``ratio``.

    A region also needs its centre to be seen. All draws come from ``generator``, on its device, so
    that the choice is the same wherever the maps are.

    Args:
        seen: bool ``(H, W)``, whether a pixel is visible in every frame.
        k: side of a region; the last row and column of regions are clipped where k does not divide
            the canvas.
        ratio: 0-d, the expected share of regions left out.
        generator: the source of the draws.

    Returns:
        bool ``(H, W)``, True inside kept regions.
    """
    height, width = seen.shape
    rows, columns = -(-height // k), -(-width // k)
    draws = torch.rand(rows, columns, generator=generator, device=generator.device)
    kept = (draws > ratio.to(draws.device)).to(seen.device)
    row = (torch.arange(rows, device=seen.device) * k + k // 2).clamp(max=height - 1)
    column = (torch.arange(columns, device=seen.device) * k + k // 2).clamp(max=width - 1)
    kept &= seen[row[:, None], column]
    return kept.repeat_interleave(k, 0).repeat_interleave(k, 1)[:height, :width]


def draw_ratio(r_min: float, generator: torch.Generator) -> Tensor:
    """A 0-d share drawn uniformly from ``[r_min, 1]``, on the generator's device."""
    return r_min + (1.0 - r_min) * torch.rand((), generator=generator, device=generator.device)


def sample_regions(
    observation: Observation, k: int, r_min: float, generator: torch.Generator
) -> Tensor:
    """The flow inside random regions that stay visible: maps ``(T, 2, H, W)`` float32.

    ``flow x visibility x choice`` of :func:`keep_regions`, with a share left out that is itself
    drawn from ``[r_min, 1]``.
    """
    ratio = draw_ratio(r_min, generator)
    kept = keep_regions(observation.visible.all(0), k, ratio, generator)
    return (
        torch.where(kept[..., None], observation.displacement, 0.0).permute(0, 3, 1, 2).contiguous()
    )
