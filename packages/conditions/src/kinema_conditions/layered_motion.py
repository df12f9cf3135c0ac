"""The condition ``layered-motion``: where every pixel of the photo goes, and what covers what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.controls import Controls, controls_of, layers_of, seen_layers
from kinema_conditions.deformation import (
    CORE,
    TOP,
    Field,
    grid_over,
    rigid_field,
    smallest_area,
    soft_field,
    spacing,
    steepest,
)
from kinema_conditions.inside import LARGEST
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.layered_maps import LayeredMaps, Lens, Mover
from kinema_conditions.scene_depth import depth_notes, scene_depth

#: What a pixel's area may at least become in a soft field; at 0 the field folds.
SMALLEST_AREA = 0.05

#: Nodes times control points that each test for folds may look at, unless that leaves few nodes.
TESTED = 2_000_000

#: How often a soft field that folds is tried again, with radii how much wider, and cores and tops
#: how much smaller: wide sharp cones fall evenly from one control point to the next.
TRIES, WIDENING, SHARPENING = 7, 1.15, 0.5


@attrs.frozen
class LayeredMotion:
    """Dense motion of the whole photo in layers.

    Channels, each ``(T, H, W)`` and read at the pixels of frame 0:

    * ``dx``, ``dy``: pixels from there to where the pixel's content is in frame t.
    * ``depth``: its depth along the camera's axis in frame t, in the unit of the depth estimate;
      1 everywhere without a camera path. Zero or less is behind the camera, and exactly 0 where a
      region has not appeared yet or has vanished.
    * ``layer``: 0 for the background, i for the Motion's i-th region; higher covers lower.
    * ``cover``: how much of the pixel the topmost region covers that reaches into it, from 0 to 1,
      as its mask says in grey. Less than half is the fringe of a region beside the pixel.
    * ``attached``: 1 where the layer is a region that stretches at its outline, -1 where it is one
      that is cut out, 0 where the Motion does not say.

    A drag, anchor or track moves the region that :meth:`~kinema.Motion.moved_layers` says, else a
    soft neighbourhood of the background. Inside a region the field is as rigid as its control
    points allow (as similar, if the region may scale); one without any stays where it is. Under a
    camera path, control points move the photo's pixels as the first camera sees them, the pixels
    keep their depth, and the path takes them from there.
    """

    config: LayeredMotionConfig = attrs.field(factory=LayeredMotionConfig)
    channels: tuple[str, ...] = ("dx", "dy", "depth", "layer", "cover", "attached")

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """Maps ``(T, 6, H, W)`` float32 on the Motion's canvas.

        Raises:
            MotionError: a mask cannot be read or is empty, or a camera path has no depth of the
                canvas's size.
        """
        frames = scene.frames
        motion = motion.written_out(frames, self.config.interpolation)
        notes: list[str] = []
        layers = layers_of(motion)
        controls, _ = controls_of(motion, frames, layers, self.config.interpolation)
        movers = []
        for layer in sorted(set(controls.layers.tolist())):
            mine = controls.of(layer)
            if not mine.still:
                scaling = self.config.scaling or (layer > 0 and motion.regions[layer - 1].scaling)
                field = self._rigid(mine, scaling) if layer else self._soft(motion, mine, notes)
                movers.append(Mover(layer, len(mine.starts), field))
        lens = None
        if motion.camera is not None:
            found = scene_depth(motion, scene)
            notes.extend(depth_notes(motion, found))
            depth = found.depth.detach().cpu().float()
            lens = Lens.of(motion.camera, depth, frames, motion.canvas)
        seen = seen_layers(motion, frames)
        made = LayeredMaps(frames, layers, _cover(motion), _attached(motion), movers, lens, seen)
        if self.config.inside:
            notes.append(_inside_note(made.stay_inside()))
        maps = made.some(slice(0, frames)) if made.small else made
        return MotionSignal(maps=maps, channels=self.channels, notes=tuple(notes))

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The observed flow itself: maps ``(T, 6, H, W)``, one layer, depth 1. Not random."""
        flow = observation.displacement
        maps = flow.new_zeros(len(flow), 6, *flow.shape[1:3])
        maps[:, :2] = flow.movedim(-1, 1)
        maps[:, 2] = 1.0
        return MotionSignal(maps=maps, channels=self.channels)

    def _rigid(self, mine: Controls, scaling: bool) -> Callable[[slice], Field]:
        return lambda frames: partial(
            rigid_field,
            starts=mine.starts,
            moves=mine.moves[frames],
            visible=mine.visible[frames],
            falloff=self.config.falloff,
            scaling=scaling,
        )

    def _soft(self, motion: Motion, mine: Controls, notes: list[str]) -> Callable[[slice], Field]:
        """The soft field with the smallest radii that do not fold."""
        width, height = motion.canvas
        frames = len(mine.moves)
        reach = mine.moves.norm(dim=-1).amax(0)
        smallest = max(2.0, self.config.softness * min(motion.canvas))
        core = min(CORE, smallest / 3)
        radius = (core + reach * (steepest() / self.config.squeeze)).clamp_min(smallest)
        step = max(1, max(motion.canvas) // 128, spacing(width * height, len(reach), TESTED))
        grid = grid_over(torch.tensor([[0.0, 0.0], [width - 1.0, height - 1.0]]), step)
        top = TOP
        for _ in range(TRIES):
            field = partial(_bumps, mine, radius, core, top)
            nodes = field(slice(0, frames))(grid.reshape(-1, 2)).view(-1, *grid.shape)
            if smallest_area(nodes, step) > SMALLEST_AREA:
                if float(radius.max()) > max(motion.canvas):
                    notes.append(
                        f"A drag without a region goes {float(reach.max()):.0f} pixels and takes "
                        "most of the picture along; brush a region for what should move."
                    )
                return field
            radius, core, top = radius * WIDENING, core * SHARPENING, top * SHARPENING
        notes.append(
            "Drags without a region cross or meet, so the picture folds between them; brush a "
            "region for what should move."
        )
        return field


def _bumps(mine: Controls, radius: Tensor, core: float, top: float, frames: slice) -> Field:
    return partial(
        soft_field,
        starts=mine.starts,
        moves=mine.moves[frames],
        visible=mine.visible[frames],
        radius=radius,
        core=core,
        top=top,
    )


def _inside_note(scale: float) -> str:
    if scale >= LARGEST:
        return (
            f"even a zoom of {LARGEST:g} does not keep the sides of the photo out of view; choose "
            "a smaller move"
        )
    if scale <= 1.0:
        return "the motion stays inside the photo as it is"
    return f"zoomed in by up to {scale:.2f} to stay inside the photo"


def _cover(motion: Motion) -> Tensor:
    """How much of each pixel the topmost region covers that reaches into it, (H, W)."""
    width, height = motion.canvas
    cover = torch.zeros(height, width)
    for region in motion.regions:
        share = torch.from_numpy(region.coverage(motion.canvas))
        cover = torch.where(share > 0, share, cover)
    return cover


def _attached(motion: Motion) -> Tensor:
    """What the Motion says of each layer from 0: 1 is attached, -1 is cut out, 0 is nothing."""
    says = {True: 1.0, False: -1.0, None: 0.0}
    return torch.tensor([0.0, *(says[region.attached] for region in motion.regions)])
