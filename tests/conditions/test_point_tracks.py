"""Point tracks of drags, tracks, regions and cameras."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kinema import CameraPath, Drag, InputError, Motion, MotionError, Region, Tracks
from kinema.interfaces import Condition, DepthMap, Scene
from kinema.signals import MotionSignal, Observation, stack
from kinema.testing import ConditionContract
from kinema.testing.scenes import moving_square
from kinema_conditions.configs import PointTracksConfig
from kinema_conditions.point_tracks import PointTracks

BOX = Region(polygon=[(24, 16), (63, 16), (63, 47), (24, 47)], name="box")
CORNERS = [Region(polygon=[(70, 5), (95, 5), (95, 40), (70, 40)], name="corner")]


def told(
    motion: Motion, frames: int = 5, depth: float | None = None, **options: Any
) -> MotionSignal:
    wall = None
    if depth is not None:
        width, height = motion.canvas
        found = DepthMap(depth=torch.full((height, width), depth), metric=True, source="wall")
        wall = lambda: found  # noqa: E731
    scene = Scene(frames=frames, depth=wall)
    return PointTracks(PointTracksConfig(**options)).from_motion(motion, scene)


def points(signal: MotionSignal) -> tuple[torch.Tensor, torch.Tensor]:
    assert signal.tracks is not None
    assert signal.visible is not None
    return signal.tracks, signal.visible


class TestPointTracks(ConditionContract):
    def make(self) -> Condition:
        return PointTracks(PointTracksConfig())

    def motions(self) -> list[Motion]:
        two = [[(10.0, 10.0), (40.0, 30.0)], [(14.0, 12.0), (44.0, 30.0)]]
        return [
            *super().motions(),
            Motion(canvas=(96, 64), tracks=Tracks(points=two)),
            Motion(canvas=(96, 64), camera=CameraPath.parse("truck:0.2"), drags=[Drag([(9, 9)])]),
        ]


def test_a_drag_is_the_track_of_its_path() -> None:
    drag = Drag([(40, 30), (50, 20), (60, 36)])
    tracks, visible = points(told(Motion(canvas=(96, 64), drags=[drag])))
    assert tracks.shape == (5, 1, 2)
    assert torch.allclose(tracks[:, 0], torch.from_numpy(drag.path(5)).float())
    assert bool(visible.all())


def test_an_anchor_holds_still() -> None:
    tracks, _ = points(told(Motion(canvas=(96, 64), drags=[Drag([(40, 30)])])))
    assert torch.equal(tracks, tracks[:1].expand_as(tracks))


def test_a_point_that_leaves_the_canvas_is_not_visible() -> None:
    tracks, visible = points(told(Motion(canvas=(96, 64), drags=[Drag([(80, 30), (120, 30)])])))
    assert float(tracks[-1, 0, 0]) == 120.0
    assert visible[:, 0].tolist() == [True, True, False, False, False]


def test_hidden_samples_of_tracks_change_nothing_that_is_visible() -> None:
    def motion(hidden: float) -> Motion:
        path = [[(30.0, 30.0)], [(34.0, 30.0)], [(hidden, hidden)], [(42.0, 30.0)], [(46.0, 30.0)]]
        flags = [[True], [True], [False], [True], [True]]
        tracks = Tracks(points=path, visible=flags)
        return Motion(canvas=(96, 64), tracks=tracks, regions=[BOX])

    tracks, visible = points(told(motion(0.0)))
    others, same = points(told(motion(90.0)))
    assert torch.equal(visible, same)
    assert torch.equal(tracks[visible], others[visible])
    assert not bool(visible[2].any())
    assert bool(visible[3].all())


def test_a_track_that_is_hidden_at_first_moves_no_region_and_no_depth() -> None:
    def motion(start: float) -> Motion:
        path = [[(start, 20.0), (30.0, 30.0)], [(50.0, 30.0), (32.0, 30.0)]]
        tracks = Tracks(points=path, visible=[[False, True], [True, True]])
        camera = CameraPath.parse("truck:0.1")
        return Motion(canvas=(96, 64), tracks=tracks, regions=[BOX, *CORNERS], camera=camera)

    ramp = torch.linspace(1.0, 3.0, 96).expand(64, 96).contiguous()
    found = DepthMap(depth=ramp, metric=True, source="ramp")
    scene = Scene(frames=2, depth=lambda: found)
    condition = PointTracks(PointTracksConfig())
    made = [points(condition.from_motion(motion(x), scene)) for x in (26.0, 90.0)]
    assert torch.equal(made[0][1], made[1][1])
    assert torch.equal(made[0][0][made[0][1]], made[1][0][made[1][1]])


def test_tracks_are_resampled_from_their_visible_samples_alone() -> None:
    path = [[(10.0, 10.0)], [(90.0, 60.0)], [(20.0, 10.0)], [(30.0, 10.0)], [(40.0, 10.0)]]
    flags = [[True], [False], [True], [True], [True]]
    motion = Motion(canvas=(96, 64), tracks=Tracks(points=path, visible=flags))
    tracks, visible = points(told(motion, frames=9))
    assert visible[:, 0].tolist() == [True, *[False] * 3, *[True] * 5]
    assert torch.allclose(tracks[4:, 0], torch.tensor([[20.0 + 5 * n, 10.0] for n in range(5)]))


def test_the_points_of_a_region_move_as_its_drags_do() -> None:
    drags = [Drag([(30, 30), (42, 36)]), Drag([(50, 40), (62, 46)])]
    signal = told(Motion(canvas=(96, 64), drags=drags, regions=[BOX]), step=8)
    tracks, visible = points(signal)
    inside = tracks[0, :-2]
    assert len(inside) >= 12
    assert bool((inside[:, 0] >= 24).all() & (inside[:, 0] <= 63).all())
    moved = tracks[-1, :-2] - inside
    assert torch.allclose(moved, torch.tensor([12.0, 6.0]).expand_as(moved), atol=1e-3)
    assert bool(visible[0].all())


def test_a_region_that_nothing_moves_has_no_points() -> None:
    tracks, _ = points(told(Motion(canvas=(96, 64), drags=[Drag([(5, 5), (9, 5)])], regions=[BOX])))
    assert tracks.shape[1] == 1


def test_what_a_person_drew_comes_last() -> None:
    drag = Drag([(30, 30), (42, 36)])
    tracks, _ = points(told(Motion(canvas=(96, 64), drags=[drag], regions=[BOX])))
    assert tracks.shape[1] > 1
    assert tracks[0, -1].tolist() == [30.0, 30.0]


def test_a_camera_path_carries_a_grid_and_the_drags_with_it() -> None:
    drag = Drag([(30, 30), (42, 30)])
    motion = Motion(canvas=(96, 64), camera=CameraPath.parse("truck:0.1"), drags=[drag])
    tracks, visible = points(told(motion, depth=2.0, step=16))
    alone, _ = points(told(Motion(canvas=(96, 64), camera=motion.camera), depth=2.0, step=16))
    assert tracks.shape[1] == alone.shape[1] + 1 == 6 * 4 + 1
    slide = alone[-1] - alone[0]
    # Before a wall, a camera that goes sideways slides everything alike.
    assert float(slide[0, 0]) < -1.0
    assert torch.allclose(slide, slide[:1].expand_as(slide), atol=1e-3)
    ridden = tracks[-1, -1] - tracks[0, -1]
    assert torch.allclose(ridden, slide[0] + torch.tensor([12.0, 0.0]), atol=1e-3)
    assert bool(visible[0].all())
    assert not bool(visible[-1].all())


def test_a_camera_leaves_moving_regions_and_what_is_near_a_drag_to_them() -> None:
    drags = [Drag([(40, 30), (50, 30)]), Drag([(9, 9), (9, 20)])]
    motion = Motion(
        canvas=(96, 64), camera=CameraPath.parse("truck:0.1"), drags=drags, regions=[BOX]
    )
    tracks, _ = points(told(motion, depth=2.0, step=8, regions=False))
    grid = tracks[0, :-2]
    inside = torch.from_numpy(BOX.rasterize((96, 64)))
    assert not bool(inside[grid[:, 1].long(), grid[:, 0].long()].any())
    assert float(torch.cdist(grid, torch.tensor([[9.0, 9.0]])).min()) >= 4.0
    slide = tracks[-1, 0] - tracks[0, 0]
    every, _ = points(told(motion, depth=2.0, step=8))
    moved = (every[-1] - every[0])[:-2]
    region = inside[every[0, :-2, 1].long(), every[0, :-2, 0].long()]
    assert int(region.sum()) == every.shape[1] - tracks.shape[1] >= 12
    expected = slide + torch.tensor([10.0, 0.0])
    assert torch.allclose(moved[region], expected.expand(int(region.sum()), 2), atol=1e-2)
    assert torch.allclose(moved[~region], slide.expand(int((~region).sum()), 2), atol=1e-2)


def test_without_points_of_its_own_a_camera_still_moves_the_others() -> None:
    motion = Motion(canvas=(96, 64), camera=CameraPath.parse("truck:0.1"), drags=[Drag([(9, 9)])])
    tracks, _ = points(told(motion, depth=2.0, camera=False))
    assert tracks.shape[1] == 1
    assert float(tracks[-1, 0, 0]) < 8.0


def test_what_falls_behind_the_camera_is_hidden_where_it_started() -> None:
    near = torch.full((64, 96), 3.0)
    near[50:] = 0.5
    scene = Scene(frames=4, depth=lambda: DepthMap(depth=near, metric=True, source="test"))
    motion = Motion(canvas=(96, 64), camera=CameraPath.parse("dolly:0.4"))
    tracks, visible = points(PointTracks(PointTracksConfig()).from_motion(motion, scene))
    low = tracks[0, :, 1] >= 50
    assert not bool(visible[-1, low].any())
    assert torch.equal(tracks[-1, low], tracks[0, low])


def test_a_motion_that_says_nothing_has_no_points() -> None:
    signal = told(Motion(canvas=(96, 64)))
    assert points(signal)[0].shape == (5, 0, 2)
    assert signal.without_motion().frames == 5


def test_a_camera_path_needs_depth() -> None:
    with pytest.raises(MotionError, match="camera path, which needs the photo's depth"):
        told(Motion(canvas=(96, 64), camera=CameraPath.parse("pan:5")))


def test_a_large_canvas_gets_a_coarser_grid() -> None:
    motion = Motion(canvas=(832, 480), camera=CameraPath.parse("pan:5"))
    signal = told(motion, depth=2.0, points=200)
    assert 100 < points(signal)[0].shape[1] <= 200
    assert signal.notes == (
        "point-tracks: a grid of every 16 pixels has more than 200 points; it is 47 pixels wide",
        "depth: wall",
    )


def test_a_thin_region_has_a_point_all_the_same() -> None:
    thin = Region(polygon=[(33, 17), (35, 17), (35, 19), (33, 19)])
    motion = Motion(canvas=(96, 64), drags=[Drag([(34, 18), (60, 30)])], regions=[thin])
    tracks, _ = points(told(motion))
    assert tracks.shape[1] == 2


def test_an_observation_gives_random_points_of_the_clip() -> None:
    seen = moving_square()
    condition = PointTracks(PointTracksConfig(points=64))
    counts = set()
    for seed in range(6):
        signal = condition.from_observation(seen, torch.Generator().manual_seed(seed))
        tracks, visible = points(signal)
        counts.add(tracks.shape[1])
        starts = tracks[0].long()
        assert len({tuple(p) for p in starts.tolist()}) == len(starts)
        moved = seen.displacement[:, starts[:, 1], starts[:, 0]]
        assert torch.allclose(tracks, starts + moved)
        assert torch.equal(visible[0], seen.visible[0, starts[:, 1], starts[:, 0]])
    assert len(counts) > 3
    assert max(counts) <= 64


def test_observed_points_off_the_canvas_are_not_visible() -> None:
    displacement = torch.zeros(3, 4, 4, 2)
    displacement[2, ..., 0] = 10.0
    seen = Observation(displacement=displacement, visible=torch.ones(3, 4, 4, dtype=torch.bool))
    condition = PointTracks(PointTracksConfig())
    _, visible = points(condition.from_observation(seen, torch.Generator().manual_seed(0)))
    assert bool(visible[1].all())
    assert not bool(visible[2].any())


def test_tails_are_dropped_from_a_random_frame_on() -> None:
    seen = moving_square()
    every = torch.ones_like(seen.visible)
    seen = Observation(displacement=torch.zeros_like(seen.displacement), visible=every)
    condition = PointTracks(PointTracksConfig(points=1000, tail_dropout=0.2))
    whole = PointTracks(PointTracksConfig(points=1000))
    ends: list[int] = []
    for seed in range(40):
        generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
        tracks, visible = points(condition.from_observation(seen, generators[0]))
        plain, _ = points(whole.from_observation(seen, generators[1]))
        assert torch.equal(tracks, plain)  # the same points, only hidden earlier
        assert bool(visible[0].all())
        assert bool((visible[1:] <= visible[:-1]).all())
        ends += visible.sum(0).tolist()
    frames = len(seen.visible)
    counts = torch.bincount(torch.tensor(ends), minlength=frames + 1) / len(ends)
    assert float(counts[frames]) == pytest.approx(0.8, abs=0.02)
    assert counts[1:frames].tolist() == pytest.approx([0.2 / (frames - 1)] * (frames - 1), abs=0.01)


def test_some_clips_have_no_points() -> None:
    condition = PointTracks(PointTracksConfig(points=4, no_points=0.3))
    found = [
        condition.from_observation(moving_square(), torch.Generator().manual_seed(seed))
        for seed in range(200)
    ]
    counts = [points(signal)[0].shape[1] for signal in found]
    assert counts.count(0) / 200 == pytest.approx(0.3, abs=0.08)
    # A batch of clips with and without points is filled up with hidden ones.
    batch = stack([found[counts.index(0)], found[counts.index(4)]])
    assert batch.visible is not None
    assert not bool(batch.visible[0].any())


@pytest.mark.parametrize("option", [{"tail_dropout": -0.1}, {"no_points": 1.5}])
def test_shares_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"must be within \[0, 1\]"):
        PointTracksConfig(**option)


@pytest.mark.parametrize("option", [{"step": 0}, {"points": 0}, {"falloff": 0.0}])
def test_options_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^point-tracks needs step and points of at least 1"):
        PointTracksConfig(**option)
