"""Weights whose records are of any types: a sentence that names the file, and never another error.

Corpora are drawn by a seed; more of each are tried among the slow tests, and all of them, about
14,000 in a quarter of an hour, by ``KINEMA_HOSTILE=all pytest -m slow`` of this file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinema.errors import KinemaError
from kinema.interfaces import Adapter
from kinema.testing.hostile import hostile_documents
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.lora_files import read_tensors
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.lora import attach_lora, new_lora_files
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes
from kinema_backbones.svd.weights import load_components
from kinema_backbones.tiny.backbone import SHIPPED, load_unet
from kinema_backbones.tiny_flow import backbone as tiny_flow
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.random_weights import save_random

#: Documents that are drawn of each file, beside those that are no documents.
FEW = 12


def told(read: Callable[[], Any]) -> str | None:
    """The sentence that a reader refuses something with, or None."""
    try:
        read()
    except KinemaError as error:
        return str(error)
    return None


def told_or_taken(path: Path, read: Callable[[], Any], most: int, tried: str = "") -> int:
    """How many of the documents in place of a JSON file are refused, each by a sentence."""
    good = path.read_bytes()
    refused = 0
    try:
        for text in hostile_documents(json.loads(good), most):
            path.write_bytes(text)
            said = told(read)
            refused += said is not None
            # The folder, or the file in it.
            assert said is None or str(tried or path.parent) in said, (text[:200], said)
    finally:
        path.write_bytes(good)
    return refused


@pytest.fixture(params=["few", pytest.param("many", marks=pytest.mark.slow)])
def most(request: pytest.FixtureRequest) -> int:
    if request.param == "few":
        return FEW
    return sys.maxsize if os.environ.get("KINEMA_HOSTILE") == "all" else 10 * FEW


@pytest.fixture
def wan(tmp_path: Path) -> Path:
    return save_random(tmp_path / "wan")


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "transformer/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    ],
)
def test_a_folder_of_wan_is_told_or_taken(
    wan: Path, name: str, most: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def load() -> None:
        backbone = WanBackbone.load(WanConfig(weights=str(wan)))
        backbone.nearest((64, 64), 5)
        backbone.latent_shape((64, 64), 5)
        if "te" in name or "tokenizer" in name:
            backbone.components.texts()

    load()
    capfd.readouterr()
    assert told_or_taken(wan / name, load, most, str(wan)) > 5
    said = "".join(capfd.readouterr()).splitlines()
    # Compiled code of older tokenizers prints this; nothing in Python can keep it from that.
    assert [line for line in said if "OrderedVocab" not in line] == []


@pytest.mark.parametrize("part", ["unet", "vae", "image_encoder"])
def test_a_folder_of_svd_is_told_or_taken(
    svd_folder: Path, tmp_path: Path, part: str, most: int
) -> None:
    folder = tmp_path / "svd"
    shutil.copytree(svd_folder, folder)

    def load() -> None:
        SvdBackbone(load_components(str(folder), torch.float32))

    load()
    assert told_or_taken(folder / part / "config.json", load, most, str(folder)) > 5


def test_records_of_tiny_networks_are_told_or_taken(tmp_path: Path, most: int) -> None:
    shutil.copytree(SHIPPED, tmp_path / "tiny")
    shutil.copytree(tiny_flow.SHIPPED, tmp_path / "flow")
    for folder, record, load in (
        (tmp_path / "tiny", "tiny.json", load_unet),
        (tmp_path / "flow", tiny_flow.RECORD, tiny_flow.load_network),
    ):
        assert told_or_taken(folder / record, partial(load, folder), most) > 5


def test_a_controller_folder_is_told_or_taken(tmp_path: Path, most: int) -> None:
    folder = tmp_path / "controller"
    shutil.copytree(SHIPPED / "controller", folder)
    load_controller(folder)
    refused = told_or_taken(folder / "controller.json", lambda: load_controller(folder), most)
    assert refused > 5


@pytest.fixture
def unet(tiny_sizes: NetworkSizes) -> Any:
    return build_from_sizes(tiny_sizes).components.unet


@pytest.fixture
def lora(unet: Any, tmp_path: Path) -> Path:
    """A LoRA folder for one layer of that network."""
    name = next(k for k, m in unet.named_modules() if k.endswith("attn1.to_q"))
    width = unet.get_submodule(name).in_features
    state = {f"{name}.lora_A.weight": torch.ones(2, width)}
    state[f"{name}.lora_B.weight"] = torch.ones(width, 2)
    (tmp_path / "lora").mkdir()
    for file, data in new_lora_files(state, "attention", 2, 2).items():
        (tmp_path / "lora" / file).write_bytes(data)
    config = tmp_path / "lora" / "adapter_config.json"
    told = json.loads(config.read_bytes()) | {"target_modules": [name]}
    config.write_text(json.dumps(told))
    return tmp_path / "lora"


def test_a_lora_folder_is_told_or_taken(unet: Any, lora: Path, most: int) -> None:
    before = {key: value.clone() for key, value in unet.state_dict().items()}

    def load() -> None:
        attach_lora(unet, [Adapter(lora)])()

    load()
    assert told_or_taken(lora / "adapter_config.json", load, most) > 5
    after = unet.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def headers() -> Iterator[bytes]:
    """Files of safetensors whose header is of any types."""
    good = {
        "__metadata__": {"format": "pt"},
        "blocks.0.lora_A.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
    }
    for text in hostile_documents(good):
        yield len(text).to_bytes(8, "little") + text + bytes(8)
    yield (2**63).to_bytes(8, "little") + b"{}"
    yield b"\xff" * 8


def test_a_header_of_any_types_is_told_or_taken(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"a": torch.ones(1)}, path)
    assert set(read_tensors(path)) == set(load_file(path)) == {"a"}
    refused = 0
    for data in headers():
        path.write_bytes(data)
        said = told(lambda: read_tensors(path))
        refused += said is not None
        assert said is None or str(path) in said
    assert refused > 100
