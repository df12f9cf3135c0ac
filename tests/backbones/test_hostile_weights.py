"""Weights whose records are of any types: a sentence that names the file, and never another error.

Corpora are drawn by a seed; all of them are tried among the slow tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import KinemaError
from kinema.testing.hostile import hostile_documents
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.random_weights import save_random

#: Documents that are drawn of each file, beside those that are no documents.
FEW = 25


def told_or_taken(path: Path, read: Callable[[], Any], most: int | None, tried: str = "") -> int:
    """How many of the documents in place of a JSON file are refused, each by a sentence."""
    good = path.read_bytes()
    refused = 0
    try:
        for text in hostile_documents(json.loads(good), most):
            path.write_bytes(text)
            try:
                read()
            except KinemaError as error:
                refused += 1
                # The folder, or the file in it.
                assert str(tried or path.parent) in str(error), (text[:200], error)
    finally:
        path.write_bytes(good)
    return refused


@pytest.fixture(params=["few", pytest.param("all", marks=pytest.mark.slow)])
def most(request: pytest.FixtureRequest) -> int | None:
    return FEW if request.param == "few" else None


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
    wan: Path, name: str, most: int | None, capfd: pytest.CaptureFixture[str]
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
    assert capfd.readouterr() == ("", ""), "a library speaks for itself"
