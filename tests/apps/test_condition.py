import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import kinema as k
from kinema.interfaces import Scene
from kinema.plugins import Plugins

pytestmark = pytest.mark.all_packages


@pytest.fixture
def motion(tmp_path: Path) -> k.Motion:
    motion = k.Motion(canvas=(128, 64), drags=[[(40, 20), (60, 30)]])
    motion.save(tmp_path / "motion.json")
    return motion


def read(path: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.offset_keys()}, file.metadata()


@pytest.mark.parametrize(
    ("name", "channels"), [("region-trajectory", "dx,dy"), ("motion-mask", "mask")]
)
def test_the_file_holds_what_the_condition_makes(
    name: str, channels: str, kinema: Any, motion: k.Motion
) -> None:
    result = kinema(
        *("condition", name, "--motion", "motion.json", "--size", "128x64", "--frames", "5"),
        *("--out", "a.safetensors"),
    )
    tensors, metadata = read("a.safetensors")
    made = Plugins.installed().build("condition", name).from_motion(motion, Scene(frames=5))
    assert torch.equal(tensors["signal"], made.dense())
    assert tensors["signal"].shape == (5, channels.count(",") + 1, 64, 128)
    assert metadata["channels"] == channels
    assert metadata["condition"] == name
    shape = "x".join(map(str, tensors["signal"].shape))
    assert result.stdout == f"Wrote a.safetensors: {shape} of {channels.replace(',', ', ')}.\n"


def test_a_motion_of_another_canvas_is_fitted(kinema: Any, motion: k.Motion) -> None:
    kinema(
        *("condition", "region-trajectory", "--motion", "motion.json", "--size", "64x64"),
        *("--frames", "4", "--set", "k=4", "--out", "a.safetensors"),
    )
    signal = read("a.safetensors")[0]["signal"]
    ys, xs = torch.nonzero(signal[-1].abs().sum(0), as_tuple=True)
    assert motion.fitted((64, 64)).drags[0].points[0] == (8, 20)
    assert (int(xs.min()), int(xs.max())) == (6, 9)
    assert (int(ys.min()), int(ys.max())) == (18, 21)
    assert signal[-1, :, 20, 8].tolist() == pytest.approx([20, 10])


def test_an_mc_bench_item_is_read(kinema: Any, tmp_path: Path) -> None:
    item = tmp_path / "item"
    item.mkdir()
    Image.new("RGB", (128, 64)).save(item / "first_frame.png")
    Image.new("L", (128, 64), 255).save(item / "first_frame_mask.png")
    (item / "meta_data.json").write_text(json.dumps({"traj_key_points": [[[40, 20], [60, 30]]]}))
    kinema(
        *("condition", "region-trajectory", "--motion", "item", "--size", "128x64"),
        *("--frames", "16", "--out", "a.safetensors"),
    )
    assert read("a.safetensors")[0]["signal"][-1, :, 20, 40].tolist() == pytest.approx([20, 10])


def test_a_camera_takes_its_depth_from_a_file_or_says_what_it_assumed(
    kinema: Any, motion: k.Motion
) -> None:
    k.Motion(canvas=(64, 32), camera=k.CameraPath.parse("truck:0.1")).save("camera.json")
    words = (
        *("condition", "camera-trajectory", "--motion", "camera.json", "--size", "64x32"),
        *("--frames", "3", "--out", "a.safetensors", "--set", "ratio=0"),
    )
    np.save("depth.npy", np.full((32, 64), 2.0, np.float32))
    kinema(*words, "--depth", "depth.npy")
    even = read("a.safetensors")[0]["signal"]
    moved = even[-1, 0][even[-1, 0] != 0]
    assert moved.std() < 1e-3 < moved.abs().mean()
    assert "plane-prior, a prior and not a measurement" in kinema(*words).stderr
    assert not torch.equal(read("a.safetensors")[0]["signal"], even)
    error = kinema(*words, "--depth", "zoedepth", code=2).stderr
    assert error == "Error: The depth estimator 'zoedepth' looks at the photo; give --photo.\n"


GOOD = ("region-trajectory", "--motion", "motion.json", "--size", "64x32", "--frames", "3")
BAD = {
    "unknown condition": (
        ("region-trajectroy", *GOOD[1:], "--out", "a.safetensors"),
        "Unknown condition 'region-trajectroy'. Did you mean 'region-trajectory'?",
    ),
    "suffix": ((*GOOD, "--out", "a.npy"), "A signal is written as .safetensors, not to 'a.npy'."),
    "unknown option": (
        (*GOOD, "--set", "kk=3", "--out", "a.safetensors"),
        "The config of the condition 'region-trajectory' has no option 'kk'.",
    ),
    "bad option": (
        (*GOOD, "--set", "k=0", "--out", "a.safetensors"),
        "k must be at least 1 pixel, got 0.",
    ),
    "absent motion": (
        ("region-trajectory", "--motion", "no.json", *GOOD[3:], "--out", "a.safetensors"),
        "There is no file or folder 'no.json'.",
    ),
    "one frame": (
        (*GOOD[:-1], "1", "--out", "a.safetensors"),
        "A clip needs a whole number of at least 2 frames, got 1.",
    ),
    "absent folder": ((*GOOD, "--out", "no/a.safetensors"), "Cannot write 'no/a.safetensors': "),
    "unknown depth": (
        (
            *("camera-trajectory", "--motion", "camera.json", *GOOD[3:], "--depth", "sonar"),
            *("--photo", "photo.png", "--out", "a.safetensors"),
        ),
        "Unknown depth estimator 'sonar'. Choose one of: depth-file, plane-prior, zoedepth.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str, kinema: Any, motion: k.Motion, photo: Path) -> None:
    k.Motion(canvas=(64, 32), camera=k.CameraPath.parse("truck:0.1")).save("camera.json")
    words, message = BAD[case]
    error = kinema("condition", *words, code=2).stderr
    assert error.splitlines()[-1].startswith("Error: ")
    assert message in error
    assert not Path("a.safetensors").exists()


TRACKS = ("point-tracks", "--motion", "motion.json", "--size", "128x64", "--frames", "5")


def test_tracks_are_written_with_their_visibility(kinema: Any, motion: k.Motion) -> None:
    result = kinema("condition", *TRACKS, "--out", "a.safetensors", "--picture", "a.png")
    tensors, metadata = read("a.safetensors")
    made = Plugins.installed().build("condition", "point-tracks")
    tracks, visible = made.from_motion(motion, Scene(frames=5)).points()
    assert set(tensors) == {"tracks", "visible"}
    assert torch.equal(tensors["tracks"], tracks)
    assert torch.equal(tensors["visible"], visible)
    assert (tensors["tracks"].dtype, tensors["visible"].dtype) == (torch.float32, torch.bool)
    assert metadata == {"channels": "", "condition": "point-tracks"}
    assert result.stdout == (
        "Wrote a.safetensors: tracks of 1 points over 5 frames, 5 places visible.\n"
        "Wrote a.png: 128x64.\n"
    )
    drawn = np.asarray(Image.open("a.png").convert("RGB")).astype(int)
    ys, xs = np.nonzero((drawn != 128).any(axis=2))
    assert (drawn.shape, xs.min() > 36, xs.max() < 64) == ((64, 128, 3), True, True)
    assert (ys.min() > 16, ys.max() < 34) == (True, True)


def test_only_tracks_are_drawn(kinema: Any, motion: k.Motion) -> None:
    error = kinema("condition", *GOOD, "--out", "a.safetensors", "--picture", "a.png", code=2)
    assert "The condition 'region-trajectory' gives maps; --picture draws tracks." in error.stderr
    error = kinema("condition", *TRACKS, "--out", "a.safetensors", "--picture", "a.gif", code=2)
    assert "A picture cannot be written to 'a.gif'. Use .png, .jpg or .webp." in error.stderr
    assert not Path("a.safetensors").exists()


TRACK = [{"x": 40 + 2 * t, "y": 20} for t in range(4)]


def test_whose_pixels_a_file_without_a_canvas_means(kinema: Any, tmp_path: Path) -> None:
    """Known, or given, or the photo's with a word; never guessed from the size asked for."""
    Path("tracks.json").write_text(json.dumps([TRACK]))
    Image.new("RGB", (128, 64)).save("photo.png")
    words = (
        *("condition", "region-trajectory", "--motion", "tracks.json", "--size", "64x32"),
        *("--frames", "4", "--out", "a.safetensors", "--set", "k=2"),
    )
    error = kinema(*words, code=2).stderr
    assert "does not say its canvas" in error
    assert "--canvas WxH" in error
    kinema(*words, "--canvas", "128x64")
    given = read("a.safetensors")[0]["signal"]
    assert given[-1, 0, 9, 19] == 3
    said = kinema(*words, "--photo", "photo.png").stderr
    assert "tracks.json does not say the size of its picture, so the photo's is taken: 128x64" in (
        " ".join(said.split())
    )
    assert torch.equal(read("a.safetensors")[0]["signal"], given)


def test_points_that_look_like_another_picture_are_doubted(kinema: Any, tmp_path: Path) -> None:
    Path("tracks.json").write_text(json.dumps([TRACK]))
    words = (
        *("condition", "region-trajectory", "--motion", "tracks.json", "--size", "64x32"),
        *("--frames", "4", "--out", "a.safetensors", "--photo", "photo.png"),
    )
    Image.new("RGB", (1280, 640)).save("photo.png")
    said = kinema(*words).stderr
    assert "most of its points lie within 45x20 at the top left; was it made for a picture" in said
    Image.new("RGB", (44, 22)).save("photo.png")
    assert "50% of its points lie outside" in kinema(*words).stderr
    Image.new("RGB", (32, 16)).save("photo.png")
    error = kinema(*words, code=2).stderr
    assert "On the photo's 32x16, which is taken since the file does not say its canvas" in error


def test_a_canvas_that_contradicts_the_file_is_refused(kinema: Any, motion: k.Motion) -> None:
    words = (
        *("condition", "region-trajectory", "--motion", "motion.json", "--size", "64x32"),
        *("--frames", "4", "--out", "a.safetensors"),
    )
    assert "says that its canvas is 128x64, and --canvas 64x64 contradicts it" in (
        kinema(*words, "--canvas", "64x64", code=2).stderr
    )
    kinema(*words, "--canvas", "128x64")


def test_depth_goes_the_way_of_the_photo_that_it_is_of(kinema: Any) -> None:
    """With a photo and without one, where photo, canvas and size differ in shape."""
    k.Motion(canvas=(32, 32), camera=k.CameraPath.parse("truck:0.02")).save("camera.json")
    depth = np.full((32, 64), 10.0, np.float32)
    depth[10:22, 40:50] = 2.0
    np.save("depth.npy", depth)
    photo = np.zeros((32, 64, 3), np.uint8)
    photo[10:22, 40:50] = 255
    Image.fromarray(photo).save("photo.png")
    for size in ("32x32", "64x32", "48x32", "32x48"):
        words = (
            *("condition", "layered-motion", "--motion", "camera.json", "--size", size),
            *("--frames", "2", "--depth", "depth.npy", "--out", "a.safetensors"),
        )
        kinema(*words, "--photo", "photo.png")
        seen = read("a.safetensors")[0]["signal"]
        kinema(*words)
        assert torch.equal(read("a.safetensors")[0]["signal"], seen)
        width, height = (int(side) for side in size.split("x"))
        shown = kinema_photo("photo.png", (width, height), (32, 32))
        assert torch.equal(seen[0, 2] < 5, shown)


def kinema_photo(path: str, size: tuple[int, int], canvas: tuple[int, int]) -> torch.Tensor:
    """Where the white box of a photo lies on a canvas."""
    fitted = k.read_photo(path).fitted(size, canvas).pixels[..., 0]
    return torch.from_numpy(fitted > 127)


def test_the_unit_of_a_depth_can_be_given_and_an_empty_signal_is_said(kinema: Any) -> None:
    path = k.CameraPath.parse("truck:0.02")
    k.Motion(canvas=(64, 32), camera=path).save("camera.json")
    Image.fromarray(np.full((32, 64), 512, np.uint16)).save("depth.png")
    words = (
        *("condition", "camera-trajectory", "--motion", "camera.json", "--size", "64x32"),
        *("--frames", "3", "--out", "a.safetensors", "--depth", "depth.png"),
    )
    assert "read as mm: 0.512 to 0.512 m" in kinema(*words).stderr
    assert "2 to 2 m" in kinema(*words, "--set", "depth.unit=m/256").stderr
    still = kinema(*words, "--set", "ratio=1").stderr
    assert "the condition 'camera-trajectory' gives an empty signal: nothing in it moves" in still
    assert "--set takes options of" in kinema(*words, "--set", "solver.x=1", code=2).stderr
