"""Transforms of regions and playback, as every condition reads them."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema import CameraMove, CameraPath, Drag, Keyframe, Motion, MotionError, Region, Tracks
from kinema.interfaces import DepthMap, Scene
from kinema.motion.transform import placed, state_at
from kinema_conditions.camera import camera_frames
from kinema_conditions.camera_trajectory import CameraTrajectory
from kinema_conditions.configs import (
    CameraTrajectoryConfig,
    DenseTrajectoryConfig,
    GaussianTrajectoryConfig,
    MotionMaskConfig,
    PointTracksConfig,
    RegionTrajectoryConfig,
)
from kinema_conditions.dense_trajectory import DenseTrajectory
from kinema_conditions.gaussian_trajectory import GaussianTrajectory
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.layered_motion import LayeredMotion
from kinema_conditions.motion_mask import MotionMask
from kinema_conditions.point_tracks import PointTracks
from kinema_conditions.region_trajectory import RegionTrajectory

CANVAS = (96, 64)
FRAMES = 7
BOX = [(20, 15), (60, 15), (60, 45), (20, 45)]

CONDITIONS: dict[str, Any] = {
    "region-trajectory": lambda: RegionTrajectory(RegionTrajectoryConfig()),
    "motion-mask": lambda: MotionMask(MotionMaskConfig()),
    "camera-trajectory": lambda: CameraTrajectory(CameraTrajectoryConfig()),
    "gaussian-trajectory": lambda: GaussianTrajectory(GaussianTrajectoryConfig()),
    "layered-motion": lambda: LayeredMotion(LayeredMotionConfig()),
    "dense-trajectory": lambda: DenseTrajectory(DenseTrajectoryConfig()),
    "point-tracks": lambda: PointTracks(PointTracksConfig()),
}


def scene(frames: int = FRAMES) -> Scene:
    wall = torch.full((CANVAS[1], CANVAS[0]), 3.0)
    return Scene(frames=frames, depth=lambda: DepthMap(depth=wall, metric=True, source="test"))


def signal_of(name: str, motion: Motion, frames: int = FRAMES) -> list[torch.Tensor]:
    made = CONDITIONS[name]().from_motion(motion, scene(frames))
    maps = [] if made.maps is None and made.shape is None else [made.dense()]
    return maps + ([] if made.tracks is None else [*made.points()])


def transformed(*keyframes: Keyframe, **options: Any) -> Motion:
    region = Region(polygon=BOX, transform=keyframes, **options)
    return Motion(canvas=CANVAS, regions=[region])


numbers = st.floats(-30, 30).map(lambda value: round(value, 2))
keyframes = st.builds(
    Keyframe,
    time=st.sampled_from([0.25, 0.5, 0.75, 1.0]),
    dx=numbers,
    dy=numbers,
    turn=st.floats(-200, 200).map(lambda value: round(value, 1)),
    scale=st.sampled_from([0.5, 1.0, 1.0, 1.7]),
    easing=st.sampled_from(["linear", "ease-in-out", "gentle"]),
)


@pytest.mark.parametrize("name", CONDITIONS)
@settings(max_examples=8, deadline=None)
@given(
    given=st.lists(keyframes, min_size=1, max_size=3, unique_by=lambda each: each.time),
    pivot=st.none() | st.just((25.0, 50.0)),
    playback=st.sampled_from([("once", 1), ("loop", 2), ("ping-pong", 1)]),
)
def test_a_transform_is_the_drags_that_it_stands_for(
    name: str, given: list[Keyframe], pivot: Any, playback: Any
) -> None:
    motion = attrs.evolve(
        transformed(*given, pivot=pivot),
        drags=[Drag([(80, 10), (90, 30)], times=[0.1, 0.8], easing="gentle")],
        playback=playback[0],
        cycles=playback[1],
    )
    plain = motion.written_out(FRAMES)
    assert plain.playback == "once"
    assert not any(region.transform for region in plain.regions)
    for ours, theirs in zip(signal_of(name, motion), signal_of(name, plain), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "keyframe",
    [
        Keyframe(turn=90),
        Keyframe(turn=-300, dx=7, dy=-3),
        Keyframe(scale=0.4, turn=20),
        Keyframe(scale=2.5, dy=11),
        Keyframe(dx=13.5, dy=4),
    ],
)
@pytest.mark.parametrize("pivot", [None, (58.0, 16.0), (-40.0, 100.0)])
def test_a_turn_is_exact_everywhere_in_the_region(keyframe: Keyframe, pivot: Any) -> None:
    motion = transformed(keyframe, pivot=pivot)
    maps = LayeredMotion().from_motion(motion, scene()).dense()
    inside = motion.regions[0].rasterize(CANVAS)
    rows, columns = np.nonzero(inside)
    places = np.stack([columns, rows], axis=1).astype(float)
    middle = pivot or tuple(places.mean(0))
    for frame in range(FRAMES):
        state = state_at(motion.regions[0].transform, frame / (FRAMES - 1))
        wanted = placed(places, middle, state) - places
        found = maps[frame, :2].numpy()[:, inside].T
        assert np.abs(found - wanted).max() < 1e-3
    assert not maps[:, :2].numpy()[:, :, ~inside].any()


def test_turning_is_clockwise_as_people_see_it() -> None:
    maps = LayeredMotion().from_motion(transformed(Keyframe(turn=90)), scene()).dense()
    # What is above the middle (40, 30) goes to the right of it.
    assert torch.allclose(maps[-1, :2, 20, 40], torch.tensor([10.0, 10.0]), atol=1e-3)


def test_points_of_a_region_scale_with_it() -> None:
    motion = transformed(Keyframe(scale=2.0))
    tracks, _ = PointTracks(PointTracksConfig(step=8)).from_motion(motion, scene()).points()
    middle = torch.tensor([40.0, 30.0])
    assert tracks.shape[1] > 8
    assert torch.allclose(tracks[-1] - middle, 2 * (tracks[0] - middle), atol=1e-3)


def test_two_drags_scale_a_region_only_if_it_may() -> None:
    drags = [Drag([(30, 30), (25, 30)]), Drag([(50, 30), (55, 30)])]
    for scaling, wanted in ((False, 0.0), (True, -5.0)):
        region = Region(polygon=BOX, scaling=scaling)
        motion = Motion(canvas=CANVAS, regions=[region], drags=drags)
        maps = LayeredMotion().from_motion(motion, scene()).dense()
        assert maps[-1, 1, 20, 40] == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("playback", ["loop", "ping-pong"])
def test_playback_reads_the_same_motion_at_other_times(name: str, playback: Any) -> None:
    # An anchor drifts over the whole clip in these, as published.
    drifting = name in ("region-trajectory", "camera-trajectory", "gaussian-trajectory")
    anchors = [] if drifting else [Drag([(55, 40)])]
    tracks = Tracks(points=[[(80, 50)], [(85, 55)], [(70, 40)], [(60, 30)], [(75, 40)]])
    once = Motion(
        canvas=CANVAS,
        regions=[Region(polygon=BOX)],
        drags=[Drag([(30, 30), (50, 20), (45, 40)]), *anchors],
        tracks=tracks,
    )
    back = attrs.evolve(once, playback=playback)
    # Eight frames of a round show the times 0, 1/8, ...; those of 9 or 5 frames played once.
    frames, of = (8, 9) if playback == "loop" else (8, 5)
    order = [0, 1, 2, 3, 4, 5, 6, 7] if playback == "loop" else [0, 1, 2, 3, 4, 3, 2, 1]
    for ours, theirs in zip(signal_of(name, back, frames), signal_of(name, once, of), strict=True):
        assert torch.allclose(ours.float(), theirs[order].float(), atol=2e-3)


def test_playback_goes_for_the_camera_too() -> None:
    path = CameraPath(moves=[CameraMove("pan", 10, "gentle"), CameraMove("dolly", 0.2)])
    motion = Motion(canvas=CANVAS, camera=path, playback="ping-pong")
    camera = motion.written_out(8).camera
    assert camera is not None
    _, poses = camera_frames(camera, 8, CANVAS, 3.0)
    _, there = camera_frames(path, 5, CANVAS, 3.0)
    assert torch.allclose(poses, there[[0, 1, 2, 3, 4, 3, 2, 1]])
    rigid = [tuple(map(tuple, pose[:3].tolist())) for pose in there]
    given = Motion(
        canvas=CANVAS, camera=CameraPath(world_to_camera=rigid), playback="ping-pong"
    ).written_out(8)
    assert given.camera is not None
    assert torch.allclose(camera_frames(given.camera, 8, CANVAS, 3.0)[1], poses, atol=1e-6)


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_is_drawn_twice_is_refused(name: str) -> None:
    motion = attrs.evolve(transformed(Keyframe(turn=20)), drags=[Drag([(30, 30), (50, 30)])])
    with pytest.raises(MotionError, match=r"moves by its transform, and drag 0 would move it as"):
        signal_of(name, motion)


@pytest.mark.parametrize("name", CONDITIONS)
def test_regions_that_come_and_go(name: str) -> None:
    region = Region(polygon=BOX, name="cup", appears=0.4, vanishes=0.9)
    motion = Motion(canvas=CANVAS, regions=[region], drags=[Drag([(30, 30), (50, 30)])])
    if name not in ("layered-motion", "dense-trajectory", "point-tracks"):
        with pytest.raises(MotionError, match=rf"'cup' appears or vanishes .* {name} says only"):
            signal_of(name, motion)
        return
    inside = torch.from_numpy(region.rasterize(CANVAS))
    wanted = torch.tensor([not (t < 0.4 or t >= 0.9) for t in np.linspace(0, 1, FRAMES)])
    made = CONDITIONS[name]().from_motion(motion, scene())
    if name == "point-tracks":
        assert torch.equal(made.visible, wanted[:, None].expand_as(made.visible))
        return
    seen = made.channel("depth") > 0 if name == "layered-motion" else made.channel("visible") > 0
    assert torch.equal(seen[:, inside].all(1), wanted)
    assert torch.equal(seen[:, inside].any(1), wanted)
    assert bool(seen[:, ~inside].all())


def test_a_region_that_only_vanishes_has_points() -> None:
    motion = Motion(canvas=CANVAS, regions=[Region(polygon=BOX, vanishes=0.5)])
    made = PointTracks(PointTracksConfig()).from_motion(motion, scene())
    tracks, visible = made.points()
    assert tracks.shape[1] > 0
    assert torch.equal(tracks[0], tracks[-1])
    assert visible[:3].all()
    assert not visible[3:].any()
