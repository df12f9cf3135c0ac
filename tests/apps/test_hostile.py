"""Whatever is fed to whichever command: a sentence and exit code 2, soon, and in little memory."""

from __future__ import annotations

import functools
import io
import json
import os
import socket
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kinema as k
from kinema.testing.hostile import hostile_documents

pytestmark = [
    pytest.mark.all_packages,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no such files"),
]

Make = Callable[[Path], Any]

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(touched) (w) file\n"


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says it has 40,000 times 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))


def two_members(path: Path) -> None:
    """An ATI file whose archive has two members of one name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the second one
        for shape in ((1, 121, 1, 3), (4, 121, 1, 3)):
            member = io.BytesIO()
            np.save(member, np.zeros(shape))
            archive.writestr("array.npy", member.getvalue())
    torch.save(buffer.getvalue(), path)


def archive(path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, array=np.zeros(3))
    path.write_bytes(buffer.getvalue())


def cut_off(path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(path, "PNG")
    path.write_bytes(path.read_bytes()[:60])


#: Files that are no usable file of any kind.
BAD: dict[str, Make] = {
    "absent": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "empty": lambda path: path.touch(),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "eps": lambda path: path.write_bytes(EPS),
    "bomb": bomb,
    "cut": cut_off,
    "deep": lambda path: path.write_text("[" * 100_000),
    "surrogate": lambda path: path.write_text('{"format": "\\ud800"}'),
    "list": lambda path: path.write_text("[1, 2, 3]"),
    "number": lambda path: path.write_text("1e999"),
    "latin": lambda path: path.write_bytes(b"caf\xe9 = 1"),
    "pickle": lambda path: path.write_bytes(b"\x80\x04\x95\x05\0\0\0\0\0\0\0."),
    "npz": archive,
    "members": two_members,
}

DRAG = ("--drag", "8,8 20,8")
SMALL = ("--frames", "2", "--size", "64x32", "--backbone", "preview")

#: Commands with the place of a file, and how the file is called there.
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "photo": ("x.jpg", ("animate", "x.jpg", *DRAG, *SMALL)),
    "mask": ("x.png", ("animate", "photo.png", *DRAG, "--region", "x.png", *SMALL)),
    "motion": ("x.json", ("animate", "photo.png", "--motion", "x.json", *SMALL)),
    "poses": ("x.npy", ("animate", "photo.png", "--camera", "x.npy", *SMALL)),
    "depth": ("x.npy", ("animate", "photo.png", "--camera", "orbit:5", "--depth", "x.npy", *SMALL)),
    "depth picture": (
        "x.png",
        ("animate", "photo.png", "--camera", "orbit:5", "--depth", "x.png", *SMALL),
    ),
    "weights": ("x", ("animate", "photo.png", *DRAG, "--backbone", "svd", "--weights", "x")),
    "controller": ("x", ("animate", "photo.png", *DRAG, "--backbone", "tiny", "--controller",
                         "./x")),
    "drawing": ("x.jpg", ("render-motion", "x.jpg", *DRAG)),
    "drawing's motion": ("x.json", ("render-motion", "photo.png", "--motion", "x.json")),
    "check json": ("x.json", ("motion", "check", "x.json")),
    "check npy": ("x_tracks.npy", ("motion", "check", "x_tracks.npy", "--canvas", "64x64")),
    "check pth": ("x.pth", ("motion", "check", "x.pth", "--canvas", "64x64")),
    "check txt": ("x.txt", ("motion", "check", "x.txt", "--canvas", "64x64")),
    "check photo": ("x.jpg", ("motion", "check", "good.json", "--photo", "x.jpg")),
    "convert": ("x.json", ("motion", "convert", "x.json", "y.json")),
    "signal": (
        "x.json",
        ("condition", "dense-trajectory", "--motion", "x.json", "--size", "64x32", "--frames", "2",
         "--out", "y.safetensors"),
    ),
    "rerun": ("x.mp4.manifest.json", ("rerun", "x.mp4.manifest.json")),
    "train": ("x.toml", ("train", "x.toml")),
    "prepare": ("x.toml", ("prepare", "x.toml", "--out", "clips")),
    "items": (
        "x",
        ("evaluate", "--benchmark", "folder", "--data", "x", "--backbone", "preview", "--out", "y"),
    ),
    "foreign": ("x.pt", ("convert", "motionpro", "x.pt", "--out", "y")),
}  # fmt: skip


@pytest.fixture
def around(kinema: Any, tmp_path: Path) -> Any:
    """The command, in a folder with a good photo and a good motion."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)).save(
        "photo.png"
    )
    k.Motion(canvas=(64, 32), drags=[[(8, 8), (20, 8)]]).save("good.json")
    return kinema


def refused(result: Any) -> None:
    """It ended in one sentence that says what is wrong, and nothing else."""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("  ")]
    assert lines[-1].startswith("Error: ")
    assert "Traceback" not in result.output
    assert "--debug" not in lines[-1]
    assert "weights_only" not in result.output
    assert "allow_pickle" not in result.output


@pytest.mark.parametrize("place", PLACES)
def test_no_bad_file_gets_past_a_sentence(around: Any, place: str) -> None:
    name, words = PLACES[place]
    path = Path(name)
    for what, make in BAD.items():
        make(path)
        result = around(*words, code=2)
        refused(result)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        assert sorted(p.name for p in Path().iterdir()) == ["good.json", "photo.png"], what


# -- wrong values ----------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "format": "kinema.motion/1",
    "canvas": [64, 32],
    "fps": 8.0,
    "duration": 0.5,
    "drags": [{"points": [[8, 8], [20, 8]], "times": [0, 1], "easing": "linear", "region": ""}],
    "regions": [{"brush": [[8, 8]], "radius": 4, "name": "a"}],
    "tracks": {"points": [[[5, 5]], [[6, 6]]], "visible": [[True], [True]]},
    "camera": {"moves": [{"name": "pan", "amount": 2}]},
}


#: Documents that are drawn of each kind; the slow tests try all of them.
FEW = 40


@pytest.fixture(params=["few", pytest.param("all", marks=pytest.mark.slow)])
def most(request: pytest.FixtureRequest) -> int | None:
    return FEW if request.param == "few" else None


def test_a_motion_of_any_types_is_told_or_taken(around: Any, most: int | None) -> None:
    for text in hostile_documents(GOOD, most):
        Path("x.json").write_bytes(text)
        result = around_any(around, "motion", "check", "x.json")
        if result.exit_code:
            refused(result)


def around_any(kinema: Any, *words: str) -> Any:
    """The result of a command that may end with 0 or 2."""
    import click.testing

    from kinema_apps.cli import cli

    result = click.testing.CliRunner().invoke(cli, list(words))
    assert result.exit_code in (0, 2), (words, result.output, result.exception)
    return result


def test_a_manifest_of_any_types_is_told_or_taken(around: Any, most: int | None) -> None:
    around("animate", "photo.png", *DRAG, *SMALL, "--out", "a.gif")
    record = json.loads(Path("a.gif.manifest.json").read_text())
    keep = ("format", "offers", "sample", "photo", "size", "frames", "seed", "choices", "motion")
    record = {name: record[name] for name in (*keep, "fps", "files", "references")}
    record["motion"] = {}
    for text in hostile_documents(record, most):
        Path("x.json").write_bytes(text)
        result = around_any(around, "rerun", "x.json", "--out", "y.gif")
        if result.exit_code:
            refused(result)


def test_a_controller_folder_of_any_types_is_told(
    around: Any, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each session would build the same network again.
    import kinema_backbones.tiny.backbone as tiny  # where it is installed

    monkeypatch.setattr(tiny, "load_unet", functools.cache(tiny.load_unet))
    record = {
        "format": "kinema.controller/1",
        "controller": "modulation",
        "config": {"channels": 3, "sites": ["a"]},
        "conditions": {"region-trajectory": {"k": 8}},
        "manifest": {},
        "licence": "",
    }
    Path("control").mkdir()
    for text in hostile_documents(record, most):
        Path("control/controller.json").write_bytes(text)
        refused(
            around("animate", "photo.png", *DRAG, "--backbone", "tiny", "--controller",
                   "./control", code=2)
        )  # fmt: skip


ASKED = {
    "size": ("animate", "photo.png", *DRAG, "--size", "16384x16384"),
    "frames": ("animate", "photo.png", *DRAG, "--frames", "20000"),
    "drawn": ("render-motion", "photo.png", *DRAG, "--size", "16384x16384"),
    "signal": ("condition", "dense-trajectory", "--motion", "good.json", "--size", "8192x8192",
               "--frames", "100", "--out", "y.safetensors"),
    "k": ("condition", "region-trajectory", "--motion", "good.json", "--size", "64x32", "--frames",
          "4", "--set", "k=100000", "--out", "y.safetensors"),
    "kernel": ("condition", "gaussian-trajectory", "--motion", "good.json", "--size", "64x32",
               "--frames", "4", "--set", "kernel=1000001", "--out", "y.safetensors"),
    "zero byte": ("animate", "pho\0to.png", *DRAG),
    "surrogate": ("animate", "pho\udce9to.png", *DRAG),
    "out a folder": ("animate", "photo.png", *DRAG, "--out", "taken.mp4"),
    "out too long": ("animate", "photo.png", *DRAG, "--out", "a" * 250 + ".mp4"),
    "out a device": ("animate", "photo.png", *DRAG, "--out", "null.gif"),
    "out no folder": ("animate", "photo.png", *DRAG, "--out", "none/x.gif"),
    "far": ("animate", "photo.png", "--drag", "8,8 1e308,1e308", *SMALL),
    "fps": ("animate", "photo.png", *DRAG, "--fps", "1e308", *SMALL),
    "seed": ("animate", "photo.png", *DRAG, "--seed", str(10**30), *SMALL),
    "steps": ("animate", "photo.png", *DRAG, "--backbone", "tiny", "--sample", "steps=2.9"),
    "photo": ("animate", "photo.png", *DRAG, *SMALL, "--out", "photo.png"),
    "photo drawn over": ("render-motion", "photo.png", *DRAG, "--out", "photo.png"),
    "plate": ("animate", "photo.png", *DRAG, *SMALL, "--plate", "plate.webp", "--out",
              "plate.webp"),
    "part's option": ("animate", "photo.png", *DRAG, *SMALL, "--set",
                      "time-to-move.reference=plate.webp", "--out", "plate.webp"),
    "comparison": ("evaluate", "compare", "a", "b", "--out", "none/x.json"),
    "motion over itself": ("motion", "convert", "good.json", "good.json"),
}  # fmt: skip


@pytest.mark.parametrize("what", ASKED)
def test_what_cannot_be_is_refused_before_it_costs(around: Any, what: str) -> None:
    Path("taken.mp4").mkdir()
    Path("null.gif").symlink_to("/dev/null")
    before = Path("photo.png").read_bytes()
    Path("plate.webp").write_bytes(before)
    refused(around(*ASKED[what], code=2))
    assert Path("photo.png").read_bytes() == Path("plate.webp").read_bytes() == before


# -- outputs that are inputs -----------------------------------------------------------------------

#: Commands whose output is their input, under another name of the same file where there can be one.
OVER: dict[str, tuple[str, ...]] = {
    "animate": ("animate", "photo.webp", *DRAG, *SMALL, "--out", "linked.webp"),
    "render-motion": ("render-motion", "photo.png", *DRAG, "--out", "linked.png"),
    "render-motion's mask": ("render-motion", "other.png", *DRAG, "--region", "photo.png", "--out",
                             "linked.png"),
    "condition": ("condition", "dense-trajectory", "--motion", "good.safetensors", "--size",
                  "64x32", "--frames", "2", "--out", "linked.safetensors"),
    "condition's picture": ("condition", "motion-mask", "--motion", "good.json", "--photo",
                            "photo.png", "--size", "64x32", "--frames", "2", "--out",
                            "y.safetensors", "--picture", "linked.png"),
    "motion convert": ("motion", "convert", "good.json", "linked.json"),
    "motion observe": ("motion", "observe", "clip.mp4", "--out", "linked.mp4"),
    "motion observe's drawing": ("motion", "observe", "clip.mp4", "--out", "y.json", "--draw",
                                 "linked.mp4"),
    "motion compose": ("motion", "compose", "good.json", "other.json", "--out", "linked.json"),
    "motion compose's camera": ("motion", "compose", "other.json", "good.json", "--out",
                                "linked.json"),
    "convert": ("convert", "motionpro", "weights.pt", "--out", "weights.pt"),
    "convert linked": ("convert", "motionpro", "weights.pt", "--out", "linked.pt"),
    "prepare": ("prepare", "films", "--backbone", "tiny", "--tracker", "dis", "--out", "films"),
    "prepare by a link": ("prepare", "films", "--backbone", "tiny", "--tracker", "dis", "--out",
                          "way"),
    "evaluate's videos": ("evaluate", "--benchmark", "synthetic", "--videos", "films", "--out",
                          "films"),
    "evaluate's data": ("evaluate", "--benchmark", "folder", "--data", "films", "--still", "--out",
                        "films/run"),
    "votes": ("evaluate", "votes", "films", "more", "--out", "films"),
    "votes inside": ("evaluate", "votes", "films", "more", "--out", "more/study"),
    "train": ("train", "recipe.toml"),
}  # fmt: skip


@pytest.mark.parametrize("what", OVER)
def test_an_output_that_is_an_input_is_refused(around: Any, what: str) -> None:
    for name in ("other.png", "photo.webp"):
        Path(name).write_bytes(Path("photo.png").read_bytes())
    Path("other.json").write_bytes(Path("good.json").read_bytes())
    for name in ("clip.mp4", "weights.pt", "good.safetensors"):
        Path(name).write_bytes(b"whatever it is")
    for folder in ("films", "more"):
        Path(folder).mkdir()
        Path(folder, "a.mp4").write_bytes(b"whatever it is")
    for source in (
        "photo.png",
        "photo.webp",
        "good.json",
        "clip.mp4",
        "weights.pt",
        "good.safetensors",
    ):
        os.link(source, f"linked{Path(source).suffix}")
    Path("way").symlink_to("films", target_is_directory=True)
    Path("recipe.toml").write_text(
        'data = "films"\nout = "films"\nbackbone = "tiny"\ncontroller = "motionpro"\n'
    )
    before = everything()
    result = around(*OVER[what], code=2)
    refused(result)
    assert any(word in result.stderr for word in ("input", "exists already"))
    assert everything() == before


def everything() -> dict[str, bytes | None]:
    """What is in the current folder, with its content."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


# -- the network -----------------------------------------------------------------------------------

LOCAL = {
    "controller": ("animate", "photo.png", *DRAG, "--backbone", "tiny", "--controller", "org/name"),
    "weights": ("animate", "photo.png", *DRAG, "--backbone", "svd", "--weights", "org/name"),
    "depth": ("animate", "photo.png", "--camera", "orbit:3", "--depth", "zoedepth", *SMALL),
    "tracker": ("prepare", "synthetic", "--backbone", "tiny", "--tracker", "cotracker3", "--out",
                "clips", "--set", "tracker.weights=org/name"),
    "listing": ("weights", "list"),
    "doctor": ("doctor",),
}  # fmt: skip


@pytest.mark.parametrize("what", LOCAL)
def test_nothing_else_asks_the_network(
    around: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuse(*words: Any, **_: Any) -> Any:
        asked.append(words)
        raise OSError("there is no network here")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    Path("org/name/lora").mkdir(parents=True)
    around_any(around, *LOCAL[what])
    assert asked == []
