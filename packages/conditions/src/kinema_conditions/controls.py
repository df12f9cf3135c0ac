"""Control points of a Motion, and the region that each of them moves."""

from __future__ import annotations

import itertools

import attrs
import torch
from torch import Tensor

from kinema.errors import MotionError
from kinema.motion.drag import Interpolation
from kinema.motion.motion import Motion
from kinema.motion.region import layer_map
from kinema.motion.timing import frame_times
from kinema_conditions.deformation import rigid_field


@attrs.frozen(eq=False, kw_only=True)
class Controls:
    """Points of the photo that say where it goes: the drags and then the tracks of a Motion.

    Attributes:
        starts: ``(N, 2)`` float32 canvas pixels.
        moves: ``(T, N, 2)`` float32 pixels from the start.
        visible: ``(T, N)`` bool, whether a point is seen in a frame.
        layers: ``(N,)`` the number of the region that each moves, 0 where there is none.
    """

    starts: Tensor
    moves: Tensor
    visible: Tensor
    layers: Tensor

    def of(self, layer: int) -> Controls:
        """Those of one layer that are seen in frame 0, each counting in every frame.

        Where one is not seen, it stays as :class:`kinema.Tracks` says. In a region it goes on with
        those that are seen, as parts of one thing do.
        """
        mine = self.only((self.layers == layer) & self.visible[0])
        moves = carried_on(mine) if layer else mine.moves
        return attrs.evolve(mine, moves=moves, visible=torch.ones_like(mine.visible))

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
            raise MotionError(region.emptiness(motion.canvas))
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


def carried_on(points: Controls) -> Tensor:
    """Displacements ``(T, N, 2)`` in which a point that is hidden goes on with those that are seen.

    From where it was last seen, and until it is seen again, it moves by the rigid field of the
    points that are seen then as now, and rests where there is none.
    """
    moves = points.moves.clone()
    for (last, back), gone in _gaps(points.visible).items():
        away = slice(last + 1, back)
        seen = points.visible[away] & points.visible[last]
        told = seen.any(1)
        if not bool(told.any()):
            continue
        seen = seen[told]
        after, before = points.moves[away][told], points.moves[last].expand(len(seen), -1, -1)
        field = rigid_field(
            points.starts[gone], points.starts, torch.cat([after, before]), torch.cat([seen, seen])
        )
        change = torch.zeros(len(told), len(gone), 2)
        change[told] = field[: len(seen)] - field[len(seen) :]
        # In a frame that shows none of them, all stay where they were.
        upto = torch.where(told, torch.arange(len(told)), -1).cummax(0).values
        change = torch.where((upto >= 0)[:, None, None], change[upto.clamp_min(0)], 0.0)
        moves[away, gone] = moves[last, gone] + change
    return moves


def _gaps(visible: Tensor) -> dict[tuple[int, int], list[int]]:
    """The points that are last seen in one frame and next in another (T: never), by both."""
    gaps: dict[tuple[int, int], list[int]] = {}
    for point, flags in enumerate(visible.T.tolist()):
        seen = [*(frame for frame, flag in enumerate(flags) if flag), len(flags)]
        for last, back in itertools.pairwise(seen):
            if back > last + 1:
                gaps.setdefault((last, back), []).append(point)
    return gaps
