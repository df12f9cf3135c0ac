"""Forms of drags and tracks: files as their own tools write them, and round trips."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema import Drag, Motion, MotionError, Region, Tracks
from kinema.formats import detect, read_motion, write_motion
from kinema.testing.strategies import drags, masks, motions

CANVAS = (96, 64)
examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
tracked = motions(CANVAS, camera=False, with_regions=False)


def points_of(motion: Motion, frames: int) -> tuple[Any, Any]:
    """Every track, then every drag, frame by frame."""
    points, visible = [], []
    if motion.tracks:
        rows, seen = motion.tracks.arrays(frames)
        points.append(rows)
        visible.append(seen)
    for drag in motion.drags:
        points.append(drag.path(frames)[:, None])
        visible.append(np.ones((frames, 1), bool))
    return np.concatenate(points, axis=1), np.concatenate(visible, axis=1)


def check_tracks(motion: Motion, back: Motion, frames: int, tolerance: float) -> None:
    points, visible = points_of(motion, frames)
    assert back.tracks is not None
    rows, seen = back.tracks.arrays()
    assert np.array_equal(seen, visible)
    assert np.abs(rows - points)[visible].max(initial=0.0) <= tolerance


def item(folder: Path, points: Any, name: str = "meta_data.json") -> Path:
    """An MC-Bench item as its annotation tool writes it."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", CANVAS, (90, 120, 60)).save(folder / "first_frame.png")
    mask = Image.new("RGB", CANVAS)
    mask.paste((255, 255, 255), (10, 10, 40, 40))
    mask.save(folder / "first_frame_mask.png")
    (folder / name).write_text(json.dumps({"traj_key_points": points}))
    return folder


@pytest.mark.parametrize("name", ["meta_data.json", "meta_data_new.json"])
def test_an_mc_bench_item(tmp_path: Path, name: str) -> None:
    folder = item(tmp_path / "item", [[[20, 20], [35, 22], [60, 20]], [[12, 30]]], name)
    assert detect(folder).name == "mc-bench"
    motion = read_motion(folder)
    assert motion.canvas == CANVAS
    assert motion.drags == (Drag([(20, 20), (35, 22), (60, 20)]), Drag([(12, 30)]))
    assert motion.drags[1].is_anchor
    assert motion.frames == 16
    (region,) = motion.regions
    assert region.rasterize(CANVAS).sum() == 900
    assert read_motion(folder / name) == motion
    assert read_motion(folder, canvas=(7, 7), frames=25, fps=10).canvas == CANVAS


def test_mc_bench_brushes_are_what_is_not_black(tmp_path: Path) -> None:
    folder = item(tmp_path, [[[20, 20], [60, 20]]])
    faint = np.zeros((64, 96, 3), np.uint8)
    faint[5:9, 5:9, 2] = 3
    Image.fromarray(faint).save(folder / "first_frame_mask.png")
    (region,) = read_motion(folder).regions
    assert region.rasterize(CANVAS).sum() == 16
    Image.new("RGB", CANVAS).save(folder / "first_frame_mask.png")
    assert read_motion(folder).regions == ()


def test_mc_bench_mask_paths_work_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item(tmp_path / "item", [[[20, 20], [60, 20]]])
    monkeypatch.chdir(tmp_path)
    motion = read_motion("item")
    assert motion.regions[0].rasterize(CANVAS).any()
    motion.save(tmp_path / "item" / "motion.json")
    monkeypatch.chdir("/")
    assert Motion.load(tmp_path / "item" / "motion.json").regions[0].rasterize(CANVAS).any()


def test_mc_bench_mistakes_are_named(tmp_path: Path) -> None:
    folder = item(tmp_path / "item", [[[20, 20], [60, 20]]])
    (folder / "meta_data_new.json").write_text(json.dumps({"traj_key_points": [[[1, 1]]]}))
    with pytest.raises(
        MotionError, match=r"meta_data.json and meta_data_new.json differ; name the"
    ):
        read_motion(folder)
    assert len(read_motion(folder / "meta_data_new.json").drags[0].points) == 1
    for data, message in (
        ({"points": []}, "has no key 'traj_key_points'"),
        ({"traj_key_points": 5}, "must be a list of drags, got 5"),
        ({"traj_key_points": [[[200, 20]]]}, r"A drag starts at \(200, 20\), outside the canvas"),
        ({"traj_key_points": [[[20]]]}, r"At drags\[0\].points\[0\]: expected 2 values, got 1"),
        ({"traj_key_points": [[]]}, r"At drags\[0\].points: expected at least 1 value,"),
    ):
        (folder / "meta_data_new.json").write_text(json.dumps(data))
        with pytest.raises(MotionError, match=message):
            read_motion(folder / "meta_data_new.json", format="mc-bench")
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(MotionError, match=r"holds neither meta_data.json nor meta_data_new.json"):
        read_motion(alone, format="mc-bench")
    (alone / "meta_data.json").write_text(json.dumps({"traj_key_points": [[[1, 1]]]}))
    with pytest.raises(MotionError, match=r"does not say its canvas: there is no first_frame.png"):
        read_motion(alone)
    assert read_motion(alone, canvas=CANVAS).canvas == CANVAS
    (alone / "first_frame_mask.png").write_bytes(b"no picture")
    with pytest.raises(MotionError, match=r"first_frame_mask.png' is no image that can be read"):
        read_motion(alone, canvas=CANVAS)


@given(st.lists(drags(CANVAS), min_size=1, max_size=3), st.none() | masks(CANVAS))
@examples
def test_mc_bench_there_and_back(tmp_path: Path, given_drags: list[Drag], mask: Any) -> None:
    motion = Motion(canvas=CANVAS, drags=given_drags, regions=[] if mask is None else [mask])
    back = read_motion(write_motion(motion, tmp_path / "item", "mc-bench"))
    assert back.canvas == CANVAS
    for before, after in zip(motion.drags, back.drags, strict=True):
        if before.times is None and before.easing == "linear":
            assert after.points == before.points
        assert np.allclose(after.path(16), before.path(16), atol=1e-9)
    assert len(back.regions) == (mask is not None)
    if mask is not None:
        assert np.array_equal(back.regions[0].rasterize(CANVAS), mask)


def test_mc_bench_writes_beside_the_photo(tmp_path: Path) -> None:
    folder = item(tmp_path / "item", [[[1, 1]]])
    motion = Motion(canvas=CANVAS, drags=[[(5, 6), (7, 8)]])
    write_motion(motion, folder, "mc-bench")
    assert (folder / "first_frame.png").exists()
    assert read_motion(folder).drags == motion.drags
    with pytest.raises(
        MotionError, match=r"first_frame.png is 96x64 but the Motion's canvas is 9x9"
    ):
        write_motion(Motion(canvas=(9, 9), drags=[[(5, 6)]]), folder, "mc-bench")
    with pytest.raises(MotionError, match=r"is a folder; 'a.json' has the suffix of a file"):
        write_motion(motion, tmp_path / "a.json", "mc-bench")


def test_wan_move_files(tmp_path: Path) -> None:
    tracks = np.array([[[[481.0, 217.5], [3, 4]], [[479.99, 217.98], [5, 6]]]], np.float32)
    np.save(tmp_path / "clip_tracks.npy", tracks)
    np.save(tmp_path / "clip_visibility.npy", np.array([[[True, True], [True, False]]]))
    path = tmp_path / "clip_tracks.npy"
    assert detect(path).name == "wan-move"
    motion = read_motion(path, canvas=(832, 480))
    assert motion.tracks is not None
    assert motion.tracks.points[0] == ((481.0, 217.5), (3.0, 4.0))
    assert motion.tracks.visible == ((True, True), (True, False))
    assert (motion.fps, motion.frames) == (16.0, 2)
    assert read_motion(tmp_path, canvas=(832, 480)) == motion
    # Without the batch axis, with flags of another type.
    np.save(path, tracks[0])
    np.save(tmp_path / "clip_visibility.npy", np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert read_motion(path, canvas=(832, 480)) == motion
    with pytest.raises(
        MotionError, match=r"The form wan-move does not say its canvas: .*--size WxH"
    ):
        read_motion(path)


def test_wan_move_mistakes_are_named(tmp_path: Path) -> None:
    path, beside = tmp_path / "tracks.npy", tmp_path / "visibility.npy"
    np.save(path, np.ones((3, 2, 2)))
    with pytest.raises(
        MotionError, match=r"need their visibility file: 'visibility.npy' beside it"
    ):
        read_motion(path, canvas=CANVAS)
    for flags, message in (
        (np.ones((3, 1)), "have 3 frames of 2 points, their visibility has 3 of 1"),
        (np.ones(3), r"has the shape \(3,\); \(F, N\) is expected"),
        (np.full((3, 2), 0.5), "holds values other than 0 and 1"),
    ):
        np.save(beside, flags)
        with pytest.raises(MotionError, match=message):
            read_motion(path, canvas=CANVAS)
    np.save(beside, np.ones((3, 2)))
    for tracks, message in (
        (np.ones((2, 3, 2, 2)), r"has the shape \(2, 3, 2, 2\); \(F, N, 2\) is expected"),
        (np.ones((3, 2, 3)), r"has the shape \(3, 2, 3\)"),
        (np.array([["a"]]), "numbers are expected"),
    ):
        np.save(path, tracks)
        with pytest.raises(MotionError, match=message):
            read_motion(path, format="wan-move", canvas=CANVAS)
    np.save(path, np.full((3, 2, 2), np.nan))
    with pytest.raises(MotionError, match="Point 0 of track frame 0 is not finite"):
        read_motion(path, canvas=CANVAS)
    np.save(path, np.full((3, 2, 2), 70.0))
    with pytest.raises(
        MotionError, match=r"A track starts at \(70, 70\), outside the canvas of 96x64"
    ):
        read_motion(path, canvas=CANVAS)
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    (tmp_path / "a.npz").rename(path)
    with pytest.raises(MotionError, match=r"is an .npz archive; a .npy file is expected"):
        read_motion(path, format="wan-move", canvas=CANVAS)
    with pytest.raises(MotionError, match=r"are named like 'x_tracks.npy'"):
        write_motion(Motion(canvas=CANVAS, drags=[[(1, 1)]]), tmp_path / "a.npy", "wan-move")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "tracks.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(
        MotionError, match=r"is not a readable .npy file: .*Object arrays cannot be loaded"
    ):
        read_motion(tmp_path / "tracks.npy", format="wan-move", canvas=CANVAS)
    torch.save({"a": Path}, tmp_path / "a.pth")
    with pytest.raises(MotionError, match="is not a torch file: Weights only load failed"):
        read_motion(tmp_path / "a.pth", canvas=CANVAS)


@given(tracked, st.integers(2, 20))
@examples
def test_wan_move_there_and_back(tmp_path: Path, motion: Motion, frames: int) -> None:
    if not (motion.drags or motion.tracks):
        return
    write_motion(motion, tmp_path / "x_tracks.npy", "wan-move", frames=frames)
    back = read_motion(tmp_path / "x_tracks.npy", canvas=CANVAS)
    check_tracks(motion, back, frames, 1e-5)
    again = read_motion(write_motion(back, tmp_path / "y", "wan-move"), canvas=CANVAS)
    assert again == back


def ati_file(path: Path, array: Any) -> Path:
    """An ATI file as its trajectory editor writes it."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array=array)
    torch.save(buffer.getvalue(), path)
    return path


def test_ati_files(tmp_path: Path) -> None:
    first = np.array([[p, 2 * p, 1] for p in np.linspace(10, 20, 121)])
    padded = np.concatenate([first[:40], np.zeros((81, 3))])
    array = (8 * np.stack([first, padded])[:, :, None]).astype(np.float32)
    path = ati_file(tmp_path / "a.pth", array)
    assert detect(path).name == "ati"
    motion = read_motion(path, canvas=CANVAS)
    assert motion.tracks is not None
    points, visible = motion.tracks.arrays()
    assert points.shape == (121, 2, 2)
    assert np.allclose(points[:, 0], first[:, :2], atol=1e-6)
    assert visible[:, 0].all()
    assert visible[:, 1].tolist() == [True] * 40 + [False] * 81
    assert (motion.fps, motion.frames) == (24.0, 121)
    swapped = ati_file(tmp_path / "b.pth", array.transpose(1, 0, 2, 3))
    assert read_motion(swapped, canvas=CANVAS) == motion
    whole = ati_file(tmp_path / "c.pth", (8 * first[None, :, None]).astype(np.uint16))
    assert read_motion(whole, canvas=CANVAS, frames=81, fps=16).frames == 81


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.ones((2, 81, 1, 3)),
            r"has the shape \(2, 81, 1, 3\); an ATI file holds .* exactly 121",
        ),
        (np.ones((2, 121, 3)), r"has the shape \(2, 121, 3\)"),
        (np.ones((2, 121, 1, 3)), r"must be 0 \(hidden\) or 8 \(visible\)"),
        (np.array([["a"]]), "numbers are expected"),
        (np.full((1, 121, 1, 3), np.inf), r"must be 0 \(hidden\) or 8"),
    ],
)
def test_wrong_ati_arrays_are_named(tmp_path: Path, array: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        read_motion(ati_file(tmp_path / "a.pth", array), canvas=CANVAS)


def test_other_torch_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(torch.ones(3), path)
    with pytest.raises(MotionError, match=r"holds Tensor; an ATI file holds the bytes of an .npz"):
        read_motion(path, canvas=CANVAS)
    torch.save(b"hello", path)
    with pytest.raises(MotionError, match=r"holds no .npz archive with the key 'array'"):
        read_motion(path, canvas=CANVAS)
    path.write_bytes(b"")
    with pytest.raises(MotionError, match="is not a torch file"):
        read_motion(path, canvas=CANVAS)
    ati_file(path, np.full((1, 121, 1, 3), 8.0))
    with pytest.raises(MotionError, match=r"The form ati does not say its canvas"):
        read_motion(path)
    with pytest.raises(MotionError, match="holds exactly 121 samples; 81 were asked for"):
        write_motion(Motion(canvas=CANVAS, drags=[[(1, 1)]]), path, "ati", frames=81)


@given(tracked)
@examples
def test_ati_there_and_back(tmp_path: Path, motion: Motion) -> None:
    if not (motion.drags or motion.tracks):
        return
    back = read_motion(write_motion(motion, tmp_path / "a.pth", "ati"), canvas=CANVAS)
    check_tracks(motion, back, 121, 1e-5)
    assert read_motion(write_motion(back, tmp_path / "b.pth", "ati"), canvas=CANVAS) == back


def test_comfyui_coordinates(tmp_path: Path) -> None:
    one = [{"x": 10, "y": 20}, {"x": 12.5, "y": 21}, {"x": 15, "y": 22}]
    path = tmp_path / "a.json"
    forms = [
        json.dumps(one),
        json.dumps([one]),
        json.dumps(json.dumps([one])),
        json.dumps([json.dumps(one)]),
        json.dumps([json.dumps(one).replace('"', "'")]),
    ]
    for text in forms:
        path.write_text(text)
        motion = read_motion(path, canvas=CANVAS, format="comfyui-coords")
        assert motion.tracks == Tracks(points=[[(10, 20)], [(12.5, 21)], [(15, 22)]])
        assert motion.frames == 3
    for text in (forms[0], forms[1], forms[3], forms[4]):
        path.write_text(text)
        assert detect(path).name == "comfyui-coords"


def test_a_comfyui_track_that_ends_early_is_hidden_from_there(tmp_path: Path) -> None:
    long = [{"x": 1, "y": t} for t in range(4)]
    (tmp_path / "a.json").write_text(json.dumps([long, long[:2]]))
    motion = read_motion(tmp_path / "a.json", canvas=CANVAS)
    assert motion.tracks is not None
    points, visible = motion.tracks.arrays()
    assert visible[:, 1].tolist() == [True, True, False, False]
    assert points[2:, 1].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must hold a list of tracks"),
        ("5", "must hold a list of tracks"),
        ('[[{"x": 1}]]', "Track 0 of .* is not a list of points with 'x' and 'y'"),
        ("[[]]", "Track 0 of"),
        ('["{"]', "is not JSON"),
        ('[{"x": 1, "y": "a"}, {"x": 1, "y": 2}]', r"At tracks.points.*expected a number, got 'a'"),
        ('[{"x": 1, "y": 2}]', "expected at least 2 values, got 1"),
    ],
)
def test_wrong_coordinates_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MotionError, match=message):
        read_motion(tmp_path / "a.json", format="comfyui-coords", canvas=CANVAS)


def test_comfyui_tracks(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    points = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    for flags, visible in (
        ([[True, False], [True, True]], ((True, False), (True, True))),
        ([[1], [0]], ((True, True), (False, False))),
        (None, ()),
    ):
        path.write_text(json.dumps({"track_path": points, "track_visibility": flags}))
        assert detect(path).name == "comfyui-tracks"
        motion = read_motion(path, canvas=CANVAS)
        assert motion.tracks == Tracks(points=points, visible=visible)
    for data, message in (
        ({"track_path": [[1, 2]]}, r"has the shape \(1, 2\); \(T, N, 2\) is expected"),
        ({"track_path": [[[1, 2], [3]]]}, "must be rows of numbers, all of one length"),
        ({"track_path": [[["1", "2"]]]}, "must be rows of numbers"),
        (
            {"track_path": points, "track_visibility": [[1, 1]]},
            r"has the shape \(1, 2\), the tracks",
        ),
        ({"track_path": points, "track_visibility": [[2], [1]]}, "is not all true or false"),
    ):
        path.write_text(json.dumps(data))
        with pytest.raises(MotionError, match=message):
            read_motion(path, canvas=CANVAS)


@given(tracked, st.integers(2, 20))
@examples
def test_comfyui_there_and_back(tmp_path: Path, motion: Motion, frames: int) -> None:
    if not (motion.drags or motion.tracks):
        return
    path = write_motion(motion, tmp_path / "a.json", "comfyui-tracks", frames=frames)
    back = read_motion(path, canvas=CANVAS)
    check_tracks(motion, back, frames, 0.0)
    if motion.tracks is None or not motion.tracks.visible:
        path = write_motion(motion, tmp_path / "b.json", "comfyui-coords", frames=frames)
        assert read_motion(path, canvas=CANVAS) == back


def test_what_coordinates_cannot_say_is_refused(tmp_path: Path) -> None:
    def tracks(*flags: bool) -> Motion:
        points = [[(t, 1)] for t in range(len(flags))]
        return Motion(
            canvas=CANVAS, tracks=Tracks(points=points, visible=[[flag] for flag in flags])
        )

    with pytest.raises(MotionError, match="track 0 is hidden and visible again"):
        write_motion(tracks(True, False, True), tmp_path / "a.json", "comfyui-coords")
    with pytest.raises(MotionError, match="cannot say how long the clip is once every track has"):
        write_motion(tracks(True, True, False), tmp_path / "a.json", "comfyui-coords")


def test_tora_files(tmp_path: Path) -> None:
    path = tmp_path / "circle.txt"
    path.write_text("64,128\n128, 0\n255,255\n\n")
    assert detect(path).name == "tora"
    motion = read_motion(path, canvas=(512, 320))
    assert motion.drags == (Drag([(128, 160), (256, 0), (510, 318.75)]),)
    with pytest.raises(
        MotionError, match=r"does not say its canvas: its 256x256 square is stretched"
    ):
        read_motion(path)
    (tmp_path / "wave.txt").write_text("1,2\n")
    assert len(read_motion(tmp_path, canvas=(512, 320)).drags) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3 4\n5,6,7\n", "in .* line 2 is '3 4' and line 3 is '5,6,7'"),
        ("\n", "holds no points"),
        ("256,10\n", r"A drag starts at \(96, 2.5\), outside the canvas"),
        ("nan,1\n", "line 1 is 'nan,1'"),
    ],
)
def test_wrong_tora_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(MotionError, match=message):
        read_motion(tmp_path / "a.txt", format="tora", canvas=CANVAS)


@given(st.lists(drags((640, 480)), min_size=1, max_size=3))
@examples
def test_tora_there_and_back_within_its_bound(
    tmp_path_factory: pytest.TempPathFactory, given_drags: list[Drag]
) -> None:
    motion = Motion(canvas=(640, 480), drags=given_drags)
    folder = write_motion(motion, tmp_path_factory.mktemp("tora") / "out", "tora")
    back = read_motion(folder, canvas=(640, 480))
    cell = np.array([640 / 256, 480 / 256])
    for before, after in zip(motion.drags, back.drags, strict=True):
        if before.times is None and before.easing == "linear":
            points = np.array(before.points)
            off = np.abs(points - np.array(after.points))
            assert (off <= cell).all()
            edge = points > np.array([640, 480]) - cell
            assert (off[~edge] <= np.broadcast_to(cell / 2 + 1e-9, off.shape)[~edge]).all()
    again = write_motion(back, folder.parent / "again", "tora")
    assert read_motion(again, canvas=(640, 480)) == back


def test_tora_writes_one_trajectory_per_file(tmp_path: Path) -> None:
    motion = Motion(canvas=CANVAS, drags=[[(1, 1)], [(2, 2)]])
    with pytest.raises(MotionError, match="holds one trajectory, this Motion has 2; give a folder"):
        write_motion(motion, tmp_path / "a.txt", "tora")
    with pytest.raises(MotionError, match=r"writes .txt files, or a folder of them; got 'a.json'"):
        write_motion(motion, tmp_path / "a.json", "tora")
    write_motion(motion, tmp_path / "out", "tora")
    with pytest.raises(MotionError, match=r"already holds .txt files; give an empty one"):
        write_motion(motion, tmp_path / "out", "tora")


def entities(folder: Path, mode: str = "JPEG") -> Path:
    """A DragAnything folder as the demo ships it."""
    folder.mkdir(exist_ok=True)
    for name, box in (("1_bird.jpg", (10, 10, 30, 30)), ("1_mountain.jpg", (50, 20, 90, 60))):
        mask = Image.new("RGB", CANVAS)
        mask.paste((255, 255, 255), box)
        mask.save(folder / name, mode)
    trajectory = [[15 + t, 20] for t in range(20)]
    data = {
        "1": {"comment": "keep", "mask_name": "1_mountain.jpg", "trajectory": [[60, 30]] * 20},
        "2": {"comment": "bird", "mask_name": "1_bird.jpg", "trajectory": trajectory},
    }
    (folder / "demo.json").write_text(json.dumps(data))
    return folder


def test_draganything_files(tmp_path: Path) -> None:
    folder = entities(tmp_path / "demo")
    assert detect(folder).name == "draganything"
    assert detect(folder / "demo.json").name == "draganything"
    motion = read_motion(folder)
    assert motion == read_motion(folder / "demo.json")
    assert motion.canvas == CANVAS
    assert motion.frames == 20
    assert [drag.region for drag in motion.drags] == ["1", "2"]
    assert list(motion.drags[1].points[-1]) == [34, 20]
    assert [region.rasterize(CANVAS).sum() for region in motion.regions] == [1600, 400]

    back = read_motion(write_motion(motion, tmp_path / "out", "draganything"))
    assert back.drags == motion.drags
    for before, after in zip(motion.regions, back.regions, strict=True):
        assert np.array_equal(before.rasterize(CANVAS), after.rasterize(CANVAS))


def test_draganything_mistakes_are_named(tmp_path: Path) -> None:
    folder = entities(tmp_path / "demo")
    good = json.loads((folder / "demo.json").read_text())
    for change, message in (
        ({"2": {"mask_name": "1_bird.jpg"}}, "Entity '2' of .* needs a 'mask_name' and a 'traj"),
        ({"2": {"mask_name": 5, "trajectory": []}}, "The mask_name of entity '2' .* is 5; it must"),
        ({"2": good["2"] | {"trajectory": [[1, 1]] * 3}}, "different frame counts: '1' 20, '2' 3"),
        (
            {"2": good["2"] | {"trajectory": [[1, 1, 1]] * 20}},
            r"drags\[1\].points\[0\]: expected 2",
        ),
    ):
        (folder / "demo.json").write_text(json.dumps(good | change))
        with pytest.raises(MotionError, match=message):
            read_motion(folder)
    (folder / "demo.json").write_text("{}")
    with pytest.raises(MotionError, match="must hold an object with one entry per entity"):
        read_motion(folder)
    lonely = Motion(
        canvas=CANVAS, drags=[[(1, 1), (2, 2)]], regions=[Region.from_array(np.eye(64, 96, 40))]
    )
    with pytest.raises(MotionError, match=r"drag 0, which starts at .* lies in none"):
        write_motion(lonely, tmp_path / "out", "draganything")
    twice = Motion(
        canvas=CANVAS,
        drags=[Drag([(60, 30)], region="cup"), Drag([(70, 30)], region="cup")],
        regions=[Region(polygon=[(50, 20), (90, 20), (90, 60)], name="cup")],
    )
    with pytest.raises(MotionError, match="Two drags move the region 'cup'"):
        write_motion(twice, tmp_path / "out", "draganything")
    with pytest.raises(MotionError, match="needs drags; this Motion has none"):
        write_motion(Motion(canvas=CANVAS), tmp_path / "out", "draganything")


def test_sg_i2v_files(tmp_path: Path) -> None:
    centres = [[20 + t, 25 - t] for t in range(14)]
    array = np.array([[[10, 15], [30, 35], *centres], [[50, 5], [60, 20], *[[55, 12]] * 14]], float)
    path = tmp_path / "traj.npy"
    np.save(path, array)
    assert detect(path).name == "sg-i2v"
    with pytest.raises(MotionError, match=r"there is no img.png beside it"):
        read_motion(path)
    Image.new("RGB", CANVAS).save(tmp_path / "img.png")
    motion = read_motion(tmp_path)
    assert motion == read_motion(path)
    assert motion.canvas == CANVAS
    assert (motion.frames, motion.fps) == (14, 7.0)
    assert list(motion.drags[0].points[1]) == [21, 24]
    assert list(motion.regions[0].polygon) == [(10, 15), (30, 15), (30, 35), (10, 35)]
    write_motion(motion, tmp_path / "again_traj.npy", "sg-i2v")
    assert np.array_equal(np.load(tmp_path / "again_traj.npy"), array)

    for wrong, message in (
        (np.ones((2, 3, 2)), r"has the shape \(2, 3, 2\); \(N, 2 \+ F, 2\) is expected"),
        (array[:, [1, 0, *range(2, 16)]], r"Box 0 .* goes from \(30.0, 35.0\) to \(10.0, 15.0\)"),
    ):
        np.save(path, wrong)
        with pytest.raises(MotionError, match=message):
            read_motion(path, format="sg-i2v")


def test_sg_i2v_keeps_boxes_and_names_other_shapes(tmp_path: Path) -> None:
    mask = np.zeros((64, 96), dtype=bool)
    mask[10:20, 30:50] = True
    motion = Motion(canvas=CANVAS, drags=[[(40, 15), (60, 15)]], regions=[mask])
    path = tmp_path / "traj.npy"
    with pytest.raises(
        MotionError, match=r"would lose the shape of the region png \(its box stays"
    ):
        write_motion(motion, path, "sg-i2v")
    write_motion(motion, path, "sg-i2v", lossy=True, frames=14)
    back = read_motion(path, canvas=CANVAS)
    assert list(back.regions[0].polygon) == [(30, 10), (49, 10), (49, 19), (30, 19)]
    assert np.array_equal(back.regions[0].rasterize(CANVAS), mask)
    assert np.allclose(back.drags[0].points, motion.drags[0].path(14))
