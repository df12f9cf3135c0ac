"""Control points of a Motion, and the region that each of them moves."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.errors import MotionError
from kinema.motion.drag import Interpolation
from kinema.motion.motion import Motion
from kinema.motion.region import layer_map
from kinema.motion.timing import frame_times


@attrs.frozen(eq=False, kw_only=True)
class Controls:
    """Points of the photo that say where it goes: the drags and then the tracks of a Motion.

    Attributes:
        starts: ``(N, 2)`` float32 canvas pixels.
        moves: ``(T, N, 2)`` float32 pixels from the start.
        visible: ``(T, N)`` bool, whether a point counts in a frame.
        layers: ``(N,)`` the number of the region that each moves, 0 where there is none.
    """

    starts: Tensor
    moves: Tensor
    visible: Tensor
    layers: Tensor

    def of(self, layer: int) -> Controls:
        """Those of one layer; a frame that shows none of them trusts all of them."""
        mine = self.only(self.layers == layer)
        visible = mine.visible | ~mine.visible.any(1, keepdim=True)
        return attrs.evolve(mine, visible=visible)

    def only(self, chosen: Tensor) -> Controls:
        """Those where ``chosen`` ``(N,)``."""
        return Controls(
            starts=self.starts[chosen],
            moves=self.moves[:, chosen],
            visible=self.visible[:, chosen],
            layers=self.layers[chosen],
        )

    @property
    def still(self) -> bool:
        """Whether none of them moves."""
        return not bool(self.moves.any())


def layers_of(motion: Motion) -> Tensor:
    """The layer of every pixel ``(H, W)``: the topmost region's number from 1, or 0.

    Raises:
        MotionError: a mask cannot be read, or is empty.
    """
    masks = [region.rasterize(motion.canvas) for region in motion.regions]
    for region, inside in zip(motion.regions, masks, strict=True):
        if not inside.any():
            raise MotionError(
                f"The region {region.label()} has no pixel on the canvas of {motion.canvas[0]}x"
                f"{motion.canvas[1]}; there is nothing it could move. Draw it larger, or leave it "
                "out."
            )
    return torch.from_numpy(layer_map(masks, motion.canvas))


def seen_layers(motion: Motion, frames: int) -> Tensor:
    """Which layers are seen in which frame, bool ``(T, L + 1)``; the background always is."""
    times = frame_times(frames)
    seen = [[True, *(region.is_seen(time) for region in motion.regions)] for time in times]
    return torch.tensor(seen, dtype=torch.bool)


def controls_of(
    motion: Motion, frames: int, layers: Tensor, interpolation: Interpolation
) -> tuple[Controls, Tensor]:
    """The control points of a Motion, and where they are: ``(T, N, 2)`` float64 canvas pixels."""
    paths = [torch.from_numpy(drag.path(frames, interpolation)) for drag in motion.drags]
    visible = torch.ones(frames, len(paths), dtype=torch.bool)
    places = torch.stack(paths, dim=1) if paths else torch.zeros(frames, 0, 2).double()
    if motion.tracks is not None:
        points, seen = motion.tracks.arrays(frames)
        places = torch.cat([places, torch.from_numpy(points)], dim=1)
        visible = torch.cat([visible, torch.from_numpy(seen)], dim=1)
    of_drags, of_tracks = motion.moved_layers(layers.numpy())
    controls = Controls(
        starts=places[0].float(),
        moves=(places - places[:1]).float(),
        visible=visible,
        layers=torch.tensor([*of_drags, *of_tracks], dtype=torch.long),
    )
    return controls, places
