"""Clips for Wan are prepared without its transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema import WeightsError
from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.files import sha256_of_file
from kinema.media.video import Video
from kinema.plugins import Plugins
from kinema.testing.scenes import textured
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.weight_files import encoding_files, weight_files

pytestmark = pytest.mark.all_packages


def without_transformers(source: Path, folder: Path) -> Path:
    """The same folder, where transformers are configs alone."""
    shutil.copytree(source, folder)
    for file in folder.glob("transformer*/*.safetensors"):
        file.unlink()
    return folder


def films(folder: Path) -> Path:
    """A video of a textured wall that slides, with a caption."""
    wall = (textured(128, 96).permute(1, 2, 0) * 255).byte().numpy()
    folder.mkdir()
    frames = np.stack([wall[:64, d * 3 : d * 3 + 64] for d in range(9)])
    Video(frames, 8.0).save(folder / "slide.mp4", manifest=False)
    (folder / "slide.txt").write_text("a red boat", encoding="utf-8")
    return folder


def test_clips_are_prepared_with_what_encodes_alone(
    wan_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    hashed: list[Path] = []

    def count_hashed(file: Path) -> str:
        hashed.append(Path(file))
        return sha256_of_file(file)

    from kinema_backbones.wan import weights

    load = weights._load

    def count_read(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
        read.append(folder.name)
        return load(kind, folder, dtype)

    monkeypatch.setattr(weights, "_load", count_read)
    monkeypatch.setattr("kinema.clips.preparation.engine.sha256_of_file", count_hashed)
    source = films(tmp_path / "films")
    prepare(
        PrepareConfig(
            source="videos",
            out=str(tmp_path / "clips"),
            backbone="wan",
            size=(64, 64),
            frames=9,
            fps=8.0,
            workers=1,
            options={
                "source": {"folder": str(source)},
                "backbone": {"weights": str(wan_folders["wan21"])},
            },
            device="cpu",
        ),
        plugins=Plugins.installed(),
    )
    assert sorted(read) == ["image_encoder", "text_encoder", "vae"]
    assert {f.parent.name for f in hashed if f.suffix == ".safetensors"} == set(read)
    assert wan_folders["wan21"] / "transformer" / "config.json" in hashed
    clip = ClipDataset(tmp_path / "clips")[0]
    assert set(clip.encodings) == {"text", "no_text", "photo_latents", "tokens"}
    whole = WanBackbone.load(WanConfig(weights=str(wan_folders["wan21"])))
    bare = WanBackbone.load(WanConfig(weights=str(wan_folders["wan21"])), bare=True)
    frames = torch.rand(1, 9, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(whole.encode(frames), bare.encode(frames))


@pytest.mark.parametrize("family", ["wan21", "a14b", "ti2v"])
def test_what_encodes_has_the_sites_and_encodings_of_the_whole(
    wan_folders: dict[str, Path], tmp_path: Path, family: str
) -> None:
    left = without_transformers(wan_folders[family], tmp_path / family)
    with pytest.raises(WeightsError):
        WanBackbone.load(WanConfig(weights=str(left)))
    bare = WanBackbone.load(WanConfig(weights=str(left), memory="offload"), bare=True)
    whole = WanBackbone.load(WanConfig(weights=str(wan_folders[family])))
    assert bare.sites == whole.sites
    assert bare.native == whole.native
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mine, theirs = (each.encodings(image, ["a boat"], 9) for each in (bare, whole))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_files_that_encode_are_those_of_the_whole_without_the_transformers(
    wan_folders: dict[str, Path], tmp_path: Path
) -> None:
    config = WanConfig(weights=str(wan_folders["a14b"]))
    left = set(weight_files(config)) - set(encoding_files(config))
    assert {file.relative_to(wan_folders["a14b"]).parts[0] for file in left} == {
        "transformer", "transformer_2",
    }  # fmt: skip
    assert all(file.suffix == ".safetensors" for file in left)
    original = tmp_path / "original"
    original.mkdir()
    for name in ("diffusion_pytorch_model-00001-of-00001.safetensors", "Wan2.1_VAE.pth"):
        (original / name).touch()
    (original / "config.json").write_text(json.dumps({}), encoding="utf-8")
    names = [file.name for file in encoding_files(WanConfig(weights=str(original)))]
    assert sorted(names) == ["Wan2.1_VAE.pth", "config.json"]
