"""The motion of a clip, whatever saw it; its camera; and two motions as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

import kinema as k
from kinema.observing.camera import FOCAL
from kinema.observing.observe import with_camera
from kinema.observing.similarity import similarity

SIZE = (64, 48)


@attrs.frozen
class Drift:
    """Sees everything drift by ``step`` pixels a frame; points left of ``hidden`` it never sees."""

    step: tuple[float, float] = (1.0, 0.5)
    hidden: float = -1.0

    def observe(self, frames: Tensor) -> k.Observation:
        raise AssertionError

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        assert frame == 0
        assert frames.dtype == torch.uint8
        scale = frames.shape[2] / SIZE[0]
        times = torch.arange(len(frames), dtype=torch.float32)[:, None, None]
        moved = points + scale * times * torch.tensor(self.step)
        return moved, (points[:, 0] >= self.hidden).expand(len(frames), -1)


def clip(frames: int = 5, fps: float = 10.0) -> k.Video:
    return k.Video(np.zeros((frames, SIZE[1], SIZE[0], 3), np.uint8), fps)


def tracks(motion: k.Motion, frames: int | None = None) -> tuple[Any, Any]:
    assert motion.tracks is not None
    return motion.tracks.arrays(frames)


def test_the_motion_is_as_large_and_as_long_as_the_clip() -> None:
    motion = k.observe(clip(), Drift(), grid=16)
    points, visible = tracks(motion)
    assert (motion.canvas, motion.fps, motion.duration, motion.frames) == (SIZE, 10.0, 0.5, 5)
    assert points.shape == (5, 12, 2)
    assert visible.all()
    np.testing.assert_allclose(points[4] - points[0], [[4.0, 2.0]] * 12, atol=2e-3)
    assert points[0].min(0).tolist() == [7.5, 7.5]


@pytest.mark.parametrize("count", [1, 7, 40, 256])
def test_about_as_many_points_as_asked_for(count: int) -> None:
    points, _ = tracks(k.observe(clip(), Drift(), points=count))
    assert abs(points.shape[1] - count) <= max(0.15 * count, 1)


def test_points_that_are_given_are_the_points() -> None:
    points, _ = tracks(k.observe(clip(), Drift(), points=[(3, 4), (63, 47)]))
    assert points[0].tolist() == [[3, 4], [63, 47]]


def test_large_frames_are_scaled_down_for_the_tracker_alone() -> None:
    motion = k.observe(clip(), Drift(), points=[(3, 4)], longest=32)
    points, _ = tracks(motion)
    assert motion.canvas == SIZE
    np.testing.assert_allclose(points[4, 0], [7, 6], atol=2e-3)


def test_some_of_the_frames_come_at_even_times() -> None:
    """Of 8 frames 4 are 0, 2, 5 and 7; the tracks are those at 0, 2.33, 4.67 and 7."""

    class EveryFrame(Drift):
        def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
            times = torch.tensor([0.0, 2.0, 5.0, 7.0])[:, None, None]
            return points + times, torch.ones(4, len(points), dtype=torch.bool)

    motion = k.observe(clip(8), EveryFrame(), points=[(3, 4)], frames=4)
    points, _ = tracks(motion)
    np.testing.assert_allclose(points[:, 0, 0] - 3, [0, 7 / 3, 14 / 3, 7], atol=2e-3)
    assert (motion.frames, motion.duration) == (4, 0.8)


def test_a_region_says_where_points_are_and_stays_with_the_motion(tmp_path: Path) -> None:
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[10:30, 20:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    motion = k.observe(clip(), Drift(), grid=4, region=tmp_path / "mask.png")
    points, _ = tracks(motion)
    assert ((points[0] >= (19.5, 9.5)) & (points[0] <= (39.5, 29.5))).all()
    assert points.shape[1] == 25
    assert [region.mask for region in motion.regions] == [str(tmp_path / "mask.png")]


def test_points_that_are_not_seen_at_first_are_left_out() -> None:
    points, visible = tracks(k.observe(clip(), Drift(hidden=32.0), grid=16))
    assert points.shape[1] == 6
    assert visible.all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": 3, "grid": 4}, "not both"),
        ({"points": 0}, "From 1 to"),
        ({"points": [(64, 3)]}, "outside the clip of 64x48, the first of them at .64, 3."),
        ({"points": []}, "0 of 0 points"),
        ({"grid": 0.0}, "positive number of pixels"),
        ({"grid": 0.1}, "at most 20000"),
        ({"frames": 6}, "From 2 to all 5 frames"),
        ({"longest": 4}, "at least 16 pixels"),
        ({"region": np.ones((4, 4), bool)}, "4x4 but the canvas is 64x48"),
        ({"region": np.zeros((48, 64), bool)}, "is empty"),
        ({"tracker": Drift(hidden=99.0)}, "sees none of the"),
        ({"options": {"quality": "fast"}}, "given by its name"),
        ({"clip": clip(1)}, "at least 2 frames"),
        ({"clip": "absent.mp4"}, "does not exist"),
    ],
)
def test_what_cannot_be_observed(given: dict[str, Any], words: str) -> None:
    with pytest.raises(k.InputError, match=words):
        k.observe(**{"clip": clip(), "tracker": Drift(), **given})


def test_an_unknown_tracker_is_named(kinema_plugins: Any) -> None:
    with pytest.raises(k.InputError, match="Unknown tracker 'dsi'"):
        k.observe(clip(), "dsi")


# -- the camera --------------------------------------------------------------------------------


def turned(frames: int = 6) -> tuple[k.Motion, Any]:
    """A camera that pans by 6 degrees, rolls by 2 and zooms by 1.2; the first 8 of 96 move too."""
    focal, centre = FOCAL * SIZE[0], np.array([31.5, 23.5])
    grid = np.stack(np.meshgrid(np.arange(2.0, 62, 5), np.arange(4.0, 44, 5)), -1).reshape(-1, 2)
    own = np.zeros((frames, len(grid), 2))
    own[:, :8, 1] = np.linspace(0, 12, frames)[:, None]
    seen = []
    for frame in range(frames):
        part = frame / (frames - 1)
        turn = Rotation.from_euler("yz", [6 * part, 2 * part], degrees=True).as_matrix()
        rays = np.concatenate([(grid + own[frame] - centre) / focal, np.ones((len(grid), 1))], 1)
        moved = rays @ turn.T
        seen.append(moved[:, :2] / moved[:, 2:] * focal * 1.2**part + centre)
    return k.Motion(canvas=SIZE, tracks=k.Tracks(points=np.array(seen))), own


def test_a_camera_that_turns_and_zooms_is_found_and_what_moves_remains() -> None:
    motion, own = turned()
    found = with_camera(motion)
    assert found.camera is not None
    last = np.array(found.camera.world_to_camera[-1])[:, :3]
    wanted = Rotation.from_euler("yz", [6, 2], degrees=True).as_matrix()
    assert np.degrees(Rotation.from_matrix(last @ wanted.T).magnitude()) < 0.1
    assert found.camera.intrinsics[-1][0] / found.camera.intrinsics[0][0] == pytest.approx(
        1.2, abs=0.005
    )
    points, _ = tracks(found)
    np.testing.assert_allclose(points - points[:1], own, atol=0.3)
    assert not (points - points[:1])[:, 8:].any()


def test_without_anything_that_moves_by_itself_the_camera_is_all() -> None:
    motion, _ = turned()
    points, _ = tracks(motion)
    found = with_camera(attrs.evolve(motion, tracks=k.Tracks(points=points[:, 8:])))
    assert found.tracks is None
    with pytest.raises(k.InputError, match="has no tracks"):
        with_camera(attrs.evolve(found, camera=None))


def test_most_points_say_how_a_thing_moves() -> None:
    starts = np.random.default_rng(0).uniform(0, 60, (20, 2))
    ends = starts @ np.array([[0, 1], [-1, 0]]) * 1.5 + (4, 5)
    wrong = ends.copy()
    wrong[:5] += 30
    np.testing.assert_allclose(similarity(starts, wrong)(starts), ends, atol=0.2)
    np.testing.assert_allclose(similarity(starts[:1], ends[:1])(starts[:1]), ends[:1])


# -- two as one --------------------------------------------------------------------------------


def pair() -> tuple[k.Motion, k.Motion, Any]:
    """An object that falls by 8 pixels; a scene that slides right by 16; and the object's mask."""
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[12:28, 20:40] = True
    falls = k.observe(clip(), Drift((0.0, 2.0)), grid=4, region=mask)
    return falls, k.observe(clip(9), Drift((2.0, 0.0)), grid=4), mask


def test_the_object_lies_over_the_scene() -> None:
    falls, slides, mask = pair()
    motion = k.compose(falls, slides, margin=0)
    points, visible = tracks(motion)
    rows, columns = np.rint(points[0]).astype(int).T[::-1]
    own = mask[rows, columns]
    assert [region.name for region in motion.regions] == ["scene", "object"]
    assert len(points) == 5
    assert own.sum() == 20
    moves = points[-1] - points[0]
    np.testing.assert_allclose(moves[own], [[0.0, 8.0]] * 20, atol=2e-3)
    assert visible[:, own].all()
    # Of the scene every second frame is taken, and what the object covers by then is hidden.
    assert not visible[-1, ~own].all()
    for x, y in points[-1][~own & visible[-1]]:
        assert not (19.5 <= x < 39.5 and 19.5 <= y < 35.5)
    np.testing.assert_allclose(moves[~own & visible[-1]][:, 0], 16.0, atol=2e-3)


def test_the_camera_may_carry_the_object_along() -> None:
    falls, slides, mask = pair()
    points, _ = tracks(k.compose(falls, slides, mask, along=True))
    np.testing.assert_allclose((points[-1] - points[0])[-20:], [[16.0, 8.0]] * 20, atol=0.01)


def test_no_track_of_the_scene_starts_within_the_margin() -> None:
    falls, slides, _ = pair()
    points, _ = tracks(k.compose(falls, slides, margin=8))
    scene = points[0, :-20]
    away = np.maximum(np.maximum((20, 12) - scene, scene - (39, 27)), 0)
    assert len(scene)
    assert np.hypot(*away.T).min() > 7.5


def test_a_camera_path_comes_with_the_tracks_that_it_leaves() -> None:
    falls, _, mask = pair()
    motion, _ = turned()
    moving = with_camera(motion)
    both = k.compose(falls, moving, mask)
    assert both.camera == moving.camera
    assert [region.name for region in both.regions] == ["object"]
    alone = k.compose(falls, attrs.evolve(moving, tracks=None), mask)
    assert tracks(alone)[0].shape[1] == 20


def test_the_scene_is_carried_to_the_canvas_of_the_object() -> None:
    falls, slides, mask = pair()
    points, visible = tracks(k.compose(falls, slides.resized((128, 96)), mask, margin=0))
    scene = points[:, :-20][:, visible[-1, :-20]]
    np.testing.assert_allclose((scene[-1] - scene[0])[:, 0], 16.0, atol=0.01)
    wide = k.observe(clip(), Drift((2.0, 0.0)), grid=4).resized((256, 48))
    assert tracks(k.compose(falls, wide, mask))[0][0].max() < 64


def test_what_cannot_be_composed() -> None:
    falls, slides, mask = pair()
    drags = k.Motion(canvas=SIZE, drags=[[(1, 1), (5, 5)]])
    for first, second, more, words in [
        (drags, slides, {}, "The object's motion has drags"),
        (falls, drags, {}, "The camera's motion has drags"),
        (k.Motion(canvas=SIZE), slides, {"mask": mask}, "object's motion has no tracks"),
        (falls, k.Motion(canvas=SIZE), {}, "neither tracks nor a camera path"),
        (slides, slides, {}, "Nothing says where the object is"),
        (falls, slides, {"mask": np.roll(mask, 20, 0)}, "starts in the mask"),
        (falls, slides, {"margin": 200.0}, "outside the mask and its margin"),
        (falls, slides, {"margin": -1.0}, "at least 0"),
        (falls, slides, {"mask": np.zeros_like(mask)}, "is empty"),
        (falls, slides, {"mask": mask[:4]}, "64x4 but the canvas is 64x48"),
    ]:
        with pytest.raises(k.InputError, match=words):
            k.compose(first, second, **more)
