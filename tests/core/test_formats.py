"""Finding out a file's form, the registry, and what every reader and writer shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema import CameraPath, Drag, InputError, Motion, MotionError, Region, Tracks
from kinema.formats import FORMATS, detect, read_motion, write_motion

CANVAS = (512, 320)
STILL = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
DRAGS = Motion(canvas=CANVAS, drags=[[(10, 20), (30, 40)]])


def everything() -> Motion:
    return Motion(
        canvas=CANVAS,
        drags=[Drag([(10, 20), (30, 40)], region="cup")],
        regions=[
            Region(polygon=[(0, 0), (50, 0), (50, 60)], name="cup"),
            Region(brush=[(90, 90)], radius=9),
        ],
        tracks=Tracks(points=[[(1, 2)], [(3, 4)]], visible=[[True], [False]]),
        camera=CameraPath(world_to_camera=[STILL] * 2, intrinsics=[(500, 500, 255.5, 159.5)]),
    )


def test_every_form_says_what_it_is() -> None:
    assert len(FORMATS) == 14
    for name, form in FORMATS.items():
        assert form.name == name
        assert form.summary
        assert form.files
        assert form.loses
        assert form.holds <= FORMATS["motion"].holds


def test_a_motion_file_is_read_and_time_can_be_overruled(tmp_path: Path) -> None:
    motion = Motion(canvas=CANVAS, drags=[[(1, 2), (3, 4)]], fps=10, duration=1.6)
    path = write_motion(motion, tmp_path / "m.json", "motion")
    assert detect(path).name == "motion"
    assert read_motion(path) == motion
    assert read_motion(path, canvas=(64, 64)).canvas == CANVAS
    faster = read_motion(path, frames=32, fps=20)
    assert (faster.frames, faster.fps, faster.duration) == (32, 20.0, 1.6)
    assert read_motion(path, frames=5).frames == 5
    assert read_motion(path, fps=20).frames == 32
    assert read_motion(write_motion(motion, path, "motion", frames=7)).frames == 7


def test_everything_survives_in_a_motion_file(tmp_path: Path) -> None:
    motion = everything()
    assert read_motion(write_motion(motion, tmp_path / "m.json", "motion")) == motion


def test_a_motion_file_without_its_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"canvas": [9, 9], "drags": []}))
    with pytest.raises(MotionError, match=r"must say .format.: .kinema.motion/1., got None"):
        read_motion(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "a.json' is not JSON: Expecting property name"),
        ("a.json", b"[" * 100_000, "a.json' is not JSON: it is nested too deeply"),
        ("a.json", b"\xff\xfe\x00", "cannot be read as text"),
        ("a.json", b"{}", "is in no known form. Known forms:\n  motion: "),
        ("a.txt", b"hello", "is in no known form. Known forms:"),
        ("a.npy", b"hello", "is in no known form"),
        ("a.dat", b"", "is in no known form"),
    ],
)
def test_unknown_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MotionError, match=message):
        read_motion(path)


def test_absent_files_and_unknown_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r"There is no file or folder '.*none.json'"):
        read_motion(tmp_path / "none.json")
    with pytest.raises(MotionError, match=r"There is no file or folder '.*none.pth'"):
        read_motion(tmp_path / "none.pth", format="ati")
    with pytest.raises(MotionError, match=r"Unknown motion format 'toro'. Did you mean 'tora'\?"):
        read_motion(tmp_path / "none.json", format="toro")
    with pytest.raises(MotionError, match=r"Unknown motion format 'x'. .*realestate10k"):
        write_motion(DRAGS, tmp_path / "a", "x")
    with pytest.raises(MotionError, match=r"is in no known form"):
        read_motion(tmp_path)


def test_poses_in_an_array_never_guess_their_direction(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.tile(np.eye(4), (3, 1, 1)))
    with pytest.raises(MotionError, match="could be poses-w2c or poses-c2w or das; say which with"):
        read_motion(tmp_path / "a.npy", canvas=CANVAS)
    (tmp_path / "a.json").write_text(json.dumps(np.tile(np.eye(4), (3, 1, 1)).tolist()))
    with pytest.raises(MotionError, match="could be poses-w2c or poses-c2w; say which with"):
        read_motion(tmp_path / "a.json", canvas=CANVAS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "whole number of at least 2 frames, got 1"),
        ({"frames": 2.5}, "whole number of at least 2 frames, got 2.5"),
        ({"fps": 0}, "fps must be a positive number, got 0"),
        ({"fps": float("nan")}, "fps must be a positive number, got nan"),
        ({"canvas": (0, 1)}, "two positive whole numbers"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, options: Any, message: str) -> None:
    path = write_motion(DRAGS, tmp_path / "m.json", "motion")
    with pytest.raises(MotionError, match=message):
        read_motion(path, **options)


@pytest.mark.parametrize(
    ("form", "target", "lost"),
    [
        (
            "mc-bench",
            "a",
            ["which track points are hidden", "which of 2 regions", "path of 2 poses"],
        ),
        ("realestate10k", "a.txt", ["1 drag", "1 track", "2 regions"]),
        ("poses-w2c", "a.json", ["1 drag", "1 track", "2 regions"]),
        ("das", "a.npy", ["1 drag", "1 track", "2 regions", "the camera's intrinsics"]),
        ("wan-move", "tracks.npy", ["2 regions", "the camera path of 2 poses"]),
        ("ati", "a.pth", ["2 regions", "the camera path of 2 poses"]),
        ("comfyui-tracks", "a.json", ["2 regions", "the camera path"]),
        ("comfyui-coords", "a.json", ["2 regions", "the camera path"]),
        ("tora", "a", ["which track points are hidden", "2 regions", "the camera path"]),
        ("draganything", "a", ["the camera path"]),
        ("sg-i2v", "a.npy", ["the camera path", "the shape of the region 'cup'", "region brush"]),
        ("recammaster", "a.json", ["1 drag", "the camera's intrinsics"]),
    ],
)
def test_what_a_form_cannot_hold_is_refused_by_name(
    tmp_path: Path, form: str, target: str, lost: list[str]
) -> None:
    with pytest.raises(MotionError, match=f"Written as {form}, this Motion would lose") as caught:
        write_motion(everything(), tmp_path / target, form)
    for words in lost:
        assert words in str(caught.value)
    assert "lossy=True (on the command line --lossy)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_camera_moves_are_named_among_the_losses(tmp_path: Path) -> None:
    motion = Motion(canvas=CANVAS, drags=DRAGS.drags, camera=CameraPath.parse("pan:5+zoom:1.2"))
    with pytest.raises(MotionError, match="would lose the camera moves pan, zoom"):
        write_motion(motion, tmp_path / "a.txt", "tora")
    write_motion(motion, tmp_path / "a.txt", "tora", lossy=True)
    kept = read_motion(tmp_path / "a.txt", canvas=CANVAS)
    assert (len(kept.drags), kept.camera) == (1, None)


@pytest.mark.parametrize("form", ["mc-bench", "wan-move", "ati", "comfyui-tracks", "tora"])
def test_forms_of_points_need_points(tmp_path: Path, form: str) -> None:
    with pytest.raises(
        MotionError, match=f"The form {form} needs drags or tracks; this Motion has"
    ):
        write_motion(Motion(canvas=CANVAS), tmp_path / "a", form)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (None, "needs camera poses; this Motion has none"),
        (CameraPath.parse("pan:5"), "named camera moves, whose poses depend on the scene's depth"),
    ],
)
@pytest.mark.parametrize("form", ["realestate10k", "poses-w2c", "poses-c2w", "recammaster"])
def test_forms_of_poses_need_poses(
    tmp_path: Path, form: str, camera: CameraPath | None, message: str
) -> None:
    motion = Motion(canvas=CANVAS, camera=camera)
    with pytest.raises(MotionError, match=message):
        write_motion(motion, tmp_path / "a.json", form, lossy=True)


def test_poses_are_not_resampled_on_writing(tmp_path: Path) -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath(world_to_camera=[STILL] * 3))
    with pytest.raises(MotionError, match="has 3 poses; it is written pose by pose, not resampled"):
        write_motion(motion, tmp_path / "a.npy", "poses-w2c", frames=5)


def test_an_unwritable_target_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write '.*a.json'"):
        write_motion(DRAGS, tmp_path / "none" / "a.json", "comfyui-coords")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_motion(DRAGS, tmp_path / "file", "mc-bench")


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "motion"])
def test_paths_that_are_no_such_file_are_motion_errors(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x93NUMPY\x01\x00\x10\x00garbage {[\xff")
    for path in (folder, broken):
        with pytest.raises(MotionError):
            read_motion(path, format=form, canvas=CANVAS)
