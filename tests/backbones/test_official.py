"""The importer of the published weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from kinema.checkpoints import ControllerRecord
from kinema.errors import WeightsError
from kinema.interfaces import Importer
from kinema.testing import ImporterContract
from kinema_backbones.control.checkpoint import load_controller, save_controller
from kinema_backbones.control.config import ControllerConfig, SiteShape
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.svd.config import MotionProConfig
from kinema_backbones.svd.naming import diffusers_name
from kinema_backbones.svd.official import MotionProImporter, read_published, sort_keys
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes, build_unet


class TestMotionPro(ImporterContract):
    def make(self) -> Importer:
        return MotionProImporter()


def rewritten(source: Path, out: Path, change: object) -> Path:
    data = torch.load(source, weights_only=True)
    change(data["module"])  # type: ignore[operator]
    torch.save(data, out)
    return out


def test_the_report_counts_every_key(published_file: Path, tmp_path: Path) -> None:
    def add(module: dict[str, torch.Tensor]) -> None:
        for key in (
            "conditioner.embedders.0.w",
            "conditioner.embedders.1.w",
            "first_stage_model.w",
        ):
            module[f"module.{key}"] = torch.zeros(1)

    source = rewritten(published_file, tmp_path / "full.pt", add)
    report = MotionProImporter().convert(source, tmp_path / "out")
    assert report == {
        "used": {"motion encoder": 24, "modulation": 40, "lora": 368, "base": 626},
        "unused": {"conditioner.embedders": 2, "first_stage_model.w": 1},
        "missing": {"controller": []},
    }
    record = ControllerRecord.read(tmp_path / "out")
    assert record.controller == "modulation"
    assert list(record.conditions) == ["region-trajectory", "motion-mask"]
    assert record.licence == "Apache-2.0"
    assert record.manifest["source"] == "full.pt"
    assert record.manifest["report"] == report


def test_every_tensor_arrives_bit_for_bit(published_file: Path, converted: Path) -> None:
    found = sort_keys(read_published(published_file))
    state = load_controller(converted).state_dict()
    assert set(state) == set(found.controller)
    for key, tensor in found.controller.items():
        assert torch.equal(state[key], tensor.float()), key


def test_a_converted_controller_survives_saving(converted: Path, tmp_path: Path) -> None:
    first = load_controller(converted)
    again = load_controller(save_controller(first, tmp_path / "again"))
    assert first.config.sites == again.config.sites
    assert [s.stride for s in first.config.sites] == [8, 16, 16, 8]
    for key, tensor in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor)


def test_the_dense_variant_reads_visibility(published_file: Path, tmp_path: Path) -> None:
    MotionProImporter(MotionProConfig(dense=True)).convert(published_file, tmp_path / "dense")
    record = ControllerRecord.read(tmp_path / "dense")
    assert list(record.conditions) == ["dense-trajectory"]
    assert record.manifest["dense"] is True


def test_missing_keys_are_named(published_file: Path, tmp_path: Path) -> None:
    key = "module.model.diffusion_model.flow_blocks.0.4.bias"
    source = rewritten(published_file, tmp_path / "cut.pt", lambda module: module.pop(key))
    with pytest.raises(WeightsError, match=r"lacks 1 tensors .* \['encoder.stem.1.spatial.bias'\]"):
        MotionProImporter().convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_base_alone_is_no_controller(published_file: Path, tmp_path: Path) -> None:
    def cut(module: dict[str, torch.Tensor]) -> None:
        for key in [key for key in module if "flow_" in key]:
            del module[key]

    source = rewritten(published_file, tmp_path / "base.pt", cut)
    with pytest.raises(WeightsError, match="holds no MotionPro controller: it has no flow_"):
        MotionProImporter().convert(source, tmp_path / "out")


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_code_in_a_pickle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, write in (
        ("zip.pt", lambda path: torch.save({"module": {"a": Attack()}}, path)),
        ("plain.pt", lambda path: path.write_bytes(pickle.dumps({"module": Attack()}))),
    ):
        write(tmp_path / name)
        with pytest.raises(WeightsError, match="no pickle of tensors and plain data only"):
            MotionProImporter().convert(tmp_path / name, tmp_path / "out")
    assert "never" not in capsys.readouterr().out
    with pytest.raises(WeightsError, match="cannot be read"):
        MotionProImporter().convert(tmp_path / "absent.pt", tmp_path / "out")


def original_names(levels: int, layers: int = 2) -> list[str]:
    """Modules that the original U-Net could have at this depth; more than it has."""
    resnet = ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"]
    resnet += [f"time_stack.{name}" for name in resnet]
    resnet += ["skip_connection", "time_mixer.mix_factor"]
    inner = [f"attn{n}.{part}" for n in "12" for part in ("to_q", "to_k", "to_v", "to_out.0")]
    inner += ["norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2"]
    attention = ["norm", "proj_in", "proj_out", "time_pos_embed.0", "time_pos_embed.2"]
    attention += ["time_mixer.mix_factor", *(f"transformer_blocks.0.{name}" for name in inner)]
    temporal = [*inner, "norm_in", "ff_in.net.0.proj", "ff_in.net.2"]
    attention += [f"time_stack.0.{name}" for name in temporal]
    blocks = range(levels * (layers + 1))
    names = [
        f"{way}_blocks.{n}.0.{r}" for way in ("input", "output") for n in blocks for r in resnet
    ]
    names += [
        f"{w}_blocks.{n}.1.{a}" for w in ("input", "output") for n in blocks for a in attention
    ]
    names += [f"middle_block.{part}.{name}" for part in (0, 2) for name in resnet]
    names += [f"middle_block.1.{name}" for name in attention]
    names += [f"input_blocks.{n}.0.op" for n in blocks]
    # The deepest level has no attention, so its upsampler comes right after the resnet.
    names += [f"output_blocks.{3 * n + 2}.{1 if n == 0 else 2}.conv" for n in range(levels - 1)]
    names += ["time_embed.0", "time_embed.2", "label_emb.0.0", "label_emb.0.2"]
    return [*names, "input_blocks.0.0", "out.0", "out.2"]


def test_a_network_of_four_levels(tmp_path: Path) -> None:
    sizes = NetworkSizes(
        model_channels=32, channel_mult=(1, 1, 2, 2), num_head_channels=16, context_dim=24,
        addition_time_embed_dim=8,
    )  # fmt: skip
    base = build_unet(sizes).state_dict()
    modules = {key.rpartition(".")[0] for key in base} | {k for k in base if "mix_factor" in k}
    state: dict[str, torch.Tensor] = {}
    for name in original_names(4):
        ours = diffusers_name(name)
        if ours is None or ours not in modules:
            continue
        if name.endswith("mix_factor"):
            state[name] = base[ours]
            continue
        for leaf in ("weight", "bias"):
            if f"{ours}.{leaf}" in base:
                state[f"{name}.{leaf}"] = base[f"{ours}.{leaf}"]
    assert len(state) == len(base)
    controller = ModulationController(
        ControllerConfig(
            sites=tuple(
                SiteShape(name=f"{way}-{i}", channels=(32, 32, 64, 64)[n], stride=8 << n)
                for way in ("down", "up")
                for i, n in enumerate(range(4) if way == "down" else reversed(range(4)))
            )
        )
    )
    ours_to_theirs = {"0.spatial": "0.0", "0.temporal": "0.1", "0.norm_out": "0.2",
                      "1.spatial": "0.4", "1.temporal": "0.5", "1.norm_out": "0.6",
                      "2.spatial": "0.8", "2.temporal": "0.9"}  # fmt: skip
    for key, tensor in controller.state_dict().items():
        part, _, leaf = key.rpartition(".")
        words = part.split(".")
        if words[1] == "stem":
            state[f"flow_blocks.{ours_to_theirs['.'.join(words[2:])]}.{leaf}"] = tensor
        elif words[1] in ("scales", "downs"):
            step = {"norm_in": "0", "spatial": "2", "temporal": "3"}.get(words[-1], "4.op")
            state[f"flow_blocks.{int(words[2]) + 1}.{step}.{leaf}"] = tensor
        else:
            way, index = words[1].split("-")
            block = int(index) * 3 + (way == "down")
            site = f"{'input' if way == 'down' else 'output'}_blocks.{block}.0"
            flow = f"{words[2]}_{words[3]}." if len(words) > 2 else "cond_norm."
            state[f"{site}.flow_{flow}{leaf.removeprefix('norm_')}"] = tensor
    prefix = "module.model.diffusion_model."
    torch.save({"module": {prefix + k: v for k, v in state.items()}}, tmp_path / "four.pt")
    report = MotionProImporter().convert(tmp_path / "four.pt", tmp_path / "out")
    assert report["unused"] == {}
    assert report["used"]["base"] == len(base)
    loaded = load_controller(tmp_path / "out")
    assert loaded.config.sites == controller.config.sites
    for key, tensor in controller.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
    again = build_from_sizes(sizes.tiny(), unet=tmp_path / "out" / "base" / "unet")
    there = again.components.unet.state_dict()
    assert all(torch.equal(there[key], tensor) for key, tensor in base.items())
