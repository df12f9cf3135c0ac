"""Layered motion: where every pixel goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from kinema import CameraPath, Drag, Motion, MotionError, Region, Tracks
from kinema.errors import InputError
from kinema.interfaces import DepthMap, Scene
from kinema.signals import MotionSignal, Observation
from kinema_conditions import deformation
from kinema_conditions.camera import camera_frames, project_tracks
from kinema_conditions.deformation import bump, rigid_field, smallest_area, soft_field, steepest
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.layered_motion import TESTED, TRIES, LayeredMotion

CANVAS = (160, 120)
LEFT = Region(polygon=[(20, 20), (70, 20), (70, 90), (20, 90)], name="left")
RIGHT = Region(polygon=[(60, 30), (120, 30), (120, 80), (60, 80)], name="right")

Wall = Callable[..., Scene]


def made(motion: Motion, frames: int = 6, **options: Any) -> MotionSignal:
    config = LayeredMotionConfig(**options)
    return LayeredMotion(config).from_motion(motion, Scene(frames=frames))


def at(signal: MotionSignal, x: int, y: int) -> Tensor:
    """Displacement (T, 2) of one pixel."""
    return signal.dense()[:, :2, y, x]


def path_of(drag: Drag, frames: int = 6) -> Tensor:
    path = drag.path(frames)
    return torch.from_numpy(path - path[0]).float()


# -- the signal -----------------------------------------------------------------------------------


def test_without_camera_the_depth_is_one_and_layers_are_numbered_from_one() -> None:
    signal = made(Motion(canvas=CANVAS, drags=[Drag([(40, 50), (60, 55)])], regions=[LEFT, RIGHT]))
    assert signal.channels == ("dx", "dy", "depth", "layer", "cover", "attached")
    assert signal.notes == ()
    assert bool((signal.channel("depth") == 1).all())
    layer = signal.channel("layer")
    assert bool((layer == layer[0]).all())
    left, right = (torch.tensor(region.rasterize(CANVAS)) for region in (LEFT, RIGHT))
    assert bool((layer[0][right] == 2).all())
    assert bool((layer[0][left & ~right] == 1).all())
    assert bool((layer[0][~left & ~right] == 0).all())
    assert bool((signal.channel("cover") == (layer > 0)).all())
    assert not bool(signal.channel("attached").any())


def test_what_regions_say_of_their_outline_is_told_of_each_of_their_pixels() -> None:
    regions = [attrs.evolve(LEFT, attached=True), attrs.evolve(RIGHT, attached=False)]
    signal = made(Motion(canvas=CANVAS, drags=[Drag([(40, 50), (60, 55)])], regions=regions))
    layer, says = signal.channel("layer"), signal.channel("attached")
    for number, told in enumerate((0, 1, -1)):
        assert bool((says[layer == number] == told).all())


def test_the_grey_of_a_mask_is_coverage_and_its_fringe_lies_over_the_layer(tmp_path: Path) -> None:
    grey = np.zeros((CANVAS[1], CANVAS[0]), np.uint8)
    grey[40:60, 90:120] = 255
    grey[40:60, 88:90], grey[40:60, 120:122] = 64, 192
    Image.fromarray(grey).save(tmp_path / "soft.png")
    soft = Region(mask=tmp_path / "soft.png", name="soft")
    drag = Drag([(100, 50), (110, 50)], region="soft")
    signal = made(Motion(canvas=CANVAS, drags=[drag], regions=[RIGHT, soft]))
    layer, cover = signal.channel("layer")[0], signal.channel("cover")[0]
    assert cover[50, 88].item() == 0.25
    assert 0.7 < cover[50, 121].item() < 0.8
    assert layer[50, 121] == 2
    assert layer[50, 88] in (0, 1)
    assert cover[50, 100] == 1.0


def test_one_long_drag_takes_its_point_along_and_says_how_much_else() -> None:
    drag = Drag([(10, 10), (CANVAS[0] - 5, CANVAS[1] - 5)])
    signal = made(Motion(canvas=CANVAS, drags=[drag]))
    assert torch.allclose(at(signal, 10, 10), path_of(drag), atol=0.01)
    (note,) = signal.notes
    assert note.startswith("A drag without a region goes ")
    assert note.endswith("takes most of the picture along; brush a region for what should move.")
    field = signal.dense()[-1, :2].movedim(0, -1)[None]
    assert smallest_area(field, 1) > 0.2


def test_one_drag_carries_its_whole_region_and_nothing_else() -> None:
    drag = Drag([(40, 50), (55, 40), (70, 60)])
    signal = made(Motion(canvas=CANVAS, drags=[drag], regions=[LEFT]))
    inside = torch.tensor(LEFT.rasterize(CANVAS))
    moves = signal.dense()[:, :2]
    assert torch.allclose(moves[:, :, inside], path_of(drag)[..., None].expand(-1, -1, 3621))
    assert not moves[:, :, ~inside].any()


def test_a_drag_moves_the_topmost_region_under_its_start_unless_it_names_another() -> None:
    start = (65.0, 50.0)
    top = made(Motion(canvas=CANVAS, drags=[Drag([start, (90, 50)])], regions=[LEFT, RIGHT]))
    assert at(top, 100, 50)[-1].tolist() == [25.0, 0.0]
    assert not at(top, 30, 50).any()
    named = Drag([start, (90, 50)], region="left")
    below = made(Motion(canvas=CANVAS, drags=[named], regions=[LEFT, RIGHT]))
    assert not at(below, 100, 50).any()
    assert at(below, 30, 50)[-1].tolist() == [25.0, 0.0]


def test_a_region_without_any_control_stays() -> None:
    motion = Motion(canvas=CANVAS, drags=[Drag([(40, 50), (60, 50)])], regions=[LEFT, RIGHT])
    assert not at(made(motion), 100, 50).any()


def test_a_turn_about_an_anchor_turns_the_whole_region() -> None:
    arm = complex(25, 0)
    turned = [arm * np.exp(1j * math.radians(a)) for a in np.linspace(0, 60, 61)]
    drag = Drag([(45 + p.real, 55 + p.imag) for p in turned])
    signal = made(Motion(canvas=CANVAS, drags=[drag, Drag([(45, 55)])], regions=[LEFT]))
    inside = torch.tensor(LEFT.rasterize(CANVAS)).nonzero()
    own = torch.complex(inside[:, 1].float(), inside[:, 0].float()) - complex(45, 55)
    expected = own * (np.exp(1j * math.radians(60)) - 1)
    found = torch.complex(*signal.dense()[-1, :2, inside[:, 0], inside[:, 1]])
    assert float((found - expected).abs().max()) < 0.05


def test_scaling_lets_a_region_grow() -> None:
    drags = [Drag([(30, 55), (20, 55)]), Drag([(60, 55), (70, 55)])]
    motion = Motion(canvas=CANVAS, drags=drags, regions=[LEFT])
    grown = at(made(motion, scaling=True), 45, 85)[-1]
    rigid = at(made(motion), 45, 85)[-1]
    assert grown[1] > 10
    assert abs(float(rigid[1])) < 1e-3


def test_tracks_move_the_region_under_them() -> None:
    steps = torch.linspace(0, 1, 6)[:, None, None]
    starts = torch.tensor([[30.0, 40.0], [50.0, 70.0]])
    points = (starts + steps * torch.tensor([12.0, -4.0])).tolist()
    signal = made(Motion(canvas=CANVAS, tracks=Tracks(points=points), regions=[LEFT]))
    assert torch.allclose(at(signal, 25, 85)[-1], torch.tensor([12.0, -4.0]), atol=1e-4)
    assert not at(signal, 100, 50).any()


def test_a_track_that_vanishes_goes_on_with_those_of_its_region_that_stay() -> None:
    points = [[(30, 40), (50, 70)], [(40, 40), (50, 90)], [(50, 40), (50, 110)]]
    visible = [[True, True], [True, False], [False, False]]
    tracks = Tracks(points=points, visible=visible)
    signal = made(Motion(canvas=CANVAS, tracks=tracks, regions=[LEFT]), frames=3)
    assert torch.allclose(at(signal, 50, 70)[1], torch.tensor([10.0, 0.0]), atol=1e-4)
    # In a frame that shows none, all stay where they were last seen.
    assert torch.allclose(at(signal, 50, 70)[2], torch.tensor([10.0, 0.0]), atol=1e-4)


@pytest.mark.parametrize("hidden", [(3, 4, 5), (2, 3), (1, 3, 5)])
def test_a_vanished_track_turns_with_its_region(hidden: tuple[int, ...]) -> None:
    """Three points of a turning body; a hidden third moves as if it were still seen."""
    starts = np.array([[60.0, 40.0], [80.0, 40.0], [70.0, 60.0]])
    turns = [np.exp(0.1j * t) for t in range(6)]
    middle = 70 + 45j
    turned = [[middle + turn * (complex(*p) - middle) for p in starts] for turn in turns]
    points = [[(z.real, z.imag) for z in row] for row in turned]
    visible = [[True, True, t not in hidden] for t in range(6)]
    region = Region(polygon=[(50, 30), (90, 30), (90, 70), (50, 70)])
    whole = made(Motion(canvas=CANVAS, tracks=Tracks(points=points), regions=[region]), frames=6)
    partly = Tracks(points=points, visible=visible)
    parts = made(Motion(canvas=CANVAS, tracks=partly, regions=[region]), frames=6)
    inside = region.rasterize(CANVAS)
    difference = (whole.dense()[:, :2] - parts.dense()[:, :2])[..., torch.from_numpy(inside)]
    assert difference.abs().max() < 1e-3


def test_many_tracks_agree_with_few() -> None:
    """The coarse grid of very many control points gives what a computation per pixel gives."""
    x, y = np.meshgrid(np.arange(2, 160, 4.0), np.arange(2, 120, 4.0))
    starts = np.stack([x.ravel(), y.ravel()], axis=1)
    bent = starts + 6 * np.stack([np.sin(starts[:, 1] / 30), np.cos(starts[:, 0] / 40)], axis=1)
    tracks = Tracks(points=[starts.tolist(), bent.tolist()])
    region = Region(polygon=[(0, 0), (159, 0), (159, 119), (0, 119)])
    moves = made(Motion(canvas=CANVAS, tracks=tracks, regions=[region]), frames=2).dense()[1, :2]
    grid = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    expected = 6 * torch.stack([torch.sin(grid[0] / 30), torch.cos(grid[1] / 40)])
    assert float((moves - expected).abs()[:, 8:-8, 8:-8].max()) < 1.0


def test_many_tracks_without_a_region_follow_what_moves() -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform([0, 0], [159, 119], (2000, 2))
    bent = starts + 6 * np.stack([np.sin(starts[:, 1] / 30), np.cos(starts[:, 0] / 40)], axis=1)
    motion = Motion(canvas=CANVAS, tracks=Tracks(points=[starts.tolist(), bent.tolist()]))
    signal = made(motion, frames=2)
    grid = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    expected = 6 * torch.stack([torch.sin(grid[0] / 30), torch.cos(grid[1] / 40)])
    off = (signal.dense()[1, :2] - expected).norm(dim=0)
    assert float(off.mean()) < 1.0
    assert signal.notes == ()


def crossing(count: int, size: tuple[int, int], hidden: bool = False) -> Tracks:
    """Points that go anywhere, so that every test for folds fails."""
    rng = np.random.default_rng(0)
    ends = rng.uniform([0, 0], [size[0] - 1, size[1] - 1], (2, count, 2))
    part = np.linspace(0, 1, 4)[:, None, None]
    seen = rng.random((4, count)) > (0.1 if hidden else -1.0)
    return Tracks(points=(ends[0] * (1 - part) + ends[1] * part).tolist(), visible=seen.tolist())


def evaluations(motion: Motion, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many control points the fields of a Motion are asked about, at all nodes together."""
    asked: list[int] = []
    real = deformation._by_parts

    def counted(field: Any, pixels: Tensor, controls: int) -> Tensor:
        asked.append(len(pixels) * controls)
        return real(field, pixels, controls)

    monkeypatch.setattr(deformation, "_by_parts", counted)
    made(motion, frames=4)
    monkeypatch.undo()
    return sum(asked)


@pytest.mark.parametrize("hidden", [False, True])
def test_the_work_is_no_more_than_linear_in_the_tracks(
    hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (512, 320)
    work = {
        count: evaluations(Motion(canvas=size, tracks=crossing(count, size, hidden)), monkeypatch)
        for count in (400, 2500, 5000)
    }
    for count, asked in work.items():
        least = deformation.NODES * count
        # A grid of whole pixels takes a little more or less than it is asked for.
        assert asked < 1.3 * (TRIES * max(TESTED, least) + max(deformation.DENSE, least))
    assert work[5000] < 2.2 * work[2500]


@pytest.mark.parametrize("count", [5_000, 50_000, 500_000])
def test_a_grid_grows_no_coarser_than_its_fewest_nodes(count: int) -> None:
    step = deformation.spacing(512 * 320, count, deformation.DENSE)
    assert (512 // step) * (320 // step) > 0.7 * deformation.NODES
    assert deformation.spacing(512 * 320, 3, deformation.DENSE) == 1


@pytest.mark.parametrize("scaling", [False, True])
def test_hidden_control_points_are_as_if_absent(scaling: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    starts = torch.rand(8, 2, generator=generator) * 100
    moves = torch.rand(3, 8, 2, generator=generator) * 20
    pixels = torch.rand(40, 2, generator=generator) * 100
    visible = torch.ones(3, 8, dtype=torch.bool)
    visible[1, :5] = False
    visible[2, 2] = False
    radius = torch.full((8,), 60.0)
    rigid = rigid_field(pixels, starts, moves, visible, falloff=1.5, scaling=scaling)
    soft = soft_field(pixels, starts, moves, visible, radius)
    for t in range(3):
        own = visible[t]
        alone = torch.ones(1, int(own.sum()), dtype=torch.bool)
        part = starts[own], moves[t : t + 1, own], alone
        expected = rigid_field(pixels, *part, falloff=1.5, scaling=scaling)
        assert torch.allclose(rigid[t], expected[0], atol=1e-3)
        assert torch.allclose(soft[t], soft_field(pixels, *part, radius[own])[0], atol=1e-3)


def test_an_anchor_in_the_background_holds_it() -> None:
    drag = Drag([(80, 60), (95, 60)])
    free = made(Motion(canvas=CANVAS, drags=[drag]))
    held = made(Motion(canvas=CANVAS, drags=[drag, Drag([(95, 75)])]))
    assert float(at(free, 95, 75)[-1].norm()) > 3
    assert float(at(held, 95, 75)[-1].norm()) < 0.01
    assert torch.allclose(at(held, 80, 60), path_of(drag), atol=0.01)
    assert held.notes == ()


def test_contradicting_drags_are_noted() -> None:
    drags = [Drag([(60, 60), (110, 60)]), Drag([(100, 60), (50, 60)])]
    signal = made(Motion(canvas=CANVAS, drags=drags))
    assert signal.notes == (
        "Drags without a region cross or meet, so the picture folds between them; brush a region "
        "for what should move.",
    )


@settings(max_examples=30, deadline=None)
@given(
    st.integers(45, 115),
    st.integers(45, 75),
    st.floats(-35, 35, allow_nan=False),
    st.floats(-35, 35, allow_nan=False),
)
def test_a_lone_drag_lands_never_folds_and_stays_near(x: int, y: int, dx: float, dy: float) -> None:
    signal = made(Motion(canvas=CANVAS, drags=[Drag([(x, y), (x + dx, y + dy)])]), frames=3)
    moves = signal.dense()[:, :2]
    assert torch.allclose(moves[-1, :, y, x], torch.tensor([dx, dy]).float(), atol=1e-3)
    assert smallest_area(moves.movedim(1, -1), 1.0) > 0.05
    rows, columns = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    reach = max(18.0, 12 + math.hypot(dx, dy) * steepest() / 0.65)
    far = torch.hypot(columns - x, rows - y) > reach + 1
    assert not moves[:, :, far].any()
    assert float(moves.norm(dim=1).max()) <= math.hypot(dx, dy) + 1e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(-15, 25), st.integers(-15, 25))
def test_moving_a_motion_moves_its_signal(right: int, down: int) -> None:
    def signal(x: float, y: float) -> Tensor:
        corners = [(30 + x, 30 + y), (60 + x, 30 + y), (60 + x, 55 + y), (30 + x, 55 + y)]
        drags = [
            Drag([(40 + x, 40 + y), (50 + x, 44 + y)]),
            Drag([(55 + x, 50 + y)]),
            Drag([(100 + x, 60 + y), (104 + x, 62 + y)]),
        ]
        return made(
            Motion(canvas=CANVAS, drags=drags, regions=[Region(polygon=corners)]), 3
        ).dense()

    here, there = signal(0, 0), signal(right, down)
    moved = torch.roll(here, (down, right), dims=(2, 3))
    assert torch.allclose(moved[..., 16:-20, 16:-20], there[..., 16:-20, 16:-20], atol=1e-3)


# -- camera paths ---------------------------------------------------------------------------------


def test_camera_and_drags_compose(wall: Wall) -> None:
    camera = CameraPath.parse("dolly:0.3+pan:4")
    drag = Drag([(40, 50), (60, 40)])
    scene = wall(6, CANVAS, 3.0)
    signal = LayeredMotion().from_motion(
        Motion(canvas=CANVAS, drags=[drag], regions=[LEFT], camera=camera), scene
    )
    intrinsics, poses = camera_frames(camera, 6, CANVAS, 3.0)
    for (x, y), path in {(40, 50): path_of(drag), (130, 100): torch.zeros(6, 2)}.items():
        track = torch.tensor([float(x), float(y)]) + path
        points, z = project_tracks(track[:, None], torch.tensor([3.0]), intrinsics, poses)
        expected = points[:, 0] - torch.tensor([float(x), float(y)])
        assert torch.allclose(at(signal, x, y), expected, atol=1e-3)
        assert torch.allclose(signal.channel("depth")[:, y, x], z[:, 0], atol=1e-4)
    assert float(signal.channel("depth")[-1].mean()) == pytest.approx(3.0 * 0.7, abs=0.05)


def test_what_falls_behind_the_camera_stays_a_number() -> None:
    near = torch.full((120, 160), 3.0)
    near[100:] = 0.5
    scene = Scene(frames=4, depth=lambda: DepthMap(depth=near, metric=True, source="test"))
    signal = LayeredMotion().from_motion(
        Motion(canvas=CANVAS, camera=CameraPath.parse("dolly:0.4")), scene
    )
    assert bool(torch.isfinite(signal.dense()).all())
    assert float(signal.channel("depth")[-1, 110, 80]) < 0
    assert float(signal.dense()[:, :2].abs().max()) <= 4 * 160


def test_a_prior_is_named_in_the_notes_and_a_motion_without_camera_asks_for_no_depth() -> None:
    asked = []

    def depth() -> DepthMap:
        asked.append(True)
        return DepthMap(depth=torch.ones(120, 160), metric=False, source="a guess of the test")

    scene = Scene(frames=3, depth=depth)
    drags = [Drag([(40, 50), (60, 40)])]
    assert LayeredMotion().from_motion(Motion(canvas=CANVAS, drags=drags), scene).notes == ()
    assert not asked
    camera = Motion(canvas=CANVAS, camera=CameraPath.parse("truck:0.1"))
    notes = LayeredMotion().from_motion(camera, scene).notes
    assert any("a guess of the test" in note for note in notes)


# -- observations ---------------------------------------------------------------------------------


def test_an_observation_is_the_flow_itself() -> None:
    flow = torch.randn(4, 24, 32, 2, generator=torch.Generator().manual_seed(0))
    flow[0] = 0
    seen = Observation(displacement=flow, visible=torch.ones(4, 24, 32, dtype=torch.bool))
    signal = LayeredMotion().from_observation(seen, torch.Generator().manual_seed(0))
    assert torch.equal(signal.channel("dx"), flow[..., 0])
    assert torch.equal(signal.channel("dy"), flow[..., 1])
    assert bool((signal.channel("depth") == 1).all())
    assert not signal.channel("layer").any()


# -- fields ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(0, 100, allow_nan=False)] * 4), min_size=1, max_size=6),
    st.booleans(),
)
def test_rigid_fields_take_control_points_where_they_go(
    controls: list[tuple[float, float, float, float]], scaling: bool
) -> None:
    values = torch.tensor(controls)
    starts, moves = values[:, :2].contiguous(), (values[:, 2:] - 50)[None].contiguous()
    apart = torch.cdist(starts, starts) + 1e9 * torch.eye(len(starts))
    if float(apart.min()) < 4:
        return
    visible = torch.ones(1, len(starts), dtype=torch.bool)
    found = rigid_field(starts, starts, moves, visible, scaling=scaling)
    assert torch.allclose(found, moves, atol=0.15)


@settings(max_examples=30, deadline=None)
@given(st.floats(-math.pi, math.pi), st.floats(-50, 50), st.floats(-50, 50), st.integers(2, 5))
def test_rigid_fields_reproduce_rigid_motions(
    angle: float, dx: float, dy: float, count: int
) -> None:
    generator = torch.Generator().manual_seed(count)
    starts = torch.rand(count, 2, generator=generator) * 100
    pixels = torch.rand(50, 2, generator=generator) * 100
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def moved(points: Tensor) -> Tensor:
        return points @ turn.T + torch.tensor([dx, dy]) - points

    visible = torch.ones(1, count, dtype=torch.bool)
    found = rigid_field(pixels, starts, moved(starts)[None], visible)
    assert torch.allclose(found[0], moved(pixels), atol=0.05)


def test_a_bump_is_one_in_the_middle_and_zero_outside_and_never_too_steep() -> None:
    distance = torch.linspace(0, 1.5, 3001)
    height = bump(distance)
    assert float(height[0]) == 1.0
    assert not height[distance >= 1].any()
    slope = height.diff() / distance.diff()
    assert float(slope.max()) <= 1e-4
    assert float(slope.min()) >= -steepest() - 1e-3


def test_close_soft_controls_each_keep_their_own_point() -> None:
    starts = torch.tensor([[50.0, 50.0], [56.0, 50.0]])
    moves = torch.tensor([[[3.0, 0.0], [0.0, 3.0]]])
    visible = torch.ones(1, 2, dtype=torch.bool)
    found = soft_field(starts, starts, moves, visible, torch.tensor([30.0, 30.0]))
    assert torch.allclose(found, moves, atol=0.01)


# -- refusals -------------------------------------------------------------------------------------


def test_a_region_beside_the_canvas_is_refused() -> None:
    outside = Region(polygon=[(200, 200), (220, 200), (220, 220)], name="gone")
    with pytest.raises(MotionError, match="'gone' has no pixel on the canvas of 160x120"):
        made(Motion(canvas=CANVAS, regions=[outside]))


def test_a_camera_path_without_depth_is_refused() -> None:
    with pytest.raises(MotionError, match="needs the photo's depth"):
        made(Motion(canvas=CANVAS, camera=CameraPath.parse("truck:0.1")))


def test_depth_of_another_size_is_refused(wall: Wall) -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse("truck:0.1"))
    with pytest.raises(MotionError, match=r"\(100, 160\)"):
        LayeredMotion().from_motion(motion, wall(3, (160, 100)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interpolation": "cubic"}, "Unknown interpolation 'cubic'. Choose one of: pchip, linear"),
        ({"falloff": 0.0}, "falloff must be above 0 and at most 8, got 0.0"),
        ({"softness": float("nan")}, "softness must be above 0 and at most 4, got nan"),
        ({"squeeze": 1.0}, "squeeze must be above 0 and at most 0.95, got 1.0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LayeredMotionConfig(**options)
