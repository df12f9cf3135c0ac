"""Keyframes of regions, playback, masks that grow: what a Motion says, before any condition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema import CameraPath, Drag, Keyframe, Motion, MotionError, Region, Tracks
from kinema.check import check_motion
from kinema.formats import read_motion, write_motion
from kinema.motion.mask import grown
from kinema.motion.timing import EASINGS, clip_times
from kinema.motion.transform import placed, state_at
from kinema.testing.strategies import moving_regions

CANVAS = (80, 60)
BOX = [(20, 10), (50, 10), (50, 40), (20, 40)]
STILL = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def motion_of(*keyframes: Any, **options: Any) -> Motion:
    region = Region(polygon=BOX, name="cup", transform=keyframes, **options)
    return Motion(canvas=CANVAS, regions=[region])


# -- time -----------------------------------------------------------------------------------------


def test_a_gentle_easing_starts_and_ends_without_a_jerk() -> None:
    times = np.linspace(0, 1, 1001)
    progress = np.array([EASINGS["gentle"](time) for time in times])
    assert (progress[0], progress[500], progress[-1]) == (0.0, 0.5, 1.0)
    assert (np.diff(progress) >= 0).all()
    jerk = np.abs(np.diff(progress, 2)) / 1e-3**2
    assert max(jerk[0], jerk[-1]) < 0.1 < jerk.max()


def test_rounds_end_one_frame_before_they_begin_again() -> None:
    assert clip_times(5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert clip_times(4, "loop") == [0.0, 0.25, 0.5, 0.75]
    assert clip_times(6, "loop", 2) == pytest.approx([0, 1 / 3, 2 / 3] * 2)
    assert clip_times(8, "ping-pong") == [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    with pytest.raises(MotionError, match="at least 2 frames"):
        clip_times(1, "loop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"playback": "pingpong"}, "Unknown playback 'pingpong'. Did you mean 'ping-pong'"),
        ({"playback": "loop", "cycles": 0}, "cycles must be a whole number from 1 to 1000, got 0"),
        ({"playback": "loop", "cycles": 1.5}, "cycles must be a whole number"),
        ({"playback": "loop", "cycles": "x"}, "cycles must be a whole number"),
        ({"playback": "loop", "cycles": 10**400}, "cycles must be a whole number"),
        ({"cycles": 2}, "plays once has 1 cycle, got 2"),
    ],
)
def test_wrong_playback_is_named(options: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Motion(canvas=CANVAS, **options)


def test_whole_numbers_may_be_written_as_json_has_them() -> None:
    document = {"format": "kinema.motion/1", "canvas": [8, 8], "playback": "loop", "cycles": 2.0}
    assert Motion.from_dict(document).cycles == 2


def test_easing_of_camera_moves_can_be_written() -> None:
    path = CameraPath.parse("orbit:15:gentle+zoom:1.2")
    assert [(move.amount, move.easing) for move in path.moves] == [(15, "gentle"), (1.2, "linear")]
    with pytest.raises(MotionError, match="Unknown easing 'gentel'"):
        CameraPath.parse("orbit:15:gentel")


def test_a_clock_says_which_time_of_a_camera_path_is_shown() -> None:
    path = CameraPath.parse("pan:5")
    assert path.times(3) == [0.0, 0.5, 1.0]
    there = attrs.evolve(path, clock=[0, 1, 0])
    assert there.times(5) == [0.0, 0.5, 1.0, 0.5, 0.0]
    for clock in ([0.5, 1.0], [0.0], [0.0, 1.5]):
        with pytest.raises(MotionError, match="clock needs two or more times"):
            attrs.evolve(path, clock=clock)


# -- keyframes ------------------------------------------------------------------------------------


def test_between_keyframes_it_goes_evenly_unless_eased() -> None:
    keyframes = Region(
        polygon=BOX,
        transform=[
            {"time": 1.0, "turn": 90, "easing": "ease-in"},
            Keyframe(time=0.5, dx=10, scale=3),
        ],
    ).transform
    assert [each.time for each in keyframes] == [0.5, 1.0]
    assert state_at(keyframes, 0.0).rests
    assert attrs.astuple(state_at(keyframes, 0.25))[1:5] == (5.0, 0.0, 0.0, 2.0)
    assert attrs.astuple(state_at(keyframes, 0.75))[1:5] == (7.5, 0.0, 22.5, 2.5)
    assert attrs.astuple(state_at(keyframes[:1], 0.9))[1:5] == (10.0, 0.0, 0.0, 3.0)


def test_a_point_turns_clockwise_about_the_pivot() -> None:
    state = Keyframe(turn=90, scale=2, dx=1)
    assert np.allclose(placed([(10, 5)], (10, 10), state), [[21, 10]])


@pytest.mark.parametrize(
    ("keyframes", "options", "message"),
    [
        ([{"scale": 0}], {}, "scale must be a factor above 0 .*, got 0.0"),
        ([{"turn": float("inf")}], {}, "keyframe's turn is not finite: inf"),
        ([{"time": 1.5}], {}, r"time must lie within \[0, 1\], got 1.5"),
        ([{"easing": "soft"}], {}, "Unknown easing 'soft'"),
        ([{"turn": 5}, {"turn": 6}], {}, "Two keyframes of a region are at 1.0 and 1.0"),
        ([{"time": 0, "dx": 5}], {}, "keyframe at time 0 moves it, but the clip begins"),
        ([], {"pivot": (3, 4)}, r"pivot \(3.0, 4.0\) but no transform"),
        ([], {"grow": float("nan")}, "grows by a number of pixels, got nan"),
        ([], {"appears": 0.5, "vanishes": 0.5}, "vanishes at a later one; got 0.5 and 0.5"),
        ([], {"vanishes": 1.5}, "vanishes at a later one; got 0.0 and 1.5"),
        ([], {"attached": "yes"}, "attached is True, False, or None where .*; got 'yes'"),
    ],
)
def test_wrong_transforms_are_named(keyframes: Any, options: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        motion_of(*keyframes, **options)


def test_a_document_says_where_a_keyframe_is_wrong() -> None:
    region = {"polygon": BOX, "transform": [{"time": 0.5}, {"time": 1, "scale": -1}]}
    document = {"format": "kinema.motion/1", "canvas": [80, 60], "regions": [region]}
    with pytest.raises(MotionError, match=r"At regions\[0\].transform\[1\].scale: expected a num"):
        Motion.from_dict(document)
    region["transform"] = [{"time": 0, "dx": 4}]
    with pytest.raises(MotionError, match=r"At regions\[0\]: A region's keyframe at time 0"):
        Motion.from_dict(document)


def test_old_motions_are_written_as_they_were() -> None:
    motion = Motion(canvas=CANVAS, drags=[[(1, 2), (3, 4)]], regions=[Region(polygon=BOX)])
    assert json.loads(motion.to_json()) == {
        "format": "kinema.motion/1",
        "canvas": [80, 60],
        "drags": [{"points": [[1, 2], [3, 4]]}],
        "regions": [{"polygon": [list(map(float, corner)) for corner in BOX]}],
        "fps": 8.0,
        "duration": 2.0,
    }


# -- written out ----------------------------------------------------------------------------------


def test_what_is_plain_is_given_back_itself() -> None:
    motion = Motion(canvas=CANVAS, drags=[[(1, 2), (3, 4)]], regions=[Region(polygon=BOX)])
    assert motion.written_out(8) is motion
    turned = motion_of(Keyframe(turn=5)).written_out(8)
    assert turned.written_out(8) is turned


def test_a_shift_is_one_drag_and_a_turn_a_few_that_lie_apart() -> None:
    shift = motion_of(Keyframe(dx=5, dy=-2)).written_out(3)
    assert [drag.points for drag in shift.drags] == [((35, 25), (37.5, 24), (40, 23))]
    assert not shift.regions[0].scaling
    turn = motion_of(Keyframe(turn=30, scale=1.5)).written_out(3)
    assert {drag.region for drag in turn.drags} == {"cup"}
    assert turn.regions[0].scaling
    large = attrs.evolve(motion_of(Keyframe(turn=30)), canvas=(400, 300))
    region = attrs.evolve(large.regions[0], polygon=[(x * 4, y * 4) for x, y in BOX])
    for motion, count, least in (
        (turn, 2, 20),
        (attrs.evolve(large, regions=[region]).written_out(3), 4, 50),
    ):
        starts = np.array([drag.points[0] for drag in motion.drags])
        assert len(starts) == count
        apart = np.hypot(*(starts[:, None] - starts[None]).T)
        assert apart[~np.eye(count, dtype=bool)].min() > least


def test_regions_without_a_name_get_one_of_their_own() -> None:
    regions = [
        Region(polygon=BOX, transform=[Keyframe(dx=3)]),
        Region(brush=[(60, 50)], radius=4, name="region 1"),
    ]
    plain = Motion(canvas=CANVAS, regions=regions).written_out(4)
    assert plain.regions[0].name not in ("", "region 1")
    assert plain.drags[0].region == plain.regions[0].name
    assert plain.moved_layers(plain.layers())[0] == [1]


def test_one_pixel_is_moved_by_one_drag() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10, 20] = True
    region = attrs.evolve(Region.from_array(mask), transform=[Keyframe(turn=90)], pivot=(20, 20))
    drags = Motion(canvas=CANVAS, regions=[region]).written_out(5).drags
    assert len(drags) == 1
    drag = drags[0]
    assert drag.points[0] == pytest.approx((20, 10))
    assert drag.points[-1] == pytest.approx((30, 20))


def test_an_empty_region_with_a_transform_is_named() -> None:
    motion = motion_of(Keyframe(dx=4), grow=-30)
    with pytest.raises(MotionError, match=r"'cup' has no pixel .* its transform could move"):
        motion.written_out(4)


def test_a_drag_beside_a_region_that_moves_by_itself_is_free() -> None:
    motion = attrs.evolve(motion_of(Keyframe(turn=9)), drags=[Drag([(17, 20), (10, 20)])])
    assert motion.moved_layers(motion.layers())[0] == [0]
    assert len(motion.written_out(4).drags) == 3
    still = attrs.evolve(motion, regions=[Region(polygon=BOX)])
    assert still.moved_layers(still.layers())[0] == [1]


def test_tracks_on_a_transformed_region_are_refused() -> None:
    motion = attrs.evolve(motion_of(Keyframe(dx=4)), tracks=Tracks(points=[[(5, 5), (30, 30)]] * 2))
    with pytest.raises(MotionError, match="'cup' moves by its transform, and track 1 would move"):
        motion.written_out(4)


@given(moving_regions(CANVAS, "it"))
@settings(max_examples=40, deadline=None)
def test_another_size_shows_the_same_transform(region: Region) -> None:
    motion = Motion(canvas=CANVAS, regions=[region])
    larger = motion.fitted((160, 120)).regions[0]
    points = np.array([(3.0, 4.0), (70.0, 50.0)])
    middle = region.pivot or (40.0, 30.0)
    for time in (0.3, 1.0):
        here = placed(points, middle, state_at(region.transform, time))
        pivot = (middle[0] * 2 + 0.5, middle[1] * 2 + 0.5)
        there = placed(points * 2 + 0.5, pivot, state_at(larger.transform, time))
        assert np.allclose(there, here * 2 + 0.5, atol=1e-6)
    assert larger.pivot is None or larger.pivot == pytest.approx(pivot)


def test_a_turn_cannot_be_stretched() -> None:
    motion_of(Keyframe(dx=4, scale=2)).resized((160, 60))
    with pytest.raises(MotionError, match=r"turns by 30 degrees cannot be resized to another asp"):
        motion_of(Keyframe(turn=30)).resized((160, 60))


# -- masks that grow ------------------------------------------------------------------------------


def test_a_mask_grows_and_shrinks_by_pixels_on_all_sides() -> None:
    region = Region(brush=[(40, 30)], radius=10)
    for pixels in (4, -4):
        inside = attrs.evolve(region, grow=pixels).rasterize(CANVAS)
        rows, columns = np.nonzero(inside)
        radius = 10 + pixels
        assert (rows.min(), rows.max()) == (30 - radius, 30 + radius)
        assert (columns.min(), columns.max()) == (40 - radius, 40 + radius)
        assert inside.sum() == pytest.approx(np.pi * (radius + 0.5) ** 2, rel=0.1)
    assert not attrs.evolve(region, grow=-12).rasterize(CANVAS).any()


def test_what_touches_the_edge_does_not_shrink_from_there() -> None:
    left = np.zeros((20, 30), np.uint8)
    left[:, :12] = 255
    assert (grown(left, -3)[:, :9] == 255).all()
    assert not grown(left, -3)[:, 9:].any()
    assert (grown(np.full((5, 5), 255, np.uint8), -9) == 255).all()


def test_grey_goes_along() -> None:
    ramp = np.repeat(np.array([[0, 0, 0, 0, 0, 60, 120, 180, 255, 255, 255, 255]], np.uint8), 5, 0)
    assert (grown(ramp, 2)[:, :-2] == ramp[:, 2:]).all()
    assert (grown(ramp, -2)[:, 2:] == ramp[:, :-2]).all()
    assert (grown(ramp, 0) == ramp).all()


@given(st.floats(-5, 5), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_pixels_are_counted_between_centres(pixels: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    inside = random.random((11, 14)) < random.choice([0.02, 0.5, 0.98])
    found = grown(np.where(inside, 255, 0).astype(np.uint8), pixels) > 0
    places = np.argwhere(np.ones_like(inside))
    away = np.linalg.norm(places[:, None] - places[None], axis=-1)
    to = inside if pixels >= 0 else ~inside
    nearest = np.where(to.ravel()[None], away, np.inf).min(1).reshape(inside.shape)
    near = nearest <= abs(pixels)
    wanted = (near if pixels >= 0 else ~near) & bool(inside.any())
    assert (found == wanted).all()


@given(st.integers(-6, 6), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_growing_is_monotonous_in_pixels_and_levels(pixels: int, seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 4, (12, 15), dtype=np.uint8) * np.uint8(85)
    assert (grown(levels, pixels + 1) >= grown(levels, pixels)).all()


def test_a_grown_mask_is_made_once_and_embedded_as_it_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:30, 30:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    region = Region(mask=tmp_path / "mask.png", grow=3)
    made = []

    def counted(levels: Any, pixels: float) -> Any:
        made.append(pixels)
        return grown(levels, pixels)

    monkeypatch.setattr("kinema.motion.region.grown", counted)
    assert region.rasterize(CANVAS).sum() > 256 - 40
    assert region.coverage(CANVAS).max() == 1.0
    assert made == [3]
    inner = region.embedded(CANVAS)
    assert inner.grow == 3
    assert attrs.evolve(inner, grow=0).rasterize(CANVAS).sum() == 100
    assert (inner.rasterize(CANVAS) == region.rasterize(CANVAS)).all()


def test_on_another_canvas_a_mask_grows_in_its_pixels() -> None:
    region = Region(brush=[(40, 30)], radius=10, grow=4)
    motion = Motion(canvas=CANVAS, regions=[region])
    assert motion.fitted((160, 120)).regions[0].grow == 8
    [stretched] = motion.resized((160, 60)).regions
    assert stretched.grow == 0
    rows, columns = np.nonzero(stretched.rasterize((160, 60)))
    assert np.ptp(columns) + 1 == 58
    assert np.ptp(rows) + 1 == 29


# -- check ----------------------------------------------------------------------------------------


def told(motion: Any, **options: Any) -> list[str]:
    return [str(finding) for finding in check_motion(motion, **options)]


def test_a_transform_moves_something() -> None:
    assert told(motion_of(Keyframe(turn=5))) == []
    assert told(motion_of(vanishes=0.5)) == []
    assert "nothing moves" in told(motion_of())[0]


def test_a_drag_of_a_transformed_region_is_an_error() -> None:
    motion = attrs.evolve(
        motion_of(Keyframe(turn=5)), drags=[Drag([(1, 1), (2, 2)]), Drag([(30, 30), (33, 30)])]
    )
    assert told(motion) == [
        "error at drags[1]: It moves the region 'cup', which has a transform as well; leave one "
        "of them out.",
        *[line for line in told(motion) if line.startswith("warning at drags[0]")],
    ]


def test_what_a_transform_takes_out_of_the_picture_is_told() -> None:
    assert told(motion_of(Keyframe(dx=70)), frames=8)[0].startswith(
        "warning at regions[0]: It leaves the picture of 80x60"
    )


def test_a_loop_that_jumps_is_told() -> None:
    motion = attrs.evolve(
        motion_of(Keyframe(turn=90)),
        drags=[Drag([(60, 50), (70, 50)]), Drag([(60, 5), (70, 5), (60, 5)])],
        camera=CameraPath.parse("orbit:360+pan:3"),
        playback="loop",
    )
    found = [line for line in told(motion) if "starts again with a jump" in line]
    assert [line.split(":")[0] for line in found] == [
        "warning at drags[0]",
        "warning at regions[0]",
        "warning at camera",
    ]
    assert "10 pixels from its start" in found[0]
    assert not [line for line in told(attrs.evolve(motion, playback="ping-pong")) if "jump" in line]
    many = attrs.evolve(motion, playback="ping-pong", cycles=9)
    assert "9 rounds in 16 frames" in "".join(told(many))


def test_a_document_of_all_that_is_new_is_checked_part_by_part(tmp_path: Path) -> None:
    document = {
        "format": "kinema.motion/1",
        "canvas": [80, 60],
        "playback": "loop",
        "cycles": 2,
        "regions": [
            {"polygon": BOX, "transform": [{"turn": 4}, {"turn": 5}]},
            {"polygon": BOX, "grow": "4"},
        ],
    }
    path = tmp_path / "m.json"
    path.write_text(json.dumps(document))
    assert told(path)[:2] == [
        "error at regions[1].grow: expected a number, got '4'.",
        "error at regions[0]: Two keyframes of a region are at 1.0 and 1.0; their times must "
        "differ by 1e-06 or more.",
    ]


# -- other forms ----------------------------------------------------------------------------------


def test_forms_of_points_hold_transforms_and_playback_as_points(tmp_path: Path) -> None:
    motion = attrs.evolve(
        motion_of(Keyframe(turn=90, scale=1.2)),
        drags=[Drag([(60, 50), (70, 50)])],
        playback="ping-pong",
    )
    plain = motion.written_out(12)
    wanted = np.stack([drag.path(12) for drag in plain.drags], axis=1)
    for form, name in (("comfyui-tracks", "t.json"), ("wan-move", "x_tracks.npy")):
        path = write_motion(motion, tmp_path / name, form, frames=12, lossy=True)
        back = read_motion(path, format=form, canvas=CANVAS)
        assert back.tracks is not None
        assert np.allclose(back.tracks.points, wanted, atol=1e-4)
    item = read_motion(
        write_motion(motion, tmp_path / "item", "mc-bench", frames=12), canvas=CANVAS
    )
    assert np.allclose(np.stack([d.path(12) for d in item.drags], axis=1), wanted)
    ati = read_motion(write_motion(motion, tmp_path / "a.pth", "ati", lossy=True), canvas=CANVAS)
    exact = motion.written_out(121)
    assert ati.tracks is not None
    assert np.allclose(
        ati.tracks.points, np.stack([drag.path(121) for drag in exact.drags], axis=1), atol=1e-4
    )


@pytest.mark.parametrize(
    ("form", "options", "lost"),
    [
        ("mc-bench", {"vanishes": 0.5}, "when the region 'cup' appears or vanishes"),
        ("mc-bench", {"scaling": True}, "that the drags of the region 'cup' may scale it"),
        ("mc-bench", {"attached": False}, "that the region 'cup' is cut out"),
        ("sg-i2v", {}, r"how the region 'cup' turns and scales \(dx and dy stay\)"),
        ("sg-i2v", {"grow": 2}, r"the shape of the region 'cup' \(its box stays\)"),
        ("draganything", {}, r"how the region 'cup' turns and scales \(dx and dy stay\)"),
    ],
)
def test_what_a_form_cannot_hold_is_named(
    tmp_path: Path, form: str, options: Any, lost: str
) -> None:
    motion = motion_of(Keyframe(turn=30, dx=6), **options)
    with pytest.raises(MotionError, match=f"would lose .*{lost}"):
        write_motion(motion, tmp_path / "item", form)
    back = read_motion(write_motion(motion, tmp_path / "item", form, lossy=True), canvas=CANVAS)
    if form != "mc-bench":
        (x, y), *_, last = back.drags[0].points
        assert last == pytest.approx((x + 6, y), abs=1e-4)


def test_pose_files_name_transforms_and_clocks(tmp_path: Path) -> None:
    motion = attrs.evolve(
        motion_of(Keyframe(turn=30)),
        camera=CameraPath(world_to_camera=[STILL] * 3),
        playback="ping-pong",
    )
    with pytest.raises(MotionError, match="the transform of the region 'cup'; when the camera is"):
        write_motion(motion, tmp_path / "p.npy", "poses-w2c")
    assert read_motion(
        write_motion(motion, tmp_path / "p.npy", "poses-w2c", lossy=True),
        format="poses-w2c",
        canvas=CANVAS,
    ).camera == CameraPath(world_to_camera=[STILL] * 3)
