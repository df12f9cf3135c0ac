"""Drags, regions and moves as they are written on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema as k
from kinema.errors import InputError
from kinema.media.photo import read_photo
from kinema_apps.motion_options import Asked, find_motion
from kinema_apps.motion_texts import parse_drag, parse_move, parse_region


@pytest.fixture
def masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``cup.png`` and ``two words=4.png`` of 128x64 pixels, in the current folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((64, 128), np.uint8)
    pixels[20:40, 30:60] = 255
    for name in ("cup.png", "two words=4.png", "spoon.png"):
        Image.fromarray(pixels).save(name)
        pixels = np.roll(pixels, 30, axis=1)
    return tmp_path


def found(photo: Path, **options: Any) -> k.Motion:
    return find_motion(read_photo(photo), Asked(**options))


def test_a_drag_with_options() -> None:
    drag = parse_drag("10,20 30,40.5 times=0.2,0.9 easing=gentle region=cup")
    assert drag == k.Drag([(10, 20), (30, 40.5)], times=[0.2, 0.9], easing="gentle", region="cup")
    assert parse_drag("10,20") == k.Drag([(10, 20)])


def test_a_region_with_options(masks: Path) -> None:
    assert parse_region("cup.png") == k.Region(mask="cup.png")
    told = parse_region("cup.png name=tasse grow=-3 appears=0.25 vanishes=0.75 scaling=yes")
    assert told == k.Region(
        mask="cup.png", name="tasse", grow=-3, appears=0.25, vanishes=0.75, scaling=True
    )
    for text, attached in (("yes", True), ("no", False)):
        assert parse_region(f"cup.png attached={text}").attached is attached
    assert parse_region("two words=4.png") == k.Region(mask="two words=4.png")
    assert parse_region("two words=4.png grow=2") == k.Region(mask="two words=4.png", grow=2)


def test_a_move_with_options() -> None:
    move = parse_move("my cup dx=4 dy=-2.5 turn=90 scale=1.5 time=0.5 easing=ease-in pivot=7,8")
    assert move.region == "my cup"
    assert move.pivot == pytest.approx((7, 8))
    assert move.keyframe == k.Keyframe(
        time=0.5, dx=4, dy=-2.5, turn=90, scale=1.5, easing="ease-in"
    )


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_drag, "easing=gentle", "'easing=gentle' is not of the form 'x,y x,y ...'"),
        (parse_drag, "1,2 3,4 easing=soft", "--drag '.*': Unknown easing 'soft'"),
        (parse_drag, "1,2 3,4 times=0.5", "A drag has 2 points but 1 times"),
        (parse_drag, "1,2 3,4 times=a,b", "cannot use 'times=a,b'"),
        (parse_drag, "1,2 3,4 ease=gentle", "has ease=, .*Did you mean 'easing'"),
        (parse_drag, "1,2 easing=gentle easing=linear", "says easing= twice"),
        (parse_region, "absent.png grow=3", "mask 'absent.png' does not exist"),
        (parse_region, "cup.png grown=3", r"mask 'cup.png grown=3' does not exist"),
        (parse_region, "cup.png grow=x", "cannot use 'grow=x'"),
        (parse_region, "cup.png scaling=maybe", "cannot use 'scaling=maybe'"),
        (parse_region, "cup.png appears=0.5 vanishes=0.2", "--region '.*': A region appears at"),
        (parse_move, "cup", "--move 'cup' says nothing that moves"),
        (parse_move, "cup turn=x", "cannot use 'turn=x'"),
        (parse_move, "cup pivot=3", "cannot use 'pivot=3'"),
        (parse_move, "cup scale=0", "--move 'cup scale=0': A keyframe's scale must be"),
        (parse_move, "cup rotate=4", "has rotate=, which it does not know"),
    ],
)
def test_what_cannot_be_read_is_named(masks: Path, parse: Any, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_moves_find_their_regions(photo: Path, masks: Path) -> None:
    both = {"region": ("cup.png", "spoon.png name=löffel")}
    motion = found(
        photo, **both, move=("cup turn=10", "löffel dx=4", "cup time=0.5 dx=2 pivot=3,4")
    )
    cup, spoon = motion.regions
    assert cup.name == "cup"
    assert [(each.time, each.dx, each.turn) for each in cup.transform] == [(0.5, 2, 0), (1, 0, 10)]
    assert (cup.pivot, spoon.pivot) == ((3, 4), None)
    assert spoon.transform == (k.Keyframe(dx=4),)
    by_number = found(photo, **both, move=("2 dx=4",)).regions
    assert by_number[0] == k.Region(mask="cup.png")
    assert by_number[1] == spoon
    assert found(photo, region=("cup.png",), move=("dx=4",)).regions[0].transform == spoon.transform


def test_a_drag_names_a_region_by_its_mask(photo: Path, masks: Path) -> None:
    motion = found(photo, region=("cup.png",), drag=("5,5 9,9 region=cup",))
    assert motion.moved_layers(motion.layers())[0] == [1]


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        (
            ("dx=4",),
            r"does not say which region it moves\. .*: 1: cup\.png, 2: spoon\.png",
        ),
        (("cop dx=4",), "names the region 'cop', which is not there"),
        (("3 dx=4",), "names the region '3', which is not there"),
        (("cup dx=4", "cup time=1 dx=5"), "Two keyframes of a region are at 1.0 and 1.0"),
        (("cup dx=4 pivot=1,2", "cup time=0.5 pivot=3,4 dx=1"), "name different pivots"),
    ],
)
def test_moves_without_a_region_are_named(
    photo: Path, masks: Path, moves: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        found(photo, region=("cup.png", "spoon.png"), move=moves)


def test_a_move_without_any_region_says_what_to_give(photo: Path) -> None:
    with pytest.raises(InputError, match=r"does not say which region.* Give one with --region"):
        found(photo, move=("dx=4",))


def test_beside_a_motion_file_moves_refer_to_the_photo(photo: Path, masks: Path) -> None:
    region = k.Region(polygon=[(10, 10), (40, 10), (40, 30)], name="old")
    k.Motion(canvas=(64, 32), regions=[region], cycles=3, playback="loop").save("m.json")
    motion = found(
        photo,
        motion="m.json",
        region=("cup.png",),
        move=("old dx=8 turn=30 pivot=21,11", "cup dx=2"),
        playback="ping-pong",
    )
    old, cup = motion.regions
    assert (old.transform[0].dx, old.transform[0].turn) == (4, 30)
    assert old.pivot == (10.25, 5.25)
    assert cup.transform[0].dx == 1
    assert (motion.playback, motion.cycles) == ("ping-pong", 3)
    assert found(photo, motion="m.json", drag=("1,1 2,2",), playback="once").cycles == 1
    motion.save("moved.json")
    with pytest.raises(InputError, match="'old', which has a transform in the motion file"):
        found(photo, motion="moved.json", move=("old dx=2",))


def test_what_is_told_reaches_the_manifest(toy: Any, photo: Path, masks: Path) -> None:
    toy(
        *("animate", str(photo), "--region", "cup.png grow=2", "--move", "turn=20 easing=gentle"),
        *("--playback", "ping-pong", "--backbone", "toy", "--frames", "4", "--size", "128x64"),
    )
    record = json.loads(Path("out.mp4.manifest.json").read_text())["motion"]
    assert record["playback"] == "ping-pong"
    assert record["regions"][0]["grow"] == 2
    assert record["regions"][0]["transform"] == [{"turn": 20, "easing": "gentle"}]


def test_what_a_backbone_cannot_show_is_one_line_and_code_2(
    toy: Any, photo: Path, masks: Path
) -> None:
    words = ("animate", str(photo), "--backbone", "toy", "--drag", "9,9 20,9")
    error = toy(*words, "--region", "cup.png vanishes=0.5", code=2).stderr.splitlines()[-1]
    assert "cup.png appears or vanishes during the clip, which the backbone 'toy'" in error
    error = toy(*words, "--plate", str(photo), code=2).stderr.splitlines()[-1]
    assert "The backbone 'toy' reads no plate" in error
    both = ("--region", "cup.png", "--move", "turn=9", "--drag", "40,30 50,30")
    error = toy(*words, *both, code=2).stderr.splitlines()[-1]
    assert "moves the region cup.png, which has a transform as well" in error


def test_third_parties_are_given_what_they_know(toy: Any, photo: Path, masks: Path) -> None:
    words = ("animate", str(photo), "--region", "cup.png", "--move", "dx=6", "--backbone", "toy")
    toy(*words, "--controller", "toy-latent", "--frames", "3", "--out", "moved")
    toy(
        *("animate", str(photo), "--region", "cup.png", "--drag", "44,29 50,29"),
        *("--backbone", "toy", "--controller", "toy-latent", "--frames", "3", "--out", "same"),
    )
    names = ("moved.manifest.json", "same.manifest.json")
    hashes = {json.loads(Path(name).read_text())["frames_sha256"] for name in names}
    assert len(hashes) == 1
