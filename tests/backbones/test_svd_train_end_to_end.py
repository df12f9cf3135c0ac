"""A tiny random SVD through a whole training, and its controller into a film."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import kinema
from kinema.clips.clip import Clip, write_shard
from kinema.errors import Cancelled
from kinema.plugins import Plugins
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.sizes import NetworkSizes, build_components
from kinema_backbones.svd.weights import save_components

pytestmark = [pytest.mark.all_packages, pytest.mark.slow]

SIZE, FRAMES = (32, 32), 3


def clip(backbone: SvdBackbone, number: int) -> Clip:
    generator = torch.Generator().manual_seed(number)
    first = (torch.rand(3, SIZE[1], SIZE[0], generator=generator) * 255).to(torch.uint8)
    video = torch.stack([first.roll(2 * t, dims=2) for t in range(FRAMES)])[None].float() / 255
    moved = torch.zeros(FRAMES, 8, 8, 2)
    moved[..., 0] = 2.0 * torch.arange(FRAMES).view(-1, 1, 1)
    with torch.no_grad():
        latents = backbone.encode(video)[0].half()
        encodings = backbone.encodings(video[:, 0])
    return Clip(
        id=f"clip-{number}",
        latents=latents,
        encodings={name: value[0].half() for name, value in encodings.items()},
        first_frame=first,
        displacement=moved,
        visible=torch.ones(FRAMES, 8, 8, dtype=torch.bool),
        fps=8.0,
        motion_length=2.0,
    )


@pytest.fixture(scope="module")
def weights(tiny_sizes: NetworkSizes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "svd"
    return save_components(build_components(tiny_sizes, seed=0), folder)


@pytest.fixture(scope="module")
def clips(tiny_sizes: NetworkSizes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    backbone = SvdBackbone(build_components(tiny_sizes, seed=0), SvdConfig(device="cpu"))
    write_shard(
        folder / "a.parquet", [clip(backbone, number) for number in range(2)], {"backbone": "svd"}
    )
    return folder


def recipe(weights: Path, clips: Path, out: Path) -> TrainConfig:
    return parse_config(
        {
            "data": str(clips),
            "out": str(out),
            "backbone": "svd",
            "controller": "modulation",
            "weights": str(weights),
            "device": "cpu",
            "steps": 2,
            "batch": 1,
            "conditions": ["region-trajectory", "motion-mask"],
            "condition_options": {"region-trajectory": {"r_min": 0.0}},
            "adaptation": {"rank": 2, "checkpointing": True},
            "optimizer": {"learning_rate": 1e-2},
        }
    )


def test_a_controller_is_trained_and_used(weights: Path, clips: Path, tmp_path: Path) -> None:
    whole = train(recipe(weights, clips, tmp_path / "whole"))
    state = load_file(whole / "weights.safetensors")
    assert any(".lora_B." in name and tensor.any() for name, tensor in state.items())
    assert any("heads" in name and tensor.any() for name, tensor in state.items())

    with pytest.raises(Cancelled):
        train(recipe(weights, clips, tmp_path / "parts"), cancel=lambda: True)
    parts = train(recipe(weights, clips, tmp_path / "parts"), resume=True)
    again = load_file(parts / "weights.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())

    motion = kinema.Motion(canvas=SIZE, drags=[kinema.Drag([(8, 8), (20, 8)])])
    photo = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))

    def film(controller: Path | None) -> torch.Tensor:
        with kinema.Session(
            "svd",
            weights=weights,
            controller=controller,
            device="cpu",
            sample={"steps": 1},
            plugins=Plugins.installed(),
        ) as session:
            return torch.from_numpy(session.animate(photo, motion, frames=FRAMES).frames.copy())

    assert not torch.equal(film(whole / "controller"), film(None))
