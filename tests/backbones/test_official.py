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
from kinema_backbones.svd.config import MotionProConfig
from kinema_backbones.svd.official import MotionProImporter, read_published, sort_keys


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
