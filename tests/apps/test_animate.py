import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

import kinema as k
from kinema.media.video import Video

TOY = ("--backbone", "toy", "--sample", "steps=2")


#: What is said of a backbone without conditions and controller.
UNREAD = (
    "  nothing reads the motion: the backbone 'toy' reads none by itself, and no controller is "
    "named\n"
)


def manifest(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_a_drag_becomes_a_video_and_a_manifest(toy: Any, photo: Path) -> None:
    result = toy("animate", str(photo), "--drag", "10,10 30,20", *TOY, "--size", "64x32")
    assert result.stdout == (
        "Wrote out.mp4: 16 frames of 64x32 at 8 fps.\n"
        "Wrote out.mp4.manifest.json: how it was made.\n"
    )
    assert result.stderr == f"  Photo of 128x64, rendered at 64x32.\n{UNREAD}"
    assert Video.load("out.mp4").frames.shape == (16, 32, 64, 3)
    record = manifest("out.mp4.manifest.json")
    assert record["photo"]["path"] == str(photo)
    assert record["motion"]["canvas"] == [128, 64]
    assert record["motion"]["drags"][0]["points"] == [[10, 10], [30, 20]]


def test_the_command_makes_what_python_makes(toy: Any, photo: Path) -> None:
    toy(
        *("animate", str(photo), "--drag", "10,10 30,20", "--drag", "50,50", *TOY),
        *("--size", "64x32", "--frames", "5", "--fps", "4", "--seed", "7", "--out", "frames"),
        *("--controller", "toy-feature", "--device", "cpu", "--set", "seed=3"),
    )
    motion = k.Motion(canvas=(128, 64), drags=[k.Drag([(10, 10), (30, 20)]), k.Drag([(50, 50)])])
    video = k.animate(
        photo,
        motion,
        "toy",
        size=(64, 32),
        frames=5,
        fps=4,
        seed=7,
        controller="toy-feature",
        device="cpu",
        options={"seed": "3"},
        sample={"steps": 2},
    )
    back = Video.load("frames")
    assert np.array_equal(back.frames, video.frames)
    assert back.fps == 4
    record = manifest("frames.manifest.json")
    assert (record["seed"], record["frames"], record["fps"]) == (7, 5, 4)
    assert record["offers"]["backbone"][0]["config"]["seed"] == 3
    assert video.manifest is not None
    assert record["frames_sha256"] == video.manifest.frames_sha256


def test_without_a_photo_the_sample_is_animated(toy: Any) -> None:
    result = toy("animate", *TOY, "--frames", "2", "--out", "a.webp")
    assert "No PHOTO is given, so the one that comes along is used" in result.stderr
    assert "Photo of 512x320, rendered at 512x320." in result.stderr
    assert manifest("a.webp.manifest.json")["motion"]["drags"][0]["region"] == "rocket"
    toy("animate", "--drag", "9,9 20,20", *TOY, "--frames", "2", "--out", "b.webp")
    assert "regions" not in manifest("b.webp.manifest.json")["motion"]


def test_the_default_size_keeps_the_photo_and_says_what_is_cut_off(
    toy: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (1250, 1000)).save("wide.png")
    result = toy("animate", "wide.png", "--drag", "300,300 400,300", *TOY, "--frames", "2")
    assert result.stderr == (
        "  Photo of 1250x1000, rendered at 384x320: 4% of the width of the photo is cut off.\n"
        f"{UNREAD}"
    )
    assert Video.load("out.mp4").size == (384, 320)


def test_a_motion_file_brings_its_canvas_as_the_default_size(toy: Any, photo: Path) -> None:
    k.Motion(canvas=(96, 64), drags=[[(20, 20), (30, 30)]], duration=0.5).save("motion.json")
    result = toy("animate", str(photo), "--motion", "motion.json", *TOY)
    assert Video.load("out.mp4").frames.shape == (4, 64, 96, 3)
    assert result.stderr == (
        f"  Photo of 128x64, rendered at 96x64: 25% of the width of the photo is cut off.\n{UNREAD}"
    )


def test_drags_beside_a_motion_file_refer_to_the_photo(toy: Any, photo: Path) -> None:
    k.Motion(canvas=(64, 64), drags=[[(20, 20), (30, 30)]]).save("motion.json")
    words = ("animate", str(photo), "--motion", "motion.json", *TOY, "--frames", "2")
    toy(*words, "--drag", "64,32 70,32")
    drags = manifest("out.mp4.manifest.json")["motion"]["drags"]
    assert [drag["points"][0] for drag in drags] == [[20, 20], [32, 32]]
    assert "--drag '5,5" not in toy(*words, "--drag", "5,5 9,9", code=2).stderr
    assert (
        "starts at (-27, 5), outside the canvas of 64x64"
        in toy(*words, "--drag", "5,5 9,9", code=2).stderr
    )


def test_a_region_reaches_the_manifest_embedded(toy: Any, photo: Path) -> None:
    Image.new("L", (128, 64), 255).save("mask.png")
    toy(
        *("animate", str(photo), "--drag", "9,9 20,9", "--region", "mask.png", *TOY),
        *("--frames", "2", "--size", "64x32"),
    )
    record = manifest("out.mp4.manifest.json")
    assert len(record["motion"]["regions"]) == 1
    assert "png" in record["motion"]["regions"][0]
    assert str(Path("mask.png").absolute()) in record["files"]


def test_overlay_is_drawn_on_the_video_and_not_on_the_record(toy: Any, photo: Path) -> None:
    words = ("animate", str(photo), "--drag", "10,30 90,30", *TOY, "--frames", "3")
    toy(*words, "--out", "plain")
    toy(*words, "--out", "drawn", "--overlay")
    plain, drawn = Video.load("plain").frames, Video.load("drawn").frames
    assert (plain != drawn).any(axis=(1, 2, 3)).all()
    hashes = {manifest(f"{n}.manifest.json")["frames_sha256"] for n in ("plain", "drawn")}
    assert len(hashes) == 1


def test_what_was_assumed_is_said(toy: Any, tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (10, 20, 30, 40)).save("glass.png")
    result = toy("animate", "glass.png", "--drag", "9,9 20,9", *TOY, "--frames", "2")
    assert "  transparent parts lie on white\n" in result.stderr


def test_what_mp4_does_to_odd_sizes_is_said(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from kinema_apps.commands.animate import write

    write(Video(np.zeros((2, 5, 7, 3), np.uint8), 8), "odd.mp4", None)
    shown = capsys.readouterr()
    assert shown.err == "  MP4 has even sizes only: the last column or row is repeated.\n"
    assert shown.out == "Wrote odd.mp4: 2 frames of 7x5 at 8 fps.\n"
    write(Video(np.zeros((2, 5, 7, 3), np.uint8), 8), "odd.webm", None)
    assert capsys.readouterr().err == ""


def test_a_drag_that_the_size_cuts_off_is_named(toy: Any, photo: Path) -> None:
    error = toy(
        "animate", str(photo), "--drag", "5,9 20,20", *TOY, "--size", "64x64", code=2
    ).stderr.splitlines()[-1]
    assert error == (
        "Error: At 64x64 50% of the width of the photo is cut off, and the motion with it: A drag "
        "starts at (-27, 9), outside the canvas of 64x64; it has no pixel of the photo to move. "
        "Choose another --size."
    )


def test_conditions_are_configured_by_dotted_settings() -> None:
    from kinema_apps.session_options import split_settings

    own, conditions = split_settings(["steps=3", "layered-motion.soft-ness=0.2", "a.b=x=y"])
    assert own == {"steps": "3"}
    assert conditions == {"layered-motion": {"soft_ness": "0.2"}, "a": {"b": "x=y"}}


# -- bad input ------------------------------------------------------------------------------------

DRAG = ("--drag", "9,9 20,20")
BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "absent photo": (("absent.jpg", *DRAG), "The photo 'absent.jpg' does not exist."),
    "no motion": (
        ("photo.png",),
        "Nothing is asked to move. Give --drag 'x,y x,y', --move 'turn=15', --camera MOVE or "
        "--motion FILE.",
    ),
    "region alone": (
        ("photo.png", "--region", "mask.png"),
        "or --motion FILE; a region alone moves nothing.",
    ),
    "drag of words": (
        ("photo.png", "--drag", "left"),
        "--drag 'left' is not of the form 'x,y x,y ...', as in --drag '200,150 320,140'.",
    ),
    "drag of three": (("photo.png", "--drag", "1,2,3 4,5,6"), "--drag '1,2,3 4,5,6' is not of the"),
    "empty drag": (("photo.png", "--drag", ""), "--drag '' is not of the form"),
    "drag of NaN": (("photo.png", "--drag", "nan,3 4,5"), "Point 0 of a drag is not finite: (nan,"),
    "drag outside": (
        ("photo.png", "--drag", "500,9 20,20"),
        "A drag starts at (500, 9), outside the canvas of 128x64; it has no pixel of the photo to",
    ),
    "absent mask": (
        ("photo.png", *DRAG, "--region", "absent.png"),
        "The region's mask 'absent.png' does not exist.",
    ),
    "mask of another size": (
        ("photo.png", *DRAG, "--region", "small.png", "--size", "64x64"),
        "The region small.png is 8x8 but the canvas is 128x64; a mask must have the canvas's size.",
    ),
    "unknown move": (
        ("photo.png", "--camera", "orbitt:5"),
        "Unknown camera move 'orbitt'. Did you mean 'orbit'?",
    ),
    "move without amount": (
        ("photo.png", "--camera", "orbit"),
        "Camera move 'orbit' has no amount; write orbit:AMOUNT (degrees).",
    ),
    "absent camera file": (
        ("photo.png", "--camera", "poses.txt"),
        "There is no file or folder 'poses.txt'.",
    ),
    "camera file without camera": (
        ("photo.png", "--camera", "drags.json"),
        "The file 'drags.json' of --camera holds no camera path.",
    ),
    "two cameras": (
        ("photo.png", "--motion", "camera.json", "--camera", "pan:3"),
        "The motion file 'camera.json' holds a camera path and --camera 'pan:3' gives another;",
    ),
    "absent motion": (
        ("photo.png", "--motion", "absent.json"),
        "There is no file or folder 'absent.json'.",
    ),
    "unknown backbone": (
        ("photo.png", *DRAG, "--backbone", "tuy"),
        "Unknown backbone 'tuy'. Did you mean 'toy'? Choose one of: toy.",
    ),
    "unknown controller": (
        ("photo.png", *DRAG, "--controller", "absent"),
        "Unknown controller 'absent'. Choose one of: toy-feature, toy-latent, toy-noise.",
    ),
    "unknown option": (
        ("photo.png", *DRAG, "--set", "colour=red"),
        "The config of the backbone 'toy' has no option 'colour'.",
    ),
    "option without value": (
        ("photo.png", *DRAG, "--set", "seed"),
        "--set 'seed' is not of the form key=value.",
    ),
    "option twice": (
        ("photo.png", *DRAG, "--set", "seed=1", "--set", "seed=2"),
        "--set names 'seed' twice.",
    ),
    "option of nothing": (
        ("photo.png", *DRAG, "--set", ".x=1"),
        "--set '.x' is not of the form KEY or PART.KEY.",
    ),
    "steps of zero": (
        ("photo.png", *DRAG, "--sample", "steps=0"),
        "steps must be at least 1 and at most 10000, got 0.",
    ),
    "one frame": (
        ("photo.png", *DRAG, "--frames", "1"),
        "frames must be at least 2, got 1.",
    ),
    "fps of zero": (
        ("photo.png", *DRAG, "--fps", "0"),
        "fps must be a positive number, got 0.0.",
    ),
    "unknown suffix": (
        ("photo.png", *DRAG, "--out", "out.xyz"),
        "Unknown video suffix '.xyz' of 'out.xyz'. Use .mp4, .webm, .gif, .webp, a folder, or",
    ),
    "absent folder": (
        ("photo.png", *DRAG, "--out", "absent/out.mp4"),
        "Cannot write 'absent/out.mp4': the folder ",
    ),
    "unknown event plugin": (
        ("photo.png", *DRAG, "--event", "absent"),
        "Unknown plugin 'absent'. Choose one of: none.",
    ),
    "unknown device": (
        ("photo.png", *DRAG, "--device", "abacus"),
        "The device 'abacus' cannot be used here: ",
    ),
    "no weights to choose": (
        ("photo.png", *DRAG, "--weights", "here"),
        "The backbone 'toy' has no weights to choose, got 'here'.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_code_2(case: str, toy: Any, photo: Path) -> None:
    Image.new("L", (8, 8), 255).save("small.png")
    Image.new("L", (128, 64), 255).save("mask.png")
    moving = k.Motion(canvas=(128, 64), drags=[[(20, 20), (30, 30)]])
    moving.save("drags.json")
    attrs.evolve(moving, camera=k.CameraPath.parse("pan:5")).save("camera.json")
    before = sorted(path.name for path in Path.cwd().iterdir())
    words, message = BAD[case]
    if "--backbone" not in words:
        words = (*words, "--backbone", "toy")
    error = toy("animate", *words, code=2).stderr.splitlines()[-1]
    assert error.startswith("Error: ")
    assert message in error
    assert sorted(path.name for path in Path.cwd().iterdir()) == before


def test_what_is_doubtful_is_said_before_the_video(toy: Any, photo: Path) -> None:
    result = toy("animate", str(photo), "--camera", "dolly:5", "--frames", "2", *TOY)
    assert "warning at camera: The amount of 'dolly' is 5 scene depths" in result.stderr


def test_an_empty_mask_is_named(kinema: Any, photo: Path) -> None:
    with Image.open(photo) as picture:
        Image.new("L", picture.size).save("nothing.png")
    words = ("animate", str(photo), "--drag", "9,9 20,9", "--region", "nothing.png")
    error = kinema(*words, code=2).stderr
    assert error == (
        "Error: The region nothing.png is empty: no pixel of it is bright. Its mask is black "
        "everywhere; paint white what belongs to it.\n"
    )
    with Image.open(photo) as picture:
        labels = Image.new("L", picture.size)
    labels.paste(1, (5, 5, 30, 30))
    labels.save("nothing.png")
    error = kinema(*words, code=2).stderr
    assert "The brightest of its mask's 2 grey levels is 1, and what is at least 128" in error
    assert not Path("out.mp4").exists()


def test_drags_in_a_corner_of_a_large_photo_are_not_doubted(toy: Any) -> None:
    Image.new("RGB", (512, 512)).save("large.png")
    drags = ("--drag", "225,120 255,110", "--drag", "225,195")
    words = (*drags, "--frames", "2", "--size", "64x64")
    assert "warning" not in toy("animate", "large.png", *words, *TOY).stderr
    same = [k.Drag([(225, 120), (255, 110)]), k.Drag([(225, 195)])]
    k.Motion(canvas=(512, 512), drags=same).save("large.json")
    from_file = ("--motion", "large.json", "--frames", "2", "--size", "64x64")
    assert "warning at motion" in toy("animate", "large.png", *from_file, *TOY).stderr


def test_a_text_that_nothing_reads_is_said_and_a_picture_refused(toy: Any, photo: Path) -> None:
    words = ("animate", str(photo), "--drag", "9,9 20,9", *TOY, "--frames", "2")
    result = toy(*words, "--prompt", "a boat")
    assert "the backbone 'toy' reads no prompt, so that text is left aside" in result.stderr
    refused = toy(*words, "--last-image", str(photo), code=2)
    assert "The backbone 'toy' reads no last image; leave it out" in refused.stderr
