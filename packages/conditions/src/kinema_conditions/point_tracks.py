"""The condition ``point-tracks``: points of the photo and where each is in every frame."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.motion.region import at_points
from kinema.signals import MotionSignal, Observation
from kinema_conditions.camera import camera_frames, project_tracks
from kinema_conditions.configs import PointTracksConfig
from kinema_conditions.controls import Controls, controls_of, layers_of, seen_layers
from kinema_conditions.deformation import rigid_field
from kinema_conditions.rasterize import check_scene, signal_device
from kinema_conditions.scene_depth import depth_notes, scene_depth


@attrs.frozen(eq=False)
class _Points:
    """``places`` (T, N, 2) float64 canvas pixels and ``visible`` (T, N)."""

    places: Tensor
    visible: Tensor


class PointTracks:
    """Point tracks of all that a Motion moves, for controllers that carry latents along.

    Wan-Move (2025) and ATI (2025) are steered so. In this order, so that what a person drew comes
    last and wins where points share a place: the camera's points on a grid over the canvas, the
    points of regions on a grid in each, ``Tracks`` as they are, and the drags.
    """

    channels: tuple[str, ...] = ()

    def __init__(self, config: PointTracksConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """Tracks ``(T, N, 2)`` in pixels of the canvas, and where each is visible.

        A region's points move as rigidly as the drags and tracks that start in it allow, by the
        field of ``layered-motion``; they are hidden where none of these is seen. A region that
        nothing moves rests. A camera path takes every point on from there, at the depth that it
        starts at; its grid leaves out the regions that move, and what is nearer than half a step to
        a drag or track that no region holds, for these have points of their own.

        A point is visible where it is in front of the camera and on the canvas. What moves in front
        of it is not taken into account: nothing in a Motion says how far away that is. What a
        Motion's own tracks say of hidden points moves nothing.

        Raises:
            MotionError: the photo or the depth is not on the canvas, a camera path has no depth, or
                a mask cannot be read or is empty.
        """
        check_scene(motion, scene)
        motion = motion.written_out(scene.frames, self.config.interpolation)
        layers = layers_of(motion)
        controls, places = controls_of(motion, scene.frames, layers, self.config.interpolation)
        # A track that is hidden in frame 0 says where it is, but not how far it has come.
        movers = controls.only(controls.visible[0])
        drags = len(motion.drags)
        seen = seen_layers(motion, scene.frames)
        visible = controls.visible & seen[:, controls.layers]
        notes: list[str] = []
        points = _joined(
            self._camera(motion, layers, movers, notes),
            *self._regions(motion, layers, movers, seen, notes),
            _Points(places[:, drags:], visible[:, drags:]),
            _Points(places[:, :drags], visible[:, :drags]),
        )
        if motion.camera is not None:
            points = _carried(motion, scene, points, notes)
        points = _on_canvas(points, motion.canvas)
        device = signal_device(scene)
        return MotionSignal(
            tracks=points.places.float().to(device),
            visible=points.visible.to(device),
            notes=tuple(dict.fromkeys(notes)),
        )

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The tracks of random points of the clip, 1 to ``points`` of them.

        They are drawn without repetition among all pixels, and visible where the clip shows them on
        the canvas. Some are hidden from a random frame on (``tail_dropout``), and some clips have
        none (``no_points``).
        """
        frames, height, width, _ = observation.displacement.shape
        device = generator.device
        most = min(self.config.points, height * width)
        count = 1 + int(torch.randint(most, (), generator=generator, device=device))
        chosen = torch.randperm(height * width, generator=generator, device=device)[:count]
        chosen = chosen.to(observation.displacement.device)
        starts = torch.stack([chosen % width, chosen // width], dim=1)
        moves = observation.displacement.reshape(frames, -1, 2)[:, chosen]
        seen = observation.visible.reshape(frames, -1)[:, chosen]
        if self.config.tail_dropout:
            seen = seen & self._kept_tails(frames, count, generator).to(seen.device)
        if self.config.no_points and self.config.no_points > float(
            torch.rand((), generator=generator, device=device)
        ):
            starts, moves, seen = starts[:0], moves[:, :0], seen[:, :0]
        points = _on_canvas(_Points(starts + moves, seen), (width, height))
        return MotionSignal(tracks=points.places.float(), visible=points.visible)

    def _kept_tails(self, frames: int, count: int, generator: torch.Generator) -> Tensor:
        """Bool ``(T, N)``: false from a random frame on, but for frame 0, of some points."""
        device = generator.device
        ends = torch.randint(1, frames, (count,), generator=generator, device=device)
        cut = torch.rand(count, generator=generator, device=device) < self.config.tail_dropout
        return ~cut | (torch.arange(frames, device=device)[:, None] < ends)

    # -- the points of a Motion ---------------------------------------------------------------

    def _camera(
        self, motion: Motion, layers: Tensor, movers: Controls, notes: list[str]
    ) -> _Points:
        """The grid that the camera alone moves, at rest."""
        frames = len(movers.moves)
        if motion.camera is None or not self.config.camera:
            return _resting(torch.zeros(0, 2), frames)
        moved = movers.layers.unique()
        starts, step = self._grid(~torch.isin(layers, moved[moved > 0]), notes)
        free = movers.starts[movers.layers == 0]
        if len(free):
            starts = starts[torch.cdist(starts, free).amin(1) >= step / 2]
        return _resting(starts, frames)

    def _regions(
        self, motion: Motion, layers: Tensor, movers: Controls, seen: Tensor, notes: list[str]
    ) -> list[_Points]:
        """The points of each region that drags or tracks move, or that comes or goes."""
        found = []
        passing = (~seen).any(0).nonzero()[:, 0].tolist()
        chosen = sorted({*movers.layers.tolist(), *passing} - {0})
        for layer in chosen if self.config.regions else ():
            starts, _ = self._grid(layers == layer, notes)
            mine = movers.of(layer)
            if not len(mine.starts):
                still = starts.double().expand(len(seen), -1, -1)
                found.append(_Points(still, seen[:, layer, None].expand(-1, len(starts))))
                continue
            field = rigid_field(
                starts,
                mine.starts,
                mine.moves,
                mine.visible,
                falloff=self.config.falloff,
                scaling=motion.regions[layer - 1].scaling,
            )
            # A frame in which no control point is seen shows nothing of its region.
            told = movers.visible[:, movers.layers == layer].any(1) & seen[:, layer]
            visible = told[:, None].expand(-1, len(starts))
            found.append(_Points(starts.double() + field.double(), visible))
        return found

    def _grid(self, inside: Tensor, notes: list[str]) -> tuple[Tensor, int]:
        """Points ``(N, 2)`` on a grid where ``inside`` (H, W) holds, and the step between them.

        The grid grows coarser until there are at most ``points`` of them. Where there is none, the
        pixel in the middle stands for all.
        """
        step = self.config.step
        while len(found := _nodes(inside, step)) > self.config.points:
            step += max(1, step // 4)
        if step > self.config.step:
            notes.append(
                f"point-tracks: a grid of every {self.config.step} pixels has more than "
                f"{self.config.points} points; it is {step} pixels wide"
            )
        if not len(found):
            rest = inside.nonzero().flip(1).float()
            found = (
                rest[(rest - rest.mean(0)).square().sum(1).argmin()][None] if len(rest) else rest
            )
        return found, step


def _nodes(inside: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel of both axes where ``inside`` ``(H, W)``: ``(N, 2)``, x before y."""
    first = step // 2
    return (inside[first::step, first::step].nonzero().flip(1) * step + first).float()


def _resting(places: Tensor, frames: int) -> _Points:
    still = places.double().expand(frames, -1, -1)
    return _Points(still, torch.ones(frames, len(places), dtype=torch.bool))


def _joined(*points: _Points) -> _Points:
    return _Points(
        torch.cat([some.places for some in points], dim=1),
        torch.cat([some.visible for some in points], dim=1),
    )


def _on_canvas(points: _Points, canvas: tuple[int, int]) -> _Points:
    x, y = points.places.unbind(-1)
    inside = (x >= -0.5) & (x < canvas[0] - 0.5) & (y >= -0.5) & (y < canvas[1] - 0.5)
    return _Points(points.places, points.visible & inside)


def _carried(motion: Motion, scene: Scene, points: _Points, notes: list[str]) -> _Points:
    """The points as the moving camera sees them."""
    assert motion.camera is not None
    found = scene_depth(motion, scene)
    notes.extend(depth_notes(motion, found))
    depth = found.depth.detach().cpu().float().numpy()
    camera = camera_frames(motion.camera, scene.frames, motion.canvas, float(found.depth.median()))
    # The first place that is seen; a hidden one before it may be padding.
    first = points.visible.int().argmax(0)
    starts = points.places[first, torch.arange(len(first))]
    near = torch.from_numpy(at_points(depth, starts.numpy()))
    carried, z = project_tracks(points.places, near, *camera)
    ahead = z > 0
    # Behind the camera a point has no place; it stays where it started.
    places = torch.where(ahead[..., None], carried.double(), points.places[:1])
    places[0] = points.places[0]  # lifting it and projecting it back is exact to 1e-5 px
    return _Points(places, points.visible & ahead)
