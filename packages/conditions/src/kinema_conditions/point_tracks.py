"""The condition ``point-tracks``: points of the photo and where each is in every frame."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.camera import camera_frames, project_tracks
from kinema_conditions.configs import PointTracksConfig
from kinema_conditions.deformation import rigid_field
from kinema_conditions.rasterize import check_scene, signal_device, start_pixel
from kinema_conditions.scene_depth import depth_notes, scene_depth


@attrs.frozen(eq=False)
class _Points:
    """``places`` (T, N, 2) float64 canvas pixels and ``visible`` (T, N)."""

    places: Tensor
    visible: Tensor

    def and_(self, other: _Points) -> _Points:
        return _Points(
            torch.cat([self.places, other.places], dim=1),
            torch.cat([self.visible, other.visible], dim=1),
        )


class PointTracks:
    """Point tracks of all that a Motion moves, for controllers that carry latents along.

    In this order, so that what a person drew comes last and wins where points share a place: the
    camera's points on a grid over the canvas, the points of regions on a grid in each, ``Tracks``
    as they are, and the drags.
    """

    channels: tuple[str, ...] = ()

    def __init__(self, config: PointTracksConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """Tracks ``(T, N, 2)`` in pixels of the canvas, and where each is visible.

        A region's points move as rigidly as the drags and tracks that start in it allow. A camera
        path takes every point on from there, at the depth that it starts at; a point is visible
        where it is in front of the camera and on the canvas. What a Motion's own tracks say of
        hidden points moves nothing.

        Raises:
            MotionError: the photo or the depth is not on the canvas, a camera path has no depth, or
                a mask cannot be read.
        """
        check_scene(motion, scene)
        frames = scene.frames
        drags, tracks = self._drags(motion, frames), self._tracks(motion, frames)
        points = self._grid(motion, frames) if motion.camera else _nothing(frames)
        points = points.and_(self._regions(motion, drags, tracks)).and_(tracks).and_(drags)
        notes: tuple[str, ...] = ()
        if motion.camera is not None:
            found = scene_depth(motion, scene)
            notes = depth_notes(motion, found)
            points = _carried(motion, points, found.depth.detach().cpu())
        points = _on_canvas(points, motion.canvas)
        device = signal_device(scene)
        return MotionSignal(
            tracks=points.places.float().to(device),
            visible=points.visible.to(device),
            notes=notes,
        )

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The tracks of random points of the clip, 1 to ``points`` of them.

        They are drawn without repetition among all pixels, and visible where the clip shows them on
        the canvas.
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
        points = _on_canvas(_Points(starts + moves, seen), (width, height))
        return MotionSignal(tracks=points.places.float(), visible=points.visible)

    # -- the points of a Motion ---------------------------------------------------------------

    def _drags(self, motion: Motion, frames: int) -> _Points:
        paths = [drag.path(frames, self.config.interpolation) for drag in motion.drags]
        if not paths:
            return _nothing(frames)
        places = torch.from_numpy(np.stack(paths, axis=1))
        return _Points(places, torch.ones(places.shape[:2], dtype=torch.bool))

    def _tracks(self, motion: Motion, frames: int) -> _Points:
        if motion.tracks is None:
            return _nothing(frames)
        places, visible = motion.tracks.arrays(frames)
        return _Points(torch.from_numpy(places), torch.from_numpy(visible))

    def _grid(self, motion: Motion, frames: int) -> _Points:
        return _resting(self._places(np.ones((motion.canvas[1], motion.canvas[0]), bool)), frames)

    def _regions(self, motion: Motion, drags: _Points, tracks: _Points) -> _Points:
        frames = len(drags.places)
        if not motion.regions:
            return _nothing(frames)
        layers = motion.layers()
        of_drags, of_tracks = motion.moved_layers(layers)
        controls, under = drags.and_(tracks), torch.tensor([*of_drags, *of_tracks])
        found = _nothing(frames)
        for layer in sorted(set(under.tolist()) - {0}):
            mine = under == layer
            places, seen = controls.places[:, mine], controls.visible[:, mine]
            starts = self._places(layers == layer)
            # A frame in which no control point is seen says nothing of where its region is.
            told = seen.any(1)
            field = rigid_field(
                starts.float(),
                starts=places[0].float(),
                moves=(places - places[:1]).float(),
                visible=seen | ~told[:, None],
                falloff=self.config.falloff,
                scaling=False,
            )
            moved = starts + field.double()
            found = found.and_(_Points(moved, told[:, None].expand(-1, len(starts)).clone()))
        return found

    def _places(self, inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Tensor:
        """Points ``(N, 2)`` on a grid where ``inside`` (H, W) holds; its middle if none is there.

        The grid grows coarser until there are at most ``points`` of them.
        """
        height, width = inside.shape
        step = self.config.step
        while True:
            y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step].reshape(2, -1)
            kept = inside[y, x]
            if kept.sum() <= self.config.points:
                break
            step += max(1, step // 4)
        places = np.stack([x[kept], y[kept]], axis=1)
        if not len(places) and inside.any():
            rows, columns = np.nonzero(inside)
            middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
            places = np.array([[columns[middle], rows[middle]]])
        return torch.from_numpy(places.astype(np.float64))


def _nothing(frames: int) -> _Points:
    empty = torch.zeros(frames, 0, 2, dtype=torch.float64)
    return _Points(empty, torch.zeros(frames, 0, dtype=torch.bool))


def _resting(places: Tensor, frames: int) -> _Points:
    return _Points(places.expand(frames, -1, -1), torch.ones(frames, len(places), dtype=torch.bool))


def _on_canvas(points: _Points, canvas: tuple[int, int]) -> _Points:
    x, y = points.places.unbind(-1)
    inside = (x >= -0.5) & (x < canvas[0] - 0.5) & (y >= -0.5) & (y < canvas[1] - 0.5)
    return _Points(points.places, points.visible & inside)


def _carried(motion: Motion, points: _Points, depth: Tensor) -> _Points:
    """The points as the moving camera sees them."""
    assert motion.camera is not None
    frames = len(points.places)
    camera = camera_frames(motion.camera, frames, motion.canvas, float(depth.median()))
    starts = [start_pixel(x, y) for x, y in points.places[0].clamp_min(0.0).tolist()]
    columns = torch.tensor([x for x, _ in starts]).clamp(0, depth.shape[1] - 1)
    rows = torch.tensor([y for _, y in starts]).clamp(0, depth.shape[0] - 1)
    carried, z = project_tracks(points.places, depth[rows, columns], *camera)
    ahead = z > 0
    # Behind the camera a point has no place; it stays where it started.
    places = torch.where(ahead[..., None], carried.double(), points.places[:1])
    places[0] = points.places[0]  # lifting it and projecting it back is exact to 1e-5 px
    return _Points(places, points.visible & ahead)
