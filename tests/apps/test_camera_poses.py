"""``camera-error[poses]``: paths that were found elsewhere, by files that are named as videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

import kinema
from kinema.errors import InputError
from kinema.evaluation import StillModel
from kinema.interfaces import NamedMetric, Truth
from kinema.motion.motion import Motion
from kinema_apps.metrics.camera_poses import CameraErrorOfPoses
from kinema_apps.metrics.configs import PosesConfig

FRAMES = 5
NAME = "mine/camera/room--side-seed0"


def path(turn: float = 0.0, speed: float = 0.1) -> np.ndarray:
    """World-to-camera ``(T, 4, 4)``: to the side, turning by ``turn`` degrees a frame."""
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for t in range(FRAMES):
        poses[t, :3, :3] = Rotation.from_euler("y", turn * t, degrees=True).as_matrix()
        poses[t, 0, 3] = speed * t
    return poses


def write(file: Path, poses: np.ndarray) -> None:
    """In the form of RealEstate10K: time, focal lengths and centre, two zeros, 3x4 numbers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        " ".join(map(str, [t, 0.5, 0.8, 0.5, 0.5, 0, 0, *pose[:3].ravel()]))
        for t, pose in enumerate(poses)
    ]
    file.write_text("\n".join(["https://example.org/video", *rows]) + "\n")


def measured(folder: Path, true: np.ndarray) -> dict[str, float]:
    frames = torch.zeros((FRAMES, 48, 64, 3), dtype=torch.uint8)
    metric = CameraErrorOfPoses(PosesConfig(folder=str(folder)))
    assert isinstance(metric, NamedMetric)
    truth = Truth(world_to_camera=true)
    return dict(metric.compare_named(frames, Motion(canvas=(64, 48)), truth, NAME))


def test_a_path_of_another_scale_and_origin_has_no_error(tmp_path: Path) -> None:
    # Structure from motion puts the origin and the scale where it likes.
    elsewhere = np.eye(4)
    elsewhere[:3, :3] = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    found = path(turn=2.0, speed=0.7)
    write(tmp_path / f"{NAME}.txt", found @ elsewhere)
    found[:, :3, 3] /= 7
    values = measured(tmp_path, found)
    assert values["rotation-error[poses]"] == pytest.approx(0.0, abs=1e-5)
    assert values["translation-error[poses]"] == pytest.approx(0.0, abs=1e-6)


def test_errors_are_degrees_and_shares_of_the_path(tmp_path: Path) -> None:
    write(tmp_path / f"{NAME}.txt", path(turn=2.0, speed=0.0))
    values = measured(tmp_path, path())
    # Frame t is turned by 2 t degrees: the mean over the frames 1 to 4 is 5.
    assert values["rotation-error[poses]"] == pytest.approx(5.0)
    # It never left, and the true centres are t tenths away: 0.25 on average, of a path of 0.4.
    assert values["translation-error[poses]"] == pytest.approx(0.25 / 0.4)
    # The way back cannot be scaled to the way there; the best of it is to stay.
    write(tmp_path / f"{NAME}.txt", path(speed=-0.3))
    assert measured(tmp_path, path())["translation-error[poses]"] == pytest.approx(0.25 / 0.4)
    # A true path that only turns has no length to take shares of.
    assert set(measured(tmp_path, path(turn=1.0, speed=0.0))) == {"rotation-error[poses]"}


def test_what_is_not_there_or_of_another_form_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no folder: ''"):
        CameraErrorOfPoses(PosesConfig())
    with pytest.raises(InputError, match=r"there is no .*room--side-seed0\.txt"):
        measured(tmp_path, path())
    write(tmp_path / f"{NAME}.txt", path()[:3])
    with pytest.raises(InputError, match="must be one per frame: they are 3, the video has 5"):
        measured(tmp_path, path())
    with pytest.raises(InputError, match="has 5 frames, known are 4"):
        measured(tmp_path, path()[:4])
    (tmp_path / f"{NAME}.txt").write_text("nothing of this kind\n")
    with pytest.raises(InputError, match="cannot be read"):
        measured(tmp_path, path())


def test_an_evaluation_tells_the_metric_which_video_it_is(tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    (scenes / "photos").mkdir(parents=True)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(scenes / "photos" / "my room.png")
    write(scenes / "poses" / "side.txt", path())
    found = tmp_path / "found"
    write(found / "still" / "camera" / "my%20room--side-seed0.txt", path(turn=2.0, speed=0.5))
    results = kinema.evaluate(
        "camera",
        [StillModel(), StillModel(name="unfound")],
        options={"folder": str(scenes), "frames": FRAMES},
        metrics={"camera-error[poses]": {"folder": str(found)}},
    )
    turned = results.value("rotation-error[poses]", "still", "camera")
    assert turned.value == pytest.approx(5.0)
    # A video without poses is counted and told, and the others are scored.
    (fault,) = results.faults
    assert (fault.model, fault.metric) == ("unfound", "camera-error[poses]")
    assert "there is no" in fault.reason
