"""Tiny Stable Video Diffusion networks and the reference numbers of the published code."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import kinema
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import MotionProConfig, SvdConfig
from kinema_backbones.svd.official import MotionProImporter
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes, build_components
from kinema_backbones.svd.weights import save_components

REFERENCE = Path(__file__).parents[1] / "reference"

MakeSvd = Callable[..., SvdBackbone]

OpenSession = Callable[..., kinema.Session]


@pytest.fixture(scope="session")
def tiny_sizes() -> NetworkSizes:
    data = json.loads((REFERENCE / "tiny.json").read_text(encoding="utf-8"))
    return NetworkSizes.of(data).tiny()


@pytest.fixture
def make_svd(tiny_sizes: NetworkSizes) -> MakeSvd:
    """A tiny random SVD; the same weights at every call."""

    def make(**options: object) -> SvdBackbone:
        return build_from_sizes(tiny_sizes, SvdConfig(**options))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def svd_folder(tiny_sizes: NetworkSizes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random SVD as a folder of diffusers."""
    folder = tmp_path_factory.mktemp("weights") / "svd"
    return save_components(build_components(tiny_sizes, seed=0), folder)


@pytest.fixture
def open_session(svd_folder: Path) -> Iterator[OpenSession]:
    """``open_session(backbone, **options)``: a session of a small backbone on the CPU."""
    opened: list[kinema.Session] = []

    def make(backbone: str, **options: Any) -> kinema.Session:
        if backbone == "svd":
            options.setdefault("weights", svd_folder)
        if backbone != "preview":
            options.setdefault("sample", {"steps": 2})
        opened.append(kinema.Session(backbone, device="cpu", **options))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


@pytest.fixture(scope="session")
def published_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference weights in the form of the published file: a DeepSpeed pickle."""
    parts = sorted(REFERENCE.glob("tiny.weights.*.safetensors"))
    state = OrderedDict((key, v) for part in parts for key, v in load_file(part).items())
    path = tmp_path_factory.mktemp("published") / "tiny.pt"
    extras: dict[str, object] = {
        "buffer_names": [],
        "optimizer": None,
        "param_shapes": [OrderedDict((key, value.shape) for key, value in state.items())],
        "sparse_tensor_module_names": set(),
        "global_steps": 16000,
        "ds_version": "0.9.5",
    }
    torch.save({"module": state, **extras}, path)
    return path


@pytest.fixture(scope="session")
def converted(published_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference weights as a controller folder, with their U-Net under ``base``."""
    out = tmp_path_factory.mktemp("converted") / "motionpro"
    MotionProImporter(MotionProConfig(num_head_channels=16)).convert(published_file, out)
    return out


@pytest.fixture(scope="session")
def reference() -> dict[str, Tensor]:
    """What the published code was given and what it computed."""
    files = (REFERENCE / f"tiny.{name}.safetensors" for name in ("tensors", "signal"))
    return {key: value for file in files for key, value in load_file(file).items()}
