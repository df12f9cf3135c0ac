"""Wan's weights in other forms: original folders and files, converted or read as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import kinema
from kinema import Drag, Motion, WeightsError
from kinema_backbones.wan import naming
from kinema_backbones.wan.config import WanConfig, WanImportConfig
from kinema_backbones.wan.encoders import CLIP, TOKENIZER, UMT5, VAE, WIDE, OriginalParts
from kinema_backbones.wan.importers import WanImporter
from kinema_backbones.wan.original import (
    OriginalFiles,
    empty_transformer,
    load_transformer,
    network_config,
)

REFERENCE = Path(__file__).parents[2] / "reference" / "wan"
MOTION = Motion(canvas=(96, 64), drags=[Drag([(20, 30), (60, 40)])])


def original_state(published: Any) -> dict[str, Tensor]:
    """The tiny transformer of the reference under its original names."""
    found = published.numbers("original")
    prefix = "weights."
    return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}


def original_names(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """A state of diffusers under the original names."""
    modules = {v: k for k, v in _modules(layers).items()}
    named = {}
    for key, tensor in state.items():
        if key == "scale_shift_table":
            named["head.modulation"] = tensor
        elif key.endswith(".scale_shift_table"):
            named[key.replace("scale_shift_table", "modulation")] = tensor
        else:
            module, _, leaf = key.rpartition(".")
            named[f"{modules[module]}.{leaf}"] = tensor
    return named


def _modules(layers: int) -> dict[str, str]:
    names = [*naming._HEAD]
    for index in range(layers):
        names += [f"blocks.{index}.{part}" for part in naming._BLOCK]
        names += [
            f"blocks.{index}.{kind}.{part}"
            for kind in naming._SELF_OR_CROSS
            for part in naming._ATTENTION
        ]
    return {name: str(naming.transformer_module(name)) for name in names}


def write_original(folder: Path, published: Any) -> Path:
    """The tiny Wan2.1 in its original form, in two shards."""
    folder.mkdir(parents=True)
    state = original_names(published.weights("wan21", "transformer"), 2)
    keys = sorted(state)
    for number, part in enumerate((keys[::2], keys[1::2]), start=1):
        file = folder / f"diffusion_pytorch_model-{number:05d}-of-00002.safetensors"
        save_file({key: state[key].contiguous() for key in part}, file)
    (folder / "config.json").write_text(json.dumps({"num_heads": 2, "dim": 24}), encoding="utf-8")
    return folder


def test_every_published_name_has_its_place() -> None:
    record = json.loads((REFERENCE / "key_map.json").read_text(encoding="utf-8"))
    shapes = {}
    for key, (theirs, shape) in record["map"].items():
        for index in range(40) if ".N." in key else [0]:
            mine = naming.transformer_key(key.replace(".N.", f".{index}."))
            assert mine == theirs.replace(".N.", f".{index}.")
            shapes[mine] = tuple(shape)
    assert len(shapes) == record["tensors"] == 1303
    config = {
        "in_channels": 36,
        "image_dim": 1280,
        "added_kv_proj_dim": 5120,
        "num_attention_heads": 40,
    }
    network = empty_transformer(config)
    assert {k: tuple(p.shape) for k, p in network.named_parameters()} == shapes
    assert sum(p.numel() for p in network.parameters()) == record["parameters"]


def test_an_original_transformer_computes_what_the_published_class_does(
    published: Any, tmp_path: Path
) -> None:
    found = published.numbers("original")
    file = tmp_path / "original.safetensors"
    save_file({k: v.contiguous() for k, v in original_state(published).items()}, file)
    original = OriginalFiles((file,), {"num_heads": 2}, "it")
    wanted = dict(published.models()["original"]["transformer"])
    told = network_config(original)
    assert {key: told[key] for key in wanted} == wanted
    network, report = load_transformer(original, torch.float32)
    text = torch.zeros(1, 512, found["text"].shape[1])
    text[0, : len(found["text"])] = found["text"]
    seen = torch.cat([found["latent"], found["condition"]])[None]
    with torch.no_grad():
        made = network(
            seen, found["timestep"].float(), text, found["image_tokens"], return_dict=False
        )[0]
    assert published.difference(made[0], found["velocity"]) <= 1e-4
    assert report["unused"] == {}
    assert report["missing"] == {}
    assert sum(report["used"].values()) == len(original_state(published))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float8_e4m3fn])
def test_community_files_of_16_and_8_bits_are_read(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path], dtype: torch.dtype
) -> None:
    prefix = "model.diffusion_model."
    state = original_names(published.weights("wan21", "transformer"), 2)
    file = tmp_path / "community.safetensors"
    save_file({f"{prefix}{k}": v.to(dtype).contiguous() for k, v in state.items()}, file)
    # Nothing tells the number of heads; a width of 24 is no multiple of 128.
    original = OriginalFiles((file,), {"num_heads": 2}, "it")
    network, report = load_transformer(original, torch.float32)
    assert sum(report["used"].values()) == len(state)
    key = "blocks.1.attn2.to_k.weight"
    assert torch.equal(
        network.get_parameter(key), published.weights("wan21", "transformer")[key].to(dtype).float()
    )


def test_scaled_8_bits_are_multiplied_out(published: Any, tmp_path: Path) -> None:
    state = original_names(published.weights("wan21", "transformer"), 2)
    key = "blocks.0.ffn.0.weight"
    plain = state[key]
    scale = plain.abs().max() / 448
    state[key] = (plain / scale).to(torch.float8_e4m3fn)
    state["blocks.0.ffn.0.scale_weight"] = scale.view(1)
    state["scaled_fp8"] = torch.zeros(1)
    file = tmp_path / "scaled.safetensors"
    save_file({k: v.contiguous() for k, v in state.items()}, file)
    network, report = load_transformer(OriginalFiles((file,), {}, "it"), torch.float32)
    loaded = network.get_parameter("blocks.0.ffn.net.0.proj.weight")
    assert float((loaded - plain).abs().max() / plain.abs().max()) < 0.04
    assert report["unused"] == {}


def test_a_folder_in_its_original_form_is_the_folder_of_diffusers(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path]
) -> None:
    folder = write_original(tmp_path / "original", published)
    made = []
    for options in (
        {"weights": str(folder), "parts": str(wan_folders["wan21"]), "photo_crop": "crop"},
        {"weights": str(wan_folders["wan21"])},
    ):
        with kinema.Session("wan", options=options, device="cpu", sample={"steps": 2}) as session:
            photo = np.full((64, 96, 3), 90, np.uint8)
            made.append(session.animate(photo, MOTION, size=(96, 64), frames=5).frames)
    # Where tensors lie in a file decides their alignment in memory, and that the last bits.
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1


def test_a_transformer_alone_says_what_is_missing(published: Any, tmp_path: Path) -> None:
    folder = write_original(tmp_path / "original", published)
    with pytest.raises(WeightsError, match=r"is a transformer alone\. Name the diffusers folder"):
        kinema.Session("wan", weights=folder, device="cpu")


def test_a_half_download_is_named(published: Any, tmp_path: Path) -> None:
    folder = write_original(tmp_path / "original", published)
    next(folder.glob("*00002-of*")).unlink()
    with pytest.raises(WeightsError, match="Is the download complete"):
        WanImporter("wan-move").convert(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_importers_report_by_group_and_write_what_sessions_load(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema_backbones.wan.importers.SHARD", 100_000)
    folder = write_original(tmp_path / "original", published)
    state = {k: v.clone() for k, v in load_file(next(folder.glob("*00001-of*"))).items()}
    save_file({**state, "extra.weight": torch.zeros(3)}, next(folder.glob("*00001-of*")))
    importer = WanImporter("ati", WanImportConfig(parts=str(wan_folders["wan21"])))
    report = importer.convert(folder, tmp_path / "out")
    assert report["unused"] == {"extra": 1}
    assert report["missing"] == {}
    assert report["used"]["self-attention"] == 2 * 10
    assert len(list((tmp_path / "out" / "transformer").glob("*.safetensors"))) > 1
    made = []
    for weights in (tmp_path / "out", wan_folders["wan21"]):
        with kinema.Session("wan", weights=weights, device="cpu", sample={"steps": 2}) as session:
            photo = np.full((64, 96, 3), 90, np.uint8)
            made.append(session.animate(photo, MOTION, size=(96, 64), frames=5).frames)
    # Where tensors lie in a file decides their alignment in memory, and that the last bits.
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1


def test_converting_never_holds_more_than_a_shard(
    published: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema_backbones.wan import importers

    limit = 20_000
    monkeypatch.setattr(importers, "SHARD", limit)
    held: list[int] = []
    add = importers._Shards.add

    def spy(self: Any, name: str, tensor: Tensor) -> None:
        add(self, name, tensor)
        held.append(sum(t.numel() * t.element_size() for t in self._waiting.values()))

    monkeypatch.setattr(importers._Shards, "add", spy)
    folder = write_original(tmp_path / "original", published)
    WanImporter("wan-move").convert(folder, tmp_path / "out")
    largest = max(t.numel() * 4 for t in published.weights("wan21", "transformer").values())
    assert max(held) <= max(limit, largest)


# -- encoders in their original form --------------------------------------------------------------


def test_original_encoders_are_those_of_transformers(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path]
) -> None:
    from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

    source = wan_folders["wan21"]
    folder = tmp_path / "original"
    folder.mkdir()
    umt5 = UMT5EncoderModel.from_pretrained(source / "text_encoder").eval()
    torch.save(_original_umt5(umt5.state_dict()), folder / UMT5)
    shutil.copytree(source / "tokenizer", folder / "google" / "umt5-xxl")
    clip = CLIPVisionModel.from_pretrained(source / "image_encoder").eval()
    torch.save(_original_clip(clip.state_dict()), folder / CLIP)

    own = OriginalParts(folder)
    tokenizer, encoder = own.texts(WanConfig())
    assert isinstance(tokenizer, type(AutoTokenizer.from_pretrained(source / "tokenizer")))
    ids = torch.tensor([[3, 4, 5, 1]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        assert torch.equal(encoder(ids, mask).last_hidden_state, umt5(ids, mask).last_hidden_state)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("kinema_backbones.wan.encoders._CLIP_HEADS", 2)
    vision = own.clip(WanConfig())
    monkey.undo()
    pixels = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        mine = vision(pixels, output_hidden_states=True).hidden_states[-2]
        theirs = clip(pixels, output_hidden_states=True).hidden_states[-2]
    assert torch.equal(mine, theirs)


def _original_umt5(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {"token_embedding.weight": state["shared.weight"],
             "norm.weight": state["encoder.final_layer_norm.weight"]}  # fmt: skip
    for index in range(2):
        for theirs, mine in naming._UMT5.items():
            key = f"encoder.block.{index}.{mine}.weight"
            named[f"blocks.{index}.{theirs}.weight"] = state[key]
    return named


def _original_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {k if k.startswith("vision_model.") else f"vision_model.{k}": v
             for k, v in state.items()}  # fmt: skip
    named = {theirs: state[mine] for theirs, mine in naming._CLIP_HEAD.items()}
    named["visual.pos_embedding"] = named["visual.pos_embedding"][None]
    named["visual.cls_embedding"] = named["visual.cls_embedding"][None, None]
    for index in range(3):
        layer, block = f"vision_model.encoder.layers.{index}", f"visual.transformer.{index}"
        for leaf in ("weight", "bias"):
            for theirs, mine in naming._CLIP.items():
                named[f"{block}.{theirs}.{leaf}"] = state[f"{layer}.{mine}.{leaf}"]
            joint = [state[f"{layer}.self_attn.{part}_proj.{leaf}"] for part in "qkv"]
            named[f"{block}.attn.to_qkv.{leaf}"] = torch.cat(joint)
    named["textual.token_embedding.weight"] = torch.zeros(4, 4)
    return named


def test_an_original_folder_without_a_part_says_which_and_from_where(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"lacks {VAE} \(0\.5 GB, from Wan-AI/Wan2\.1-I2V"):
        OriginalParts(tmp_path).vae(WanConfig())
    (tmp_path / WIDE).touch()
    with pytest.raises(WeightsError) as told:
        OriginalParts(tmp_path, 48).check(tokens=False)
    assert UMT5 in str(told.value)
    assert f"{TOKENIZER} (a folder of 20 MB" in str(told.value)
    assert not any(name in str(told.value) for name in (VAE, WIDE, CLIP))


# -- whole folders in their original form ---------------------------------------------------------


def write_whole(folder: Path, published: Any, name: str, source: Path) -> Path:
    """A family whose parts are all in their original form."""
    from transformers import UMT5EncoderModel

    experts = ["transformer"] if name == "ti2v" else ["transformer", "transformer_2"]
    places = [folder] if name == "ti2v" else [folder / "high_noise_model",
                                              folder / "low_noise_model"]  # fmt: skip
    heads = published.models()[name]["transformer"]["num_attention_heads"]
    for expert, place in zip(experts, places, strict=True):
        place.mkdir(parents=True, exist_ok=True)
        state = original_names(published.weights(name, expert), 2)
        file = place / "diffusion_pytorch_model.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, file)
        (place / "config.json").write_text(json.dumps({"num_heads": heads}), encoding="utf-8")
    # As published, in 16 bits.
    umt5 = UMT5EncoderModel.from_pretrained(source / "text_encoder").bfloat16()
    torch.save(_original_umt5(umt5.state_dict()), folder / UMT5)
    shutil.copytree(source / "tokenizer", folder / "google" / "umt5-xxl")
    return folder


def test_a_whole_folder_of_ti2v_is_read_as_it_is_and_converted(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path]
) -> None:
    folder = write_whole(tmp_path / "original", published, "ti2v", wan_folders["ti2v"])
    published.write_wide_vae(folder)
    report = WanImporter("wan-original").convert(folder, tmp_path / "out")
    assert report["missing"] == {}
    assert sum(report["unused"].values()) == 0
    assert report["used"]["VAE"] > 50
    assert report["used"]["text encoder"] > 10
    made = []
    for weights in (folder, tmp_path / "out"):
        with kinema.Session("wan", weights=weights, device="cpu", sample={"steps": 2}) as session:
            photo = np.full((64, 96, 3), 90, np.uint8)
            made.append(session.animate(photo, MOTION, size=(96, 64), frames=5).frames)
    # Where tensors lie in a file decides their alignment in memory, and that the last bits.
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1


def test_converting_refuses_a_folder_before_it_reads_the_transformer(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_whole(tmp_path / "original", published, "ti2v", wan_folders["ti2v"])
    published.write_wide_vae(folder)
    (folder / UMT5).unlink()
    read: list[str] = []
    monkeypatch.setattr(OriginalFiles, "tensors", lambda self: read.append(self.where))
    with pytest.raises(WeightsError, match=rf"lacks {UMT5} \(11\.4 GB, from Wan-AI/Wan2\.1-I2V"):
        WanImporter("wan-original").convert(folder, tmp_path / "out")
    assert not read
    assert not (tmp_path / "out").exists()


def test_both_experts_are_converted_and_one_alone_is_refused(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path]
) -> None:
    folder = write_whole(tmp_path / "original", published, "a14b", wan_folders["a14b"])
    importer = WanImporter("wan-original", WanImportConfig(parts=str(wan_folders["a14b"])))
    report = importer.convert(folder, tmp_path / "out")
    assert report["used"]["head"] == 2 * 3
    for part in ("transformer", "transformer_2"):
        [file] = (tmp_path / "out" / part).glob("*.safetensors")
        written = load_file(file)
        for key, value in published.weights("a14b", part).items():
            assert torch.equal(written[key], value)
    record = json.loads((tmp_path / "out" / "kinema.json").read_text(encoding="utf-8"))
    assert len(record["files"]) == 2
    with pytest.raises(WeightsError, match=r"is one of the two transformers of Wan2\.2-I2V-A14B"):
        importer.convert(folder / "low_noise_model", tmp_path / "half")


def test_a_transformer_alone_names_the_parts_of_its_own_family(
    published: Any, tmp_path: Path, wan_folders: dict[str, Path]
) -> None:
    folder = write_whole(tmp_path / "original", published, "ti2v", wan_folders["ti2v"])
    with pytest.raises(WeightsError, match=r"have Wan-AI/Wan2\.2-TI2V-5B-Diffusers in the local"):
        kinema.Session("wan", weights=folder, device="cpu")
