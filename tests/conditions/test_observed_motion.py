"""The motion of clips that are known exactly, as trackers see it, and as conditions take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import kinema as k
from kinema.interfaces import DepthMap, Scene
from kinema.observing.observe import with_camera
from kinema_conditions.configs import DenseTrajectoryConfig
from kinema_conditions.dense_trajectory import DenseTrajectory
from kinema_conditions.synthetic import SyntheticClip, calibration_clip, generate
from kinema_conditions.tracker_configs import DisConfig, GroundTruthConfig
from kinema_conditions.trackers.dis import Dis
from kinema_conditions.trackers.ground_truth import GroundTruth

SIZE = (288, 192)


@pytest.fixture(scope="module")
def clip() -> SyntheticClip:
    return calibration_clip(SIZE, 6)


def error(clip: SyntheticClip, motion: k.Motion) -> tuple[float, float]:
    """Mean distance from the truth of what is truly seen, and how often visibility is right."""
    assert motion.tracks is not None
    points, visible = motion.tracks.arrays()
    truth, seen = (each.numpy() for each in clip.track(torch.from_numpy(points[0]).float()))
    away = np.linalg.norm(points - truth, axis=-1)
    return float(away[seen & visible].mean()), float((seen == visible).mean())


def test_the_tracks_of_an_exact_clip_return(clip: SyntheticClip) -> None:
    """Of the tracker's own error nothing is added: the same points of its dense motion."""
    motion = k.observe(k.Video(clip.frames.numpy(), clip.fps), Dis(DisConfig()), grid=16)
    away, right = error(clip, motion)
    assert motion.canvas == SIZE
    assert away < 1.0
    assert right > 0.9
    assert motion.tracks is not None
    points, visible = motion.tracks.arrays()
    places, seen = Dis(DisConfig()).track(clip.frames, torch.from_numpy(points[0]).float())
    assert (visible == seen.numpy()).all()
    assert float(np.abs(points - places.numpy())[visible].max()) < 2e-3


def test_what_is_known_exactly_returns_exactly() -> None:
    known = generate(0, 3, (96, 64), 5)
    motion = k.observe(
        k.Video(known.frames.numpy(), known.fps), GroundTruth(GroundTruthConfig(index=3)), grid=8
    )
    away, right = error(known, motion)
    assert away < 1e-3
    assert right == 1.0


def plane(frames: int, size: tuple[int, int]) -> Scene:
    return Scene(
        frames=frames,
        depth=lambda: DepthMap(depth=torch.full(size[::-1], 3.0), metric=False, source="a wall"),
    )


def dense(motion: k.Motion, frames: int) -> Any:
    condition = DenseTrajectory(DenseTrajectoryConfig())
    return condition.from_motion(motion, plane(frames, motion.canvas)).maps


def test_a_camera_path_and_the_rest_give_the_tracks_again(clip: SyntheticClip) -> None:
    """Where the tracks started, the dense field of the split motion goes where they went."""
    motion = k.observe(k.Video(clip.frames.numpy(), clip.fps), Dis(DisConfig()), grid=24)
    assert motion.tracks is not None
    points, visible = motion.tracks.arrays()
    split = with_camera(motion)
    assert split.camera is not None
    maps = dense(split, 6).numpy()
    x, y = np.rint(points[0]).astype(int).T
    there = maps[:, 2, y, x] > 0
    away = np.linalg.norm(points - points[:1] - np.moveaxis(maps[:, :2, y, x], 1, -1), axis=-1)
    assert float(np.median(away[-1][visible[-1] & there[-1]])) < 1.0
    moved = np.linalg.norm(points[-1] - points[0], axis=-1)[visible[-1]]
    assert float(np.median(moved)) > 4.0


def test_a_dense_trajectory_is_that_of_the_object_over_that_of_the_camera() -> None:
    """The object falls in one clip, the scene slides in the other."""
    grid = np.stack(np.meshgrid(np.arange(2.0, 94, 6), np.arange(2.0, 62, 6)), -1).reshape(-1, 2)
    times = np.linspace(0, 1, 5)[:, None, None]
    mask = np.zeros((64, 96), bool)
    mask[16:40, 30:60] = True
    falls = k.Motion(canvas=(96, 64), tracks=k.Tracks(points=grid + times * (0, 12)))
    slides = k.Motion(canvas=(96, 64), tracks=k.Tracks(points=grid + times * (9, 0)))
    still = dense(k.compose(falls, slides, mask), 5)
    along = dense(k.compose(falls, slides, mask, along=True), 5)
    inside = torch.from_numpy(mask)
    for maps, wanted in ((still, (0.0, 12.0)), (along, (9.0, 12.0))):
        for axis in (0, 1):
            assert float((maps[-1, axis][inside] - wanted[axis]).abs().max()) < 0.05
        outside = ~inside & (maps[-1, 2] > 0)
        assert float((maps[-1, 0][outside] - 9.0).abs().max()) < 0.05
        assert float(maps[-1, 1][outside].abs().max()) < 0.05
