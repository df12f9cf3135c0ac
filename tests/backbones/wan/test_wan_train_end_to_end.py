"""Tiny random Wan models from videos to a trained controller and its film."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

import kinema
from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.errors import Cancelled
from kinema.media.video import Video
from kinema.plugins import Plugins
from kinema.testing.scenes import textured
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train

pytestmark = [pytest.mark.all_packages, pytest.mark.slow]

SIZE, FRAMES, STEPS = (64, 64), 9, 20
CAPTIONS = {"slide": "a red boat on the sea", "rise": "a wave at night", "drift": ""}

Clips = Callable[[str], Path]
Film = NDArray[np.uint8]


def videos(folder: Path) -> Path:
    """Three videos of a textured wall that slides, with captions beside two of them."""
    wall = (textured(160, 160).permute(1, 2, 0) * 255).byte().numpy()
    folder.mkdir()
    for name, (right, down) in {"slide": (3, 0), "rise": (0, 2), "drift": (2, 2)}.items():
        frames = np.stack(
            [wall[d * down : d * down + 96, d * right : d * right + 96] for d in range(FRAMES)]
        )
        Video(frames, 8.0).save(folder / f"{name}.mp4", manifest=False)
        if CAPTIONS[name]:
            (folder / f"{name}.txt").write_text(CAPTIONS[name])
    return folder


@pytest.fixture(scope="module")
def clips(wan_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """``clips(family)``: the videos, prepared for that family."""
    root = tmp_path_factory.mktemp("clips")
    films = videos(root / "films")

    def made(family: str) -> Path:
        out = root / family
        if not out.exists():
            prepare(
                PrepareConfig(
                    source="videos",
                    out=str(out),
                    backbone="wan",
                    size=SIZE,
                    frames=FRAMES,
                    fps=8.0,
                    options={
                        "source": {"folder": str(films)},
                        "backbone": {"weights": str(wan_folders[family])},
                    },
                    device="cpu",
                ),
                plugins=Plugins.installed(),
            )
        return out

    return made


def recipe(weights: Path, data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "data": str(data),
        "out": str(out),
        "backbone": "wan",
        "weights": str(weights),
        "device": "cpu",
        "steps": STEPS,
        "batch": 2,
        "adaptation": {"rank": 2, "targets": "all-linear", "checkpointing": True},
        "optimizer": {"learning_rate": 1e-2},
        "objective": {"levels": "shifted", "shift": 3.0, "drop_prompt": 0.3},
        **changes,
    }


POINTS = {"point-tracks": {"points": 20, "tail_dropout": 0.2, "no_points": 0.05}}

#: Of each way that a recipe comes with: family, and what it changes.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "5b-modulation": (
        "ti2v",
        {
            "controller": "modulation",
            "condition_options": {"region-trajectory": {"r_min": 0.0}},
            "validation": {"every": 20, "clips": 1, "videos": 1, "sigmas": [0.5, 2.0],
                           "sample": {"steps": 2}},
        },
    ),
    "14b-splat-lora": ("wan21", {"controller": "latent-splat", "condition_options": POINTS}),
    "14b-copy-full": (
        "wan21",
        {
            "controller": "latent-copy",
            "condition_options": POINTS,
            "adaptation": {"method": "full", "checkpointing": True},
            "optimizer": {"learning_rate": 1e-3},
        },
    ),
    "a14b-low": (
        "a14b",
        {
            "controller": "latent-copy",
            "condition_options": POINTS,
            "backbone_options": {"trained_expert": "low"},
        },
    ),
}  # fmt: skip


def film(weights: Path, controller: str | Path | None) -> Film:
    photo = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))
    motion = kinema.Motion(canvas=SIZE, drags=[kinema.Drag([(8, 8), (40, 8)])])
    with kinema.Session(
        "wan", weights=weights, controller=controller, device="cpu", sample={"steps": 2}
    ) as session:
        made = session.animate(photo, motion, frames=FRAMES, prompt="a red boat")
    return made.frames


@pytest.mark.parametrize("family", ["wan21", "ti2v", "a14b"])
def test_prepared_clips_hold_latents_captions_and_texts(clips: Clips, family: str) -> None:
    dataset = ClipDataset(clips(family))
    assert len(dataset) == 3
    found = {
        clip.source.split("/")[-1].split(".")[0]: clip
        for clip in map(dataset.__getitem__, range(3))
    }
    for name, caption in CAPTIONS.items():
        clip = found[name]
        assert clip.caption == caption
        assert clip.latents.shape[0] == 1 + (FRAMES - 1) // 4
        text, bare = clip.encodings["text"], clip.encodings["no_text"]
        assert text.shape == (512, 16)
        assert int(text.any(1).sum()) == len(caption.split()) + 1
        assert torch.equal(bare[0], text[0]) == (caption == "")
        assert ("tokens" in clip.encodings) == (family == "wan21")
        if family == "ti2v":  # the photo is its first latent frame
            torch.testing.assert_close(clip.encodings["photo_latents"][0], clip.latents[0],
                                       atol=2e-3, rtol=2e-3)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_controller_is_trained_resumed_to_the_bit_and_used(
    way: str, wan_folders: dict[str, Path], clips: Clips, tmp_path: Path
) -> None:
    family, changes = WAYS[way]
    weights = wan_folders[family]

    def told(out: str) -> TrainConfig:
        return parse_config(recipe(weights, clips(family), tmp_path / out, **changes))

    losses: list[float] = []
    whole = train(told("whole"), on_step=lambda step, steps, values: losses.append(values["loss"]))
    assert len(losses) == STEPS
    assert all(np.isfinite(losses))
    state = load_file(whole / "weights.safetensors")
    if changes.get("adaptation", {}).get("method") != "full":
        assert any(".lora_B." in name and tensor.any() for name, tensor in state.items())
    steps = iter(range(1, STEPS))
    with pytest.raises(Cancelled):
        train(told("parts"), cancel=lambda: next(steps) == 7)
    assert (tmp_path / "parts" / "step-000007").is_dir()
    parts = train(told("parts"), resume=True)
    again = load_file(parts / "weights.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())

    full = (whole / "weights").is_dir()
    assert full == (way == "14b-copy-full")
    trained = film(whole / "weights" if full else weights, whole / "controller")
    controller = changes["controller"]
    assert trained.shape == (FRAMES, SIZE[1], SIZE[0], 3)
    untrained = film(weights, None if controller == "modulation" else controller)
    assert not np.array_equal(trained, untrained)
    if way == "5b-modulation":
        values = json.loads((whole / "state.json").read_text())["values"]
        assert values["validation_loss"] > 0
        assert list((tmp_path / "whole" / "samples").rglob("*.mp4"))


SCRIPT = """
import json, os, sys
import torch
torch.set_num_threads(1)
from kinema.training.config import parse_config
from kinema.training.loop import train

losses = []
train(
    parse_config(json.loads(sys.argv[1])),
    on_step=lambda step, steps, values: losses.append(values["loss"]),
)
if losses:
    losses.append(int(os.environ.get("WORLD_SIZE", "1")))
    print("LOSSES", json.dumps(losses))
"""

#: accelerate starts several processes of one machine under this name; without GPUs they speak gloo.
LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
          "--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no",
          "--dynamo_backend", "no")  # fmt: skip


@pytest.mark.parametrize("way", ["5b-modulation", "14b-splat-lora"])
def test_two_processes_give_the_losses_and_weights_of_one(
    way: str, wan_folders: dict[str, Path], clips: Clips, tmp_path: Path
) -> None:
    family, changes = WAYS[way]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")

    def run(out: str, *launcher: str) -> list[float]:
        told = {
            **recipe(wan_folders[family], clips(family), tmp_path / out, **changes),
            "steps": 3,
            "accumulation": 2,
            # Two processes sum gradients in another order, which makes them 2e-8 different at most.
            # The slope of Adam's first step, lr g / (|g| + eps), is up to lr / eps: 1e6 at the
            # usual eps of 1e-8, by which 21 of 71,000 weights, whose gradients were all below
            # 4e-8, came out up to 1e-4 apart; and 10 at this one, by which none did.
            "optimizer": {"learning_rate": 1e-2, "epsilon": 1e-3},
            "validation": {"every": 3, "clips": 2, "videos": 0},
        }
        done = subprocess.run(
            [sys.executable, *launcher, str(script), json.dumps(told)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
                 "ACCELERATE_USE_CPU": "true"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (line,) = (each for each in done.stdout.splitlines() if each.startswith("LOSSES"))
        found: list[float] = json.loads(line.removeprefix("LOSSES"))
        return found

    *alone, one = run("one")
    *together, two = run("two", *LAUNCH)
    assert (one, two) == (1, 2)
    assert together == pytest.approx(alone, abs=1e-5)
    folders = [tmp_path / name / "step-000003" for name in ("one", "two")]
    expected, found = (load_file(folder / "weights.safetensors") for folder in folders)
    apart = {key: float((expected[key] - found[key]).abs().max()) for key in expected}
    assert {key: far for key, far in apart.items() if far > 1e-5} == {}
    scores = [json.loads((folder / "state.json").read_text())["values"] for folder in folders]
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)
