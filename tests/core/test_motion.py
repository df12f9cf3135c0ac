"""Motion: construction, JSON, immutability, paths, and every message a user may meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from kinema import CameraPath, Drag, Motion, MotionError, Region, Tracks
from kinema.files import parse_json
from kinema.motion.canvas import as_size
from kinema.testing.strategies import motions

CANVAS = (512, 320)


def document(**parts: Any) -> dict[str, Any]:
    return {"format": "kinema.motion/1", "canvas": [512, 320], **parts}


@given(motions(with_transforms=True))
@settings(max_examples=60, deadline=None)
def test_json_round_trip_is_lossless(motion: Motion) -> None:
    assert Motion.from_json(motion.to_json()) == motion
    assert Motion.from_dict(motion.to_dict()) == motion


@given(motions(with_transforms=True))
@settings(max_examples=20, deadline=None)
def test_motions_are_values(motion: Motion) -> None:
    assert hash(motion) == hash(Motion.from_json(motion.to_json()))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        motion.fps = 3.0  # type: ignore[misc]
    for part in (*motion.drags, *motion.regions, motion.tracks, motion.camera):
        if part is not None:
            name = attrs.fields(type(part))[0].name
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(part, name, ())


def test_defaults_are_left_out_but_time_is_always_said() -> None:
    plain = Motion(canvas=CANVAS, drags=[[(1, 2), (3, 4)]])
    assert plain.to_dict() == document(
        drags=[{"points": [[1.0, 2.0], [3.0, 4.0]]}], fps=8.0, duration=2.0
    ) | {"canvas": [512, 320]}


def test_bare_sequences_become_drags_and_paths_become_regions() -> None:
    mask = np.zeros((320, 512), dtype=np.uint8)
    mask[0, 0] = 1
    motion = Motion(
        canvas="512X320",
        drags=[np.array([[1, 2], [3, 4]])],
        regions=["mask.png", Path("a/b.png"), {"polygon": [(0, 0), (1, 0), (1, 1)]}, mask],
    )
    assert motion.canvas == CANVAS
    assert motion.drags == (Drag([(1.0, 2.0), (3.0, 4.0)]),)
    assert [region.mask for region in motion.regions[:2]] == ["mask.png", str(Path("a/b.png"))]
    assert motion.regions[3].rasterize(CANVAS).sum() == 1


@pytest.mark.parametrize(
    ("fps", "duration", "frames"), [(8, 2, 16), (24, 1.5, 36), (8, 0.01, 2), (7, 14 / 7, 14)]
)
def test_frames_follow_from_fps_and_duration(fps: float, duration: float, frames: int) -> None:
    assert Motion(canvas=CANVAS, fps=fps, duration=duration).frames == frames


@pytest.mark.parametrize(
    ("canvas", "message"),
    [
        (None, r"canvas must be \(width, height\) or 'WxH', got None"),
        ("512", "must be .* got '512'"),
        ((512,), "got \\(512,\\)"),
        ((512, 320, 3), "got \\(512, 320, 3\\)"),
        ((512.5, 320), "two positive whole numbers, got \\(512.5, 320\\)"),
        ((0, 320), "two positive whole numbers, got \\(0, 320\\)"),
        ((float("inf"), 320), "got \\(inf, 320\\)"),
        ("16385x16384", "at most 268435456 pixels, got '16385x16384' with 268451840"),
        ((float("nan"), 320), "got \\(nan, 320\\)"),
    ],
)
def test_a_wrong_canvas_is_named(canvas: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        as_size(canvas)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"fps": 0}, "fps must be a positive number, got 0.0"),
        ({"fps": float("nan")}, "fps must be a positive number, got nan"),
        ({"duration": -1}, "duration must be a positive number, got -1.0"),
        (
            {"drags": [[(600, 20), (1, 1)]]},
            r"A drag starts at \(600, 20\), outside the canvas of 512x320; it has no pixel",
        ),
        ({"drags": [[(511.5, 20)]]}, r"A drag starts at \(511.5, 20\), outside"),
        (
            {"tracks": Tracks(points=[[(1, 1), (2, -1)], [(0, 0), (0, 0)]])},
            r"A track starts at \(2, -1\), outside the canvas of 512x320",
        ),
        (
            {"drags": [Drag([(1, 1)], region="cap")], "regions": ["cup.png"]},
            "names the region 'cap', which the Motion does not have. Its named regions: none",
        ),
        (
            {
                "drags": [Drag([(1, 1)], region="cap")],
                "regions": [Region(mask="cup.png", name="cup")],
            },
            "does not have. Did you mean 'cup'\\? Its named regions: cup",
        ),
        (
            {"regions": [Region(mask="a", name="cup"), Region(mask="b", name="cup")]},
            "Two regions of a Motion have the same name: \\['cup', 'cup'\\]",
        ),
    ],
)
def test_contradictions_are_named(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Motion(canvas=CANVAS, **parts)


def test_the_outermost_pixels_are_inside() -> None:
    Motion(canvas=CANVAS, drags=[[(-0.5, -0.5)], [(511.49, 319.49)]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "A Motion document must be an object, got list"),
        ({}, "must say 'format': 'kinema.motion/1', got None"),
        (
            {"format": "kinema.motion/2"},
            "must say 'format': 'kinema.motion/1', got 'kinema.motion/2'",
        ),
        ({"format": "kinema.motion/1"}, "At motion: the key 'canvas' is missing"),
        (document(canvas=[512]), "At canvas: expected 2 values, got 1"),
        (document(canvas="512x320"), "At canvas: expected a list, got '512x320'"),
        (
            document(canvas=[512, 0]),
            "At canvas\\[1\\]: expected a whole number of at least 1, got 0",
        ),
        (document(canvas=[512, 320.5]), "At canvas\\[1\\]: expected a whole number .* got 320.5"),
        (document(drag=[]), "At motion: unknown key 'drag'. Did you mean 'drags'\\? Known keys: "),
        (document(drags={}), "At drags: expected a list, got {}"),
        (document(drags=[7]), "At drags\\[0\\]: expected an object, got 7"),
        (document(drags=[{}]), "At drags\\[0\\]: the key 'points' is missing"),
        (document(drags=[{"points": []}]), "At drags\\[0\\].points: expected at least 1 value,"),
        (
            document(drags=[{"points": [[1, 2, 3]]}]),
            "At drags\\[0\\].points\\[0\\]: expected 2 values, got 3",
        ),
        (
            document(drags=[{"points": ["12"]}]),
            "At drags\\[0\\].points\\[0\\]: expected a list, got '12'",
        ),
        (
            document(drags=[{"points": [[1, "2"]]}]),
            "At drags\\[0\\].points\\[0\\]\\[1\\]: expected a number, got '2'",
        ),
        (
            document(drags=[{"points": [[1, True]]}]),
            "At drags\\[0\\].points\\[0\\]\\[1\\]: expected a number, got True",
        ),
        (
            document(drags=[{"points": [[1, 10**400]]}]),
            "At drags\\[0\\].points\\[0\\]\\[1\\]: expected a number, got a huge number",
        ),
        (
            document(drags=[{"points": [[1, 2], [3, 4]], "times": [0, 1.5]}]),
            "At drags\\[0\\].times\\[1\\]: expected a number from 0 to 1, got 1.5",
        ),
        (
            document(drags=[{"points": [[1, 2]], "easing": "ease"}]),
            "At drags\\[0\\].easing: unknown value 'ease'. Did you mean .* Choose one of: linear",
        ),
        (
            document(drags=[{"points": [[1, 2]], "region": 5}]),
            "At drags\\[0\\].region: expected a string, got 5",
        ),
        (document(regions=[{}]), "At regions\\[0\\]: A region is given by exactly one of"),
        (document(regions=[{"png": 5}]), "At regions\\[0\\].png: expected a string, got 5"),
        (document(regions=[{"mask": ""}]), "At regions\\[0\\].mask: expected a string that is not"),
        (
            document(tracks={"points": [[[1, 2]], [[1, 2]]], "visible": [["no"], [True]]}),
            "At tracks.visible\\[0\\]\\[0\\]: expected true or false, got 'no'",
        ),
        (document(tracks=[]), "At tracks: expected an object, got \\[\\]"),
        (
            document(camera={"moves": [{"name": "spin", "amount": 1}]}),
            "At camera.moves\\[0\\].name: unknown value 'spin'.* Choose one of: pan, tilt",
        ),
        (
            document(camera={"world_to_camera": [[[1, 0, 0, 0]] * 2] * 2}),
            "At camera.world_to_camera\\[0\\]: expected 3 to 4 values, got 2",
        ),
        (document(camera={}), "At camera: A camera path needs either named moves or"),
        (document(fps=0), "At fps: expected a number above 0, got 0"),
        (document(fps="8"), "At fps: expected a number above 0, got '8'"),
        (
            document(drags=[{"points": [[600, 1]]}]),
            "At motion: A drag starts at \\(600, 1\\), outside the canvas",
        ),
    ],
)
def test_a_wrong_document_says_where(data: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Motion.from_dict(data)


def test_schema_keys_and_nulls_are_accepted() -> None:
    data = document(tracks=None, camera=None, drags=[{"points": [[1, 2]], "times": None}])
    data["$schema"] = "motion.schema.json"
    assert Motion.from_dict(data) == Motion(canvas=CANVAS, drags=[[(1, 2)]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The motion file is not JSON: Expecting value"),
        ("{", "The motion file is not JSON"),
        ("[" * 100_000, "The motion file is not JSON: it is nested too deeply."),
        ("1" * 5000, "not JSON: Exceeds the limit"),
        ('{"fps": NaN}', "The motion file is not JSON: it holds NaN, which is no number of JSON."),
        ('{"fps": -Infinity}', "holds -Infinity"),
    ],
)
def test_text_that_is_not_json_is_named(text: str, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        parse_json(text)
    with pytest.raises(MotionError, match=message):
        Motion.from_json(text)


def test_overflowing_numbers_are_not_finite() -> None:
    with pytest.raises(MotionError, match=r"Point 0 of a drag is not finite: \(inf, 1.0\)"):
        Motion.from_json(
            json.dumps(document(drags=[{"points": [["@", 1]]}])).replace('"@"', "1e999")
        )


def test_mask_paths_in_a_file_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "masks").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    Image.new("L", CANVAS, 255).save(tmp_path / "in" / "masks" / "m.png")
    monkeypatch.chdir(tmp_path)
    motion = Motion(canvas=CANVAS, regions=["in/masks/m.png"])

    saved = motion.save("in/motion.json")
    assert json.loads(saved.read_text())["regions"] == [{"mask": "masks/m.png"}]
    elsewhere = motion.save("out/motion.json")
    assert json.loads(elsewhere.read_text())["regions"] == [{"mask": "../in/masks/m.png"}]

    monkeypatch.chdir(tmp_path / "out")
    for path in (tmp_path / "in" / "motion.json", Path("motion.json")):
        loaded = Motion.load(path)
        assert loaded.regions[0].rasterize(CANVAS).all()
        assert Path(loaded.regions[0].mask).is_absolute()


def test_an_absent_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        MotionError, match=r"motion file .*none.json' cannot be read: .*No such file"
    ):
        Motion.load(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MotionError, match=r"b.json' cannot be read: 'utf-8' codec"):
        Motion.load(tmp_path / "b.json")


def test_embedded_masks_stand_alone(tmp_path: Path) -> None:
    mask = Image.new("L", CANVAS)
    mask.paste(255, (10, 20, 30, 40))
    mask.save(tmp_path / "m.png")
    motion = Motion(canvas=CANVAS, regions=[Region(mask=str(tmp_path / "m.png"), name="cup")])
    alone = motion.embedded()
    (tmp_path / "m.png").unlink()
    assert alone.regions[0].name == "cup"
    assert np.array_equal(alone.regions[0].rasterize(CANVAS), np.asarray(mask) > 0)


def test_the_camera_survives_json_with_both_kinds() -> None:
    poses = [((1, 0, 0, t), (0, 1, 0, 0), (0, 0, 1, 0)) for t in range(3)]
    for camera in (
        CameraPath.parse("pan:5+zoom:1.2"),
        CameraPath(world_to_camera=poses, intrinsics=[(500, 500, 255.5, 159.5)]),
    ):
        motion = Motion(canvas=CANVAS, camera=camera)
        assert Motion.from_json(motion.to_json()).camera == camera
