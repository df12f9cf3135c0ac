"""Every known mistake is a finding in words, and no input makes the check fail otherwise."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema import CameraPath, Drag, InputError, Motion, Region, Tracks
from kinema.check import Finding, check_motion
from kinema.formats import FORMATS, write_motion
from kinema.testing.strategies import motions

CANVAS = (512, 320)
STILL = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
GOOD = Motion(canvas=CANVAS, drags=[[(100, 100), (140, 110)]])


def told(findings: list[Finding]) -> str:
    return "\n".join(str(finding) for finding in findings)


def document(**parts: Any) -> dict[str, Any]:
    return {"format": "kinema.motion/1", "canvas": [512, 320], **parts}


def check_json(folder: Path, data: Any, **options: Any) -> list[Finding]:
    path = folder / "m.json"
    path.write_text(json.dumps(data).replace("Infinity", "1e999"))
    return check_motion(path, **options)


def box(left: int, top: int, right: int, bottom: int, name: str = "") -> Region:
    mask = np.zeros((320, 512), dtype=bool)
    mask[top:bottom, left:right] = True
    return Region.from_array(mask, name)


def path_of(poses: list[Any], **options: Any) -> Motion:
    return Motion(canvas=CANVAS, camera=CameraPath(world_to_camera=poses, **options))


def turned(angle: float, shift: Any = (0, 0, 0)) -> Any:
    c, s = np.cos(angle), np.sin(angle)
    return [[c, 0, s, shift[0]], [0, 1, 0, shift[1]], [-s, 0, c, shift[2]]]


def test_a_good_motion_has_no_findings(tmp_path: Path) -> None:
    assert check_motion(GOOD, canvas=CANVAS, frames=16, fps=8) == []
    assert check_motion(GOOD.save(tmp_path / "m.json")) == []
    region = Motion(
        canvas=CANVAS,
        drags=[Drag([(20, 20), (40, 20)], region="cup")],
        regions=[box(9, 9, 60, 60, "cup")],
    )
    assert check_motion(region) == []
    slow = path_of([turned(0.01 * n, (0.01 * n, 0, 0)) for n in range(16)])
    assert check_motion(slow) == []


def test_findings_read_well() -> None:
    finding = Finding("error", "drags[2]", "It is wrong.")
    assert str(finding) == "error at drags[2]: It is wrong."


@pytest.mark.parametrize(
    ("options", "where", "message"),
    [
        ({"canvas": (1024, 640)}, "canvas", "but the canvas expected is 1024x640; coordinates are"),
        ({"canvas": (320, 512)}, "canvas", "is it (height, width), or of a photo not yet rotated"),
        ({"canvas": (512, 512)}, "canvas", "another aspect: it is scaled and cropped to fit"),
        ({"fps": 24}, "fps", "made for 8 fps but 24 are asked for"),
    ],
)
def test_another_frame_than_expected(options: Any, where: str, message: str) -> None:
    finding = check_motion(GOOD, **options)[-1]
    assert (finding.severity, finding.where) == ("warning", where)
    assert message in finding.message


def test_what_the_crop_cuts_away_is_an_error() -> None:
    motion = Motion(canvas=CANVAS, drags=[[(5, 5), (10, 10)]])
    findings = check_motion(motion, canvas=(320, 320))
    assert findings[0].severity == "error"
    assert "Fitted to 320x320: A drag starts at (-91, 5), outside the canvas" in told(findings)


def test_the_photo_is_compared_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (320, 512))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "p.jpg", exif=exif)
    assert check_motion(GOOD, photo=tmp_path / "p.jpg") == []
    Image.new("RGB", (320, 512)).save(tmp_path / "q.jpg")
    assert "the photo is 320x512: is it (height, width)" in told(
        check_motion(GOOD, photo=tmp_path / "q.jpg")
    )
    absent = check_motion(GOOD, photo=tmp_path / "none.jpg")
    assert absent[0].where == "photo"
    assert "does not exist" in absent[0].message


def test_the_photo_is_the_canvas_of_forms_without_one(tmp_path: Path) -> None:
    Image.new("RGB", CANVAS).save(tmp_path / "p.png")
    path = write_motion(GOOD, tmp_path / "a.json", "comfyui-coords")
    assert "does not say its canvas" in told(check_motion(path))
    assert check_motion(path, photo=tmp_path / "p.png") == []


def test_frame_counts_that_differ() -> None:
    tracks = Tracks(points=[[(t, 9)] for t in range(81)])
    motion = Motion(
        canvas=CANVAS,
        tracks=tracks,
        camera=CameraPath(world_to_camera=[turned(0.1 * n) for n in range(3)]),
    )
    findings = told(check_motion(motion))
    assert (
        "at tracks: It is given for 81 frames but 16 follow from its duration and fps" in findings
    )
    assert "at camera: It is given for 3 frames but 16 follow" in findings
    findings = told(check_motion(motion, frames=81))
    assert "tracks" not in findings
    assert "at camera: It is given for 3 frames but 81 are asked for" in findings


def test_a_duration_in_frames_is_an_error() -> None:
    motion = Motion(canvas=CANVAS, drags=GOOD.drags, fps=24, duration=2000)
    assert "error at duration: 2000 s at 24 fps are 4.8e+04 frames" in told(check_motion(motion))


def test_a_motion_without_motion() -> None:
    assert "nothing moves" in told(check_motion(Motion(canvas=CANVAS)))


def test_leaving_the_picture() -> None:
    motion = Motion(canvas=CANVAS, drags=[GOOD.drags[0], [(500, 20), (600, 20)]])
    findings = check_motion(motion, frames=11)
    assert told(findings) == (
        "warning at drags[1]: It leaves the picture of 512x320 (in a clip of 11 frames): "
        "in frame 2 at (520, 20)."
    )
    tracks = Tracks(
        points=[[(9, 9), (8, 8), (7, 7)], [(-3, 9), (-3, 8), (7, 7)]],
        visible=[[True] * 3, [True, False, True]],
    )
    findings = check_motion(Motion(canvas=CANVAS, tracks=tracks), frames=2)
    assert "1 of 3 tracks leave, though visible, the picture" in told(findings)
    assert "track 0 in frame 1 at (-3, 9)" in told(findings)


def test_jumps_and_zero_padding() -> None:
    findings = told(check_motion(Motion(canvas=CANVAS, drags=[[(5, 5), (500, 300)]]), frames=2))
    assert (
        "drags[0]: A jump of more than half the picture between two frames: from frame 0 to 1"
        in (findings)
    )
    padded = Tracks(points=[[(300, 200)], [(301, 201)], [(0, 0)], [(0, 0)]])
    findings = told(check_motion(Motion(canvas=CANVAS, tracks=padded), frames=4))
    assert "track 0 from frame 1 to 2" in findings
    assert "land on (0, 0): padding with zeros should be marked as hidden" in findings
    hidden = Tracks(points=padded.points, visible=[[True], [True], [False], [False]])
    assert check_motion(Motion(canvas=CANVAS, tracks=hidden), frames=4) == []


def test_other_units() -> None:
    unit = Motion(canvas=CANVAS, drags=[[(0.2, 0.5), (0.7, 0.5)]])
    assert "All points lie within 0 and 1 on a canvas of 512x320: are they normalised?" in told(
        check_motion(unit)
    )
    square = Motion(canvas=(832, 480), drags=[[(10, 200), (250, 128)], [(128, 20), (200, 250)]])
    assert "were they drawn on a 256x256 square?" in told(check_motion(square))


def test_swapped_coordinates(tmp_path: Path) -> None:
    data = document(drags=[{"points": [[10, 400], [20, 300]]}])
    findings = told(check_json(tmp_path, data))
    assert (
        "error at drags[0]: A drag starts at (10, 400), outside the canvas of 512x320" in findings
    )
    assert "was (y, x) written for (x, y)?" in findings
    data = document(tracks={"points": [[[10, 400], [20, 20]], [[1, 1], [1, 1]]]})
    findings = told(check_json(tmp_path, data))
    assert "1 of 2 tracks start outside the canvas of 512x320" in findings
    assert "track 0 at (10, 400)" in findings
    assert "was (y, x) written" in findings


def test_regions_and_the_drags_that_move_them(tmp_path: Path) -> None:
    motion = Motion(
        canvas=CANVAS,
        drags=[[(20, 20), (30, 20)], [(300, 200), (310, 200)], Drag([(21, 21)], region="far")],
        regions=[
            box(9, 9, 60, 60, "cup"),
            box(400, 9, 450, 60, "far"),
            box(200, 9, 250, 60, "idle"),
        ],
    )
    assert told(check_motion(motion)).splitlines() == [
        "warning at drags[1]: It starts at (300, 200), off every region; it moves only what is "
        "around its start. Start it on a region, or name the region, if that is what should move.",
        "warning at drags[2]: It starts at (21, 21), outside the region 'far' that it names.",
        "warning at regions: No drag or track moves regions[2]: none starts on it, and none names "
        "it.",
    ]
    tracks = Tracks(points=[[(210, 20)], [(220, 20)]])
    moved = Motion(canvas=CANVAS, tracks=tracks, regions=[motion.regions[2]])
    assert check_motion(moved, frames=2) == []


def test_a_drag_that_misses_a_region_by_a_few_pixels_moves_it_and_says_so() -> None:
    cup = box(9, 9, 60, 60, "cup")
    near = Motion(canvas=CANVAS, drags=[[(63, 20), (90, 20)]], regions=[cup])
    assert near.moved_layers(near.layers())[0] == [1]
    assert told(check_motion(near)).splitlines() == [
        "warning at drags[0]: It starts at (63, 20), 4.0 pixels beside the region 'cup', and is "
        "taken to move it. Start it farther away if it is not meant."
    ]
    anchored = Motion(canvas=CANVAS, drags=[[(63, 20)]], regions=[cup])
    assert anchored.moved_layers(anchored.layers())[0] == [0]
    far = Motion(canvas=CANVAS, drags=[[(66, 20), (90, 20)]], regions=[cup])
    assert far.moved_layers(far.layers())[0] == [0]


def test_a_region_that_comes_and_goes_is_never_attached() -> None:
    cup = attrs.evolve(box(9, 9, 60, 60, "cup"), attached=True, vanishes=0.5)
    motion = Motion(canvas=CANVAS, drags=[[(20, 20), (30, 20)]], regions=[cup])
    assert "regions[0]: The region 'cup' appears or vanishes, and so is cut out" in told(
        check_motion(motion)
    )
    for kept in (attrs.evolve(cup, vanishes=None), attrs.evolve(cup, attached=False)):
        assert check_motion(attrs.evolve(motion, regions=[kept])) == []


def test_masks_that_are_wrong(tmp_path: Path) -> None:
    Image.new("L", (320, 512), 255).save(tmp_path / "turned.png")
    Image.new("L", CANVAS, 0).save(tmp_path / "empty.png")
    Image.new("L", CANVAS, 255).save(tmp_path / "full.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name, message in (
        ("turned", "error at regions[0]: The region"),
        (
            "turned",
            "turned.png is 320x512 but the canvas is 512x320; a mask must have the canvas's",
        ),
        ("empty", "is empty: no pixel of it is bright"),
        ("full", "warning at regions[0]: The region"),
        ("full", "covers the whole picture; is the mask inverted?"),
        ("broken", "is not a readable image"),
        ("absent", "does not exist"),
    ):
        data = document(drags=[{"points": [[9, 9], [19, 9]]}], regions=[{"mask": f"{name}.png"}])
        assert message in told(check_json(tmp_path, data))


def test_a_canvas_larger_than_any_photo_is_not_drawn(tmp_path: Path) -> None:
    data = document(regions=[{"brush": [[9, 9]], "radius": 5}])
    data["canvas"] = [16_000, 16_000]
    assert "larger than any photo may be" in told(check_json(tmp_path, data))


def test_poses_that_are_not_rigid(tmp_path: Path) -> None:
    mirrored = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0]]
    stretched = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    endless = [[1, 0, 0, float("inf")], [0, 1, 0, 0], [0, 0, 1, 0]]
    bottom = [*STILL, [1, 2, 3, 1]]
    data = document(
        camera={"world_to_camera": [STILL, mirrored, stretched, stretched, endless, bottom]}
    )
    findings = told(check_json(tmp_path, data))
    assert "pose of frame 1 is not usable: it is not rigid, its rotation mirrors" in findings
    assert "Left-handed axes (Unreal, or one flipped axis) must be turned to OpenCV's" in findings
    assert (
        "pose of frames 2 and 3 is not usable: it is not rigid, its rotation is not orth"
        in findings
    )
    assert "pose of frame 4 is not usable: it holds a number that is not finite" in findings
    assert (
        "pose of frame 5 is not usable: its last row must be 0, 0, 0, 1, is the matrix" in findings
    )


def test_cameras_in_the_wrong_direction_or_axes() -> None:
    # A camera 10 units from the origin that turns and drifts a little, read the wrong way round.
    camera_to_world = [np.array(turned(0.05 * n, (10, 0, 0.01 * n))) for n in range(9)]
    world_to_camera = [
        np.hstack([pose[:, :3].T, -pose[:, :3].T @ pose[:, 3:]]) for pose in camera_to_world
    ]
    assert "read it as poses-c2w" in told(check_motion(path_of(camera_to_world), frames=9))
    assert check_motion(path_of(world_to_camera), frames=9) == []
    flipped = [np.diag([1.0, -1, -1]) @ np.array(turned(0.01 * n, (0, 0, n))) for n in range(9)]
    assert "are these OpenGL or Blender axes?" in told(check_motion(path_of(flipped), frames=9))


def test_cameras_that_jump_or_stand_still() -> None:
    assert "All camera poses are the same" in told(check_motion(path_of([STILL] * 16)))
    spun = path_of([turned(0.0), turned(1.0)])
    assert "turns by 57 degrees from frame 0 to 1" in told(check_motion(spun, frames=2))


@pytest.mark.parametrize(
    ("lens", "message"),
    [
        ((0.5, 0.9, 0.5, 0.5), "are they fractions of it? They must be in pixels"),
        ((500, 500, 600, 160), "the principal point lies outside the canvas of 512x320"),
        ((243.1, 270.1, 255.5, 159.5), "pixels are not square, as when a camera of aspect 1.778"),
    ],
)
def test_lenses_in_other_units(lens: Any, message: str) -> None:
    poses = [turned(0.01 * n) for n in range(16)]
    assert message in told(check_motion(path_of(poses, intrinsics=[lens])))


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ("dolly:15", "The amount of 'dolly' is 15 scene depths, which goes through or past"),
        ("zoom:120", "The zoom factor is 120; is it in percent?"),
        ("orbit:120", "The amount of 'orbit' is 120 degrees, which turns away from all that"),
    ],
)
def test_moves_in_other_units(moves: str, message: str) -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse(moves))
    assert message in told(check_motion(motion))


def test_all_mistakes_of_a_file_at_once(tmp_path: Path) -> None:
    data = document(
        fps=0,
        colour="red",
        drags=[
            {"points": [[1, 1], [2, float("inf")]]},
            {"points": [[600, 1]]},
            {"points": [[9, 9], [600, 9]]},
            {"points": [[9, 9], [19, 9]], "times": [0.5, 0.5]},
            {"points": [[9, 9]], "easing": "fast"},
            {"points": [[9, 9]], "region": "cap"},
        ],
        regions=[
            {"polygon": [[0, 0], [50, 0], [50, 60]], "name": "cup"},
            {"mask": "absent.png"},
            {},
        ],
        tracks={"points": [[[1, 1], [2, 2]], [[1, 1], [2, float("inf")]]]},
        camera={"moves": [{"name": "zoom", "amount": -1}, {"name": "spin", "amount": 1}]},
    )
    findings = told(check_json(tmp_path, data))
    for message in (
        "error at fps: expected a number above 0, got 0",
        "error at motion: unknown key 'colour'",
        "error at drags[0]: Point 1 of a drag is not finite: (2.0, inf)",
        "error at drags[1]: A drag starts at (600, 1), outside the canvas",
        "warning at drags[2]: It leaves the picture",
        "error at drags[3]: Drag times must increase strictly",
        "error at drags[4].easing: unknown value 'fast'",
        "error at drags[5]: A drag names the region 'cap', which the Motion does not have. Did you",
        "error at regions[1]: The region's mask",
        "error at regions[2]: A region is given by exactly one of",
        "error at tracks: 1 point of the tracks not finite (NaN or infinite): track 1 in",
        "error at camera.moves[1].name: unknown value 'spin'",
    ):
        assert message in findings
    assert findings.index("warning") > findings.rindex("error at")


def test_two_regions_of_one_name_and_bad_moves(tmp_path: Path) -> None:
    corners = [[0, 0], [50, 0], [50, 60]]
    data = document(
        drags=[{"points": [[600, 9]]}],
        regions=[{"polygon": corners, "name": "cup"}, {"polygon": corners, "name": "cup"}],
        camera={"moves": [{"name": "zoom", "amount": -1}, {"name": "pan", "amount": float("inf")}]},
    )
    findings = told(check_json(tmp_path, data))
    assert "error at regions: Two regions of a Motion have the same name" in findings
    assert "error at camera.moves[0]: Camera move 'zoom' got the amount -1.0" in findings
    assert "error at camera.moves[1]: Camera move 'pan' got the amount inf" in findings
    assert "error at drags[0]: A drag starts at (600, 9)" in findings


def test_another_version_and_files_that_are_none(tmp_path: Path) -> None:
    assert "must say 'format': 'kinema.motion/1'; it says 'kinema.motion/2'" in told(
        check_json(tmp_path, {"format": "kinema.motion/2"})
    )
    assert "it says none" in told(check_json(tmp_path, {"canvas": [9, 9], "drags": []}))
    assert "is in no known form" in told(check_json(tmp_path, {"a": 1}))
    assert "There is no file or folder" in told(check_motion(tmp_path / "none"))
    many = document(drags=[{"points": [["a", "b"]]}] * 40)
    assert "There are 30 more such faults" in told(check_json(tmp_path, many))


@pytest.mark.parametrize("options", [{"frames": 0}, {"fps": -1}, {"canvas": "big"}])
def test_wrong_arguments_are_input_errors(options: Any) -> None:
    with pytest.raises(InputError, match="must be"):
        check_motion(GOOD, **options)


@given(motions(with_transforms=True))
@settings(max_examples=60, deadline=None)
def test_no_motion_is_too_odd_to_check(motion: Motion) -> None:
    found = check_motion(motion, canvas=(64, 48), frames=7, fps=3)
    loaded = Motion.from_json(motion.to_json())
    assert check_motion(loaded, canvas=(64, 48), frames=7, fps=3) == found


fuzz = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = st.floats(allow_nan=False) | st.integers(-(10**400), 10**400) | st.integers(-5, 700)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["format", "canvas", "drags", "points", "regions", "mask", "png", "polygon", "tracks",
             "camera", "w2c", "c2w", "x", "y", "track_path", "track_visibility", "1", "mask_name",
             "trajectory", "frame0", "cam01", "traj_key_points", "times", "moves", "intrinsics"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(values, st.sampled_from([None, *FORMATS]))
@fuzz
def test_no_json_crashes_the_check(tmp_path: Path, data: Any, form: str | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    assert all(
        isinstance(finding, Finding) for finding in check_motion(path, format=form, canvas=CANVAS)
    )
    path.write_text(json.dumps(document(drags=data, camera=data, regions=data, tracks=data)))
    check_motion(path)


@given(st.binary(max_size=300), st.sampled_from(["json", "txt", "npy", "pth", "png"]), st.data())
@fuzz
def test_no_bytes_crash_the_check(
    tmp_path: Path, noise: bytes, suffix: str, data: st.DataObject
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 4, 4)))
    start = {"npy": buffer.getvalue()[: data.draw(st.integers(0, 200))], "json": b"[[{"}
    path = tmp_path / f"a_tracks.{suffix}"
    path.write_bytes(start.get(suffix, b"") + noise)
    named = {"npy": ["wan-move", "sg-i2v", "poses-c2w", "das"], "txt": ["tora", "realestate10k"]}
    for form in (None, *named.get(suffix, [])):
        check_motion(path, format=form, canvas=CANVAS)


shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@given(shapes, st.sampled_from(["f4", "f8", "u1", "i8", "?", "c8", "U3"]), st.integers(0, 9))
@fuzz
def test_no_array_crashes_the_check(tmp_path: Path, shape: Any, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.choice([0.0, 1.0, -1.0, 3.5, np.inf, 1e30], shape)
    with np.errstate(all="ignore"):
        array = array.astype(kind)
    for name in ("a_tracks.npy", "a_visibility.npy", "a_traj.npy"):
        np.save(tmp_path / name, array)
    for form in ("wan-move", "poses-w2c", "poses-c2w", "das"):
        check_motion(tmp_path / "a_tracks.npy", format=form, canvas=CANVAS)
    check_motion(tmp_path / "a_traj.npy", format="sg-i2v", canvas=CANVAS)
