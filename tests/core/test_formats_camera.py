"""Forms of camera paths: files as their own tools write them, and round trips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinema import CameraPath, Motion, MotionError
from kinema.formats import detect, read_motion, write_motion
from kinema.testing.strategies import camera_paths

CANVAS = (1280, 720)
examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
paths = camera_paths(CANVAS, moves=False)

# Two frames in the published spelling; the camera steps 0.25 to its right.
ESTATE = """https://www.youtube.com/watch?v=none
158692025 0.500000000 0.888888889 0.500000000 0.500000000 0.000000000 0.000000000 \
1.000000000 0.000000000 0.000000000 0.000000000 0.000000000 1.000000000 0.000000000 0.000000000 \
0.000000000 0.000000000 1.000000000 0.000000000
158958959 0.500000000 0.888888889 0.500000000 0.500000000 0.000000000 0.000000000 \
1.000000000 0.000000000 0.000000000 -0.250000000 0.000000000 1.000000000 0.000000000 0.000000000 \
0.000000000 0.000000000 1.000000000 0.000000000
"""


def matrices(motion: Motion) -> Any:
    assert motion.camera is not None
    return np.array(motion.camera.world_to_camera)


def lens(motion: Motion) -> Any:
    assert motion.camera is not None
    return np.array(motion.camera.intrinsics)


def whole(poses: Any) -> Any:
    out = np.tile(np.eye(4), (len(poses), 1, 1))
    out[:, :3] = poses
    return out


def test_realestate10k_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(ESTATE)
    assert detect(path).name == "realestate10k"
    motion = read_motion(path, canvas=CANVAS)
    assert motion.frames == 2
    assert matrices(motion)[1, 0].tolist() == [1, 0, 0, -0.25]
    assert np.allclose(lens(motion), [[640, 640, 639.5, 359.5]] * 2, atol=1e-5)
    # The same camera on a smaller picture of the same aspect.
    small = read_motion(path, canvas=(320, 180))
    assert np.allclose(lens(small), lens(motion.resized((320, 180))), atol=1e-9)
    path.write_text("\n" + ESTATE.replace("\n", "\r\n") + "\r\n")
    assert read_motion(path, canvas=CANVAS) == motion
    # VideoX-Fun's own files begin with an empty line in place of the name.
    path.write_text("\n" + ESTATE.partition("\n")[2])
    assert detect(path).name == "realestate10k"
    assert read_motion(path, canvas=CANVAS) == motion
    with pytest.raises(MotionError, match="does not say its canvas: its intrinsics are fractions"):
        read_motion(path)


def test_realestate10k_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    url, first, second = ESTATE.splitlines()
    words = first.split()

    def changed(column: int, value: str) -> str:
        return " ".join([*words[:column], value, *words[column + 1 :]])

    for lines, message in (
        ([url, first, " ".join(words[:-1]), second + " 1"], "line 3 has 18 and line 4 has 20"),
        ([url, changed(3, "half"), second], "line 2 holds a word that is no number"),
        ([first, second], "The first line of .* is a pose; readers of this form skip"),
        (
            [url, changed(1, "640"), second],
            r"Frame 0 .* focal lengths \(640.0, .* look like pixels",
        ),
        ([url, first, changed(5, "0.1")], r"Frame 1 .* lens distortion \(0.1, 0.0\); only 0 0"),
        ([url], "holds no poses after its first line"),
        ([url, first], "At camera.world_to_camera: expected at least 2 values, got 1"),
        ([url, first, changed(7, "1.2")], "frame 1 is not rigid: its rotation is not orthonormal"),
        ([url, first, changed(7, "-1")], "frame 1 is not rigid: its rotation mirrors"),
        ([url, first, changed(10, "nan")], "A camera pose holds a number that is not finite"),
    ):
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(MotionError, match=message):
            read_motion(path, format="realestate10k", canvas=CANVAS)


def test_rows_of_twelve_go_from_world_to_camera(tmp_path: Path) -> None:
    """MotionCtrl's JSON, and MotionPro's own tensor; the same numbers in an array."""
    rows = [[1.0, 0, 0, 0.1 * t, 0, 1, 0, 0, 0, 0, 1, -0.2 * t] for t in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    torch.save(torch.tensor(rows, dtype=torch.float64), tmp_path / "b.pth")
    np.save(tmp_path / "c.npy", np.array(rows))
    for name in ("a.json", "b.pth", "c.npy"):
        path = tmp_path / name
        assert detect(path).name == "poses-w2c"
        motion = read_motion(path, canvas=CANVAS)
        assert matrices(motion).reshape(4, 12).tolist() == rows
        other = read_motion(path, canvas=CANVAS, format="poses-c2w")
        assert np.allclose(matrices(other)[:, :, 3], -matrices(motion)[:, :, 3])


@given(paths)
@examples
def test_realestate10k_there_and_back(tmp_path: Path, camera: CameraPath) -> None:
    motion = Motion(canvas=CANVAS, camera=camera)
    path = tmp_path / "a.txt"
    if not camera.intrinsics:
        with pytest.raises(MotionError, match="needs intrinsics; this camera path has none"):
            write_motion(motion, path, "realestate10k")
        return
    back = read_motion(write_motion(motion, path, "realestate10k"), canvas=CANVAS)
    assert np.array_equal(matrices(back), matrices(motion))
    assert np.allclose(lens(back), np.broadcast_to(lens(motion), lens(back).shape), atol=1e-9)
    assert len(path.read_text().splitlines()[1].split()) == 19


@given(paths, st.sampled_from(["json", "npy"]), st.sampled_from(["w2c", "c2w"]))
@examples
def test_poses_there_and_back(tmp_path: Path, camera: CameraPath, kind: str, way: str) -> None:
    if kind == "npy":
        camera = attrs.evolve(camera, intrinsics=())
    motion = Motion(canvas=CANVAS, camera=camera)
    path = write_motion(motion, tmp_path / f"a.{kind}", f"poses-{way}")
    back = read_motion(path, format=f"poses-{way}", canvas=CANVAS)
    assert np.allclose(matrices(back), matrices(motion), atol=1e-11)
    if way == "w2c":
        assert np.array_equal(matrices(back), matrices(motion))
    assert np.array_equal(lens(back), lens(motion))


@given(paths)
@examples
def test_the_two_directions_are_inverses(tmp_path: Path, camera: CameraPath) -> None:
    motion = Motion(canvas=CANVAS, camera=attrs.evolve(camera, intrinsics=()))
    write_motion(motion, tmp_path / "a.npy", "poses-c2w")
    product = np.load(tmp_path / "a.npy") @ whole(matrices(motion))
    assert np.allclose(product, np.eye(4), atol=1e-9)


def test_json_poses_say_their_direction_canvas_and_lens(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    step = np.tile(np.eye(4), (2, 1, 1))
    step[1, :3, 3] = (0.5, 0, 0)
    size: dict[str, Any]
    for key, sign, size in (
        ("world_to_camera", 1, {"canvas": [64, 48]}),
        ("w2c", 1, {"width": 64, "height": 48}),
        ("camera_to_world", -1, {"canvas": [64, 48]}),
        ("c2w", -1, {}),
    ):
        data = {key: step.tolist(), "intrinsics": [[50, 0, 32], [0, 51, 24], [0, 0, 1]], **size}
        path.write_text(json.dumps(data))
        assert detect(path).name == ("poses-w2c" if sign == 1 else "poses-c2w")
        motion = read_motion(path, canvas=(64, 48))
        assert motion.canvas == (64, 48)
        assert matrices(motion)[1, 0, 3] == 0.5 * sign
        assert lens(motion).tolist() == [[50, 51, 32, 24]]


def test_pose_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    good = np.tile(np.eye(4), (2, 1, 1)).tolist()
    moved = np.tile(np.eye(4), (2, 1, 1))
    moved[:, 3, :3] = 5
    for data, form, message in (
        (
            {"c2w": good},
            "poses-w2c",
            "its key 'c2w' says the other direction; expected the key 'wor",
        ),
        ({"poses": good}, "poses-c2w", "it has no such key; expected the key 'camera_to_world'"),
        ({"c2w": good, "w2c": good}, "poses-w2c", "both directions .w2c, c2w.; keep the one"),
        ({"w2c": [[1, 2], [3]]}, "poses-w2c", "must be rows of numbers, all of one length"),
        ({"w2c": np.eye(4).tolist()}, "poses-w2c", r"have the shape \(4, 4\); \(T, 3, 4\), "),
        ({"w2c": moved.tolist()}, "poses-w2c", r"frame 0 in .* ends in \(5.0, 5.0, 5.0, 1.0\);"),
        ({"w2c": good, "intrinsics": [1, 2, 3]}, "poses-w2c", r"intrinsics .* shape \(3,\)"),
        (
            {"w2c": good, "intrinsics": [[1, 2, 3], [0, 1, 1], [0, 0, 1]]},
            "poses-w2c",
            "have skew; pixels must be upright",
        ),
        (
            {"w2c": good, "intrinsics": [[1, 1, 3, 3]] * 3},
            "poses-w2c",
            "has 2 poses but 3 sets of intrinsics",
        ),
        ({"w2c": good, "canvas": 5}, "poses-w2c", r"canvas must be \(width, height\)"),
    ):
        path.write_text(json.dumps(data))
        with pytest.raises(MotionError, match=message):
            read_motion(path, format=form, canvas=CANVAS)
    path.write_text(json.dumps({"w2c": good}))
    with pytest.raises(MotionError, match="The form poses-w2c does not say its canvas"):
        read_motion(path)
    motion = Motion(
        canvas=CANVAS,
        camera=CameraPath(world_to_camera=good, intrinsics=[(500, 500, 9, 9)]),
    )
    with pytest.raises(MotionError, match=r"A .npy file of poses cannot hold the camera's intrin"):
        write_motion(motion, tmp_path / "a.npy", "poses-w2c")
    with pytest.raises(MotionError, match=r"Poses are written to .npy or .json, got 'a.txt'"):
        write_motion(motion, tmp_path / "a.txt", "poses-w2c")


def unreal(*places: tuple[float, float, float], turn: str = "1 0 0") -> dict[str, Any]:
    """A file as Unreal Engine exports it; all cameras look along x, z is up."""
    return {
        f"frame{n}": {
            "cam01": f"[1 0 0 0] [-0 1 0 0] [0 -0 1 0] [{x} {y} {z} 1] ",
            "cam02": "[0 1 0 0] [-1 0 0 0] [0 0 1 0] [0 0 0 1] ",
        }
        for n, (x, y, z) in enumerate(places)
    }


def test_recammaster_files(tmp_path: Path) -> None:
    path = tmp_path / "camera_extrinsics.json"
    path.write_text(json.dumps(unreal((0, 0, 0), (100, 20, 3))))
    assert detect(path).name == "recammaster"
    with pytest.raises(MotionError, match=r"holds 2 cameras; say which with .* cam01 and cam02"):
        read_motion(path, canvas=CANVAS)
    with pytest.raises(MotionError, match="has no camera 'cam09'"):
        read_motion(path, canvas=CANVAS, format="recammaster:cam09")
    motion = read_motion(path, canvas=CANVAS, format="recammaster:cam01")
    assert (motion.fps, motion.frames) == (15.0, 2)
    first, last = whole(matrices(motion))
    assert np.array_equal(first, np.eye(4))
    # A metre forward (z), 20 cm to the right (x), 3 cm up (-y).
    assert np.allclose(np.linalg.inv(last)[:3, 3], (0.2, -0.03, 1.0))
    # Turned to the left or right, a camera of Unreal still has its up axis up.
    turned = np.linalg.inv(
        whole(matrices(read_motion(path, canvas=CANVAS, format="recammaster:cam02")))
    )[0]
    assert np.allclose(turned[:3, 1], (0, 1, 0))
    assert np.allclose(turned[:3, 2], (1, 0, 0))


def test_recammaster_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "camera_extrinsics.json"
    good = unreal((0, 0, 0), (1, 0, 0))
    for data, message in (
        (
            {"frame0": good["frame0"], "frame2": good["frame1"]},
            "without a gap; it has frame0 and f",
        ),
        ({"frame0": good["frame0"], "frame1": {}}, "camera 'cam01' of .* is missing in frame 1"),
        ({"frame0": {"cam01": "[1 0 0 0]"}}, r"'cam01' in frame 0 is '\[1 0 0 0\]'; four rows in"),
        ({"frame0": {"cam01": "[1 0 0 0] [a b] [c] [d]"}}, "four rows in brackets"),
        (
            {"frame0": {"cam01": "[1 0 0 1] [0 1 0 1] [0 0 1 1] [0 0 0 1]"}},
            "do not end in 0, 0, 0, 1",
        ),
        ({}, "must hold frame0, frame1, ... without a gap; it has none"),
    ):
        path.write_text(json.dumps(data))
        with pytest.raises(MotionError, match=message):
            read_motion(path, canvas=CANVAS, format="recammaster:cam01")


@given(paths)
@examples
def test_recammaster_there_and_back(tmp_path: Path, camera: CameraPath) -> None:
    motion = Motion(canvas=CANVAS, camera=attrs.evolve(camera, intrinsics=()))
    path = write_motion(motion, tmp_path / "a.json", "recammaster")
    back = read_motion(path, canvas=CANVAS)
    assert np.allclose(matrices(back), matrices(motion), atol=1e-11)


def test_das_poses(tmp_path: Path) -> None:
    motion = read_motion(
        write_motion(
            Motion(canvas=CANVAS, camera=CameraPath(world_to_camera=[np.eye(4)] * 49)),
            tmp_path / "a.npy",
            "das",
        ),
        format="das",
        canvas=CANVAS,
    )
    assert matrices(motion).shape == (49, 3, 4)
    assert np.load(tmp_path / "a.npy").shape == (49, 4, 4)
