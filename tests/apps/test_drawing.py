from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema as k
from kinema_apps.drawing import COLOURS, camera_words, drawn, overlaid

GREY = np.full((120, 160, 3), 90, np.uint8)


def changed(picture: Any, before: Any = GREY) -> Any:
    return (picture != before).any(axis=-1)


def test_an_arrow_runs_along_the_drag_and_nowhere_else() -> None:
    motion = k.Motion(canvas=(160, 120), drags=[[(30, 60), (120, 60)]])
    picture = drawn(GREY, motion)
    on = changed(picture)
    assert on[60, 30:121].all()
    assert not on[:50].any()
    assert not on[71:].any()
    assert not on[:, :24].any()
    assert not on[:, 128:].any()
    assert np.abs(picture[60, 80].astype(int) - COLOURS[0]).max() < 40


def test_the_head_points_forward() -> None:
    right = changed(drawn(GREY, k.Motion(canvas=(160, 120), drags=[[(30, 60), (120, 60)]])))
    widths = right[:, 108:125].sum(axis=0)
    assert widths.argmax() < 10
    assert widths[-1] < widths.max()


def test_an_anchor_is_drawn_at_its_point() -> None:
    on = changed(drawn(GREY, k.Motion(canvas=(160, 120), drags=[[(50, 40)]])))
    ys, xs = np.nonzero(on)
    assert (xs.mean(), ys.mean()) == pytest.approx((50, 40), abs=0.6)
    assert 4 <= np.ptp(xs) <= 20


def test_a_region_is_tinted_and_outlined() -> None:
    region = k.Region(polygon=[(40, 30), (100, 30), (100, 90), (40, 90)])
    picture = drawn(GREY, k.Motion(canvas=(160, 120), regions=[region]))
    inside = region.rasterize((160, 120))
    assert np.array_equal(changed(picture), inside)
    rim, middle = picture[60, 40].astype(int), picture[60, 70].astype(int)
    assert np.abs(rim - GREY[0, 0]).sum() > np.abs(middle - GREY[0, 0]).sum()


def test_tracks_are_drawn_and_thinned_out() -> None:
    start = [[(5 + i % 50 * 3, 10 + i // 50 * 2) for i in range(2000)]]
    end = [[(x + 5, y) for x, y in start[0]]]
    tracks = k.Tracks(points=[*start, *end])
    assert changed(drawn(GREY, k.Motion(canvas=(160, 120), tracks=tracks))).any()


def test_the_camera_is_labelled() -> None:
    moves = k.CameraPath.parse("pan:5+zoom:1.2+dolly:-0.3")
    assert camera_words(moves) == "camera: pan 5°, zoom 1.2x, dolly -0.3 depths"
    on = changed(drawn(GREY, k.Motion(canvas=(160, 120), camera=moves)))
    assert on[100:, :60].any()
    assert not on[:90].any()


def test_poses_are_drawn_from_above() -> None:
    poses = [[[1, 0, 0, -0.1 * t], [0, 1, 0, 0], [0, 0, 1, 0]] for t in range(4)]
    path = k.CameraPath(world_to_camera=poses)
    assert camera_words(path) == "camera: 4 poses"
    words = changed(drawn(GREY, k.Motion(canvas=(160, 120), camera=path)))
    assert words[60:100, 5:50].any()
    still = k.CameraPath(world_to_camera=[poses[0]] * 3)
    drawn(GREY, k.Motion(canvas=(160, 120), camera=still))


def test_an_overlay_follows_the_point() -> None:
    motion = k.Motion(canvas=(160, 120), drags=[[(30, 60), (130, 60)]])
    frames = np.repeat(GREY[None], 5, axis=0)
    shown = overlaid(frames, motion)
    assert shown.shape == frames.shape
    still = drawn(GREY, motion)
    for index, picture in enumerate(shown):
        ys, xs = np.nonzero(changed(picture, still))
        assert (xs.mean(), ys.mean()) == pytest.approx((30 + 25 * index, 60), abs=1.5)


def test_an_overlay_shows_visible_tracks_only() -> None:
    points = [[(20 + 10 * t, 30), (20 + 10 * t, 90)] for t in range(3)]
    tracks = k.Tracks(points=points, visible=[[True, True], [True, False], [True, True]])
    motion = k.Motion(canvas=(160, 120), tracks=tracks)
    middle = changed(overlaid(np.repeat(GREY[None], 3, axis=0), motion)[1], drawn(GREY, motion))
    assert middle[:60].any()
    assert not middle[60:].any()


def test_an_overlay_writes_the_motion_out_as_often_for_many_frames_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    written_out = k.Motion.written_out

    def counted(self: k.Motion, frames: int, *rest: Any) -> k.Motion:
        calls.append(frames)
        return written_out(self, frames, *rest)

    monkeypatch.setattr(k.Motion, "written_out", counted)
    region = k.Region(brush=[(30, 30)], radius=9, name="disc", transform=[{"turn": 40}])
    motion = k.Motion(canvas=(80, 60), regions=[region])
    counts = []
    for frames in (3, 9):
        calls.clear()
        overlaid(np.zeros((frames, 60, 80, 3), np.uint8), motion)
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0


# -- the command ----------------------------------------------------------------------------------


def test_render_motion_draws_on_the_photo(kinema: Any, photo: Path) -> None:
    result = kinema("render-motion", str(photo), "--drag", "20,30 100,30", "--out", "a.png")
    assert result.stdout == "Wrote a.png: 128x64.\n"
    with Image.open("a.png") as image:
        picture = np.asarray(image)
    motion = k.Motion(canvas=(128, 64), drags=[[(20, 30), (100, 30)]])
    assert np.array_equal(picture, drawn(k.read_photo(photo).pixels, motion))


def test_render_motion_scales_large_photos_down(kinema: Any) -> None:
    Image.new("RGB", (4000, 1000)).save("large.png")
    words = ("render-motion", "large.png", "--drag", "1900,300 2100,300")
    assert kinema(*words).stdout == "Wrote motion.png: 1024x256.\n"
    assert kinema(*words, "--size", "300x200").stdout == "Wrote motion.png: 300x200.\n"


def test_render_motion_of_the_sample(kinema: Any) -> None:
    assert kinema("render-motion", "--out", "a.webp").stdout == "Wrote a.webp: 512x320.\n"


def test_render_motion_refuses_what_is_no_picture(kinema: Any, photo: Path) -> None:
    error = kinema("render-motion", str(photo), "--drag", "9,9", "--out", "a.mp4", code=2).stderr
    assert error == "Error: A picture cannot be written to 'a.mp4'. Use .png, .jpg or .webp.\n"
    assert "Nothing is asked to move." in kinema("render-motion", str(photo), code=2).stderr


def test_a_transform_is_drawn_as_its_drags_and_the_outline_at_its_end() -> None:
    square = [(30, 50), (50, 50), (50, 70), (30, 70)]
    region = k.Region(polygon=square, transform=[k.Keyframe(dx=80)])
    motion = k.Motion(canvas=(160, 120), regions=[region], playback="ping-pong")
    on = changed(drawn(GREY, motion))
    assert on[60, 40:121].all()  # the arrow of the middle
    assert on[50:71, 110].mean() > 0.9
    assert on[50:71, 130].mean() > 0.9
    assert not on[:48].any()
    # There and back: the dot is at the far end half-way.
    frames = overlaid(np.stack([GREY] * 8), motion)
    moved = [np.nonzero(changed(frame, frames[0]))[1].max(initial=0) for frame in frames]
    assert max(moved) == moved[4] > 118
    assert moved[2] == moved[6]


def test_the_pivot_of_a_turn_is_marked_and_times_are_told() -> None:
    square = [(30, 50), (50, 50), (50, 70), (30, 70)]
    turning = k.Region(polygon=square, transform=[k.Keyframe(turn=45)], pivot=(100, 20))
    on = changed(drawn(GREY, k.Motion(canvas=(160, 120), regions=[turning])))
    assert on[20, 100]
    passing = k.Region(polygon=square, appears=0.25)
    plain = k.Region(polygon=square)
    told = changed(
        drawn(GREY, k.Motion(canvas=(160, 120), regions=[passing])),
        drawn(GREY, k.Motion(canvas=(160, 120), regions=[plain])),
    )
    assert told.any()
    ys, xs = np.nonzero(told)
    assert (xs.min() + xs.max()) / 2 == pytest.approx(40, abs=3)
    assert (ys.min() + ys.max()) / 2 == pytest.approx(60, abs=3)
