"""What a video was made of is written down: weights by their content, parts by their names."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

import kinema
from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.errors import InputError
from kinema.media.manifest import Manifest
from kinema_backbones.tiny.backbone import SHIPPED, TinyBackbone
from kinema_backbones.tiny.config import TinyConfig

OpenSession = Callable[..., kinema.Session]

# Controllers and preparations read conditions and sources that sister packages offer.
pytestmark = pytest.mark.all_packages

MOTION = kinema.Motion(canvas=(32, 32), drags=[kinema.Drag([(8, 12), (20, 16)])])
PHOTO = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))


def manifest(session: kinema.Session) -> Manifest:
    made = session.animate(PHOTO, MOTION, frames=2).manifest
    assert made is not None
    return made


def digests(*files: Path) -> dict[str, str]:
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def tiny_files(folder: Path) -> list[Path]:
    return [folder / "tiny.json", folder / "tiny.safetensors"]


def controller_files(folder: Path) -> list[Path]:
    return [folder / "controller.json", folder / "controller.safetensors"]


def lora_files(folder: Path) -> list[Path]:
    return [folder / "lora" / "adapter_config.json", folder / "lora" / "adapter_model.safetensors"]


def svd_files(folder: Path) -> list[Path]:
    weights = {
        "unet": "diffusion_pytorch_model.safetensors",
        "vae": "diffusion_pytorch_model.safetensors",
        "image_encoder": "model.safetensors",
    }
    return [
        folder / part / name for part, file in weights.items() for name in ("config.json", file)
    ]


def test_tiny_and_the_controller_beside_it(open_session: OpenSession) -> None:
    found = manifest(open_session("tiny")).files
    assert found == digests(*tiny_files(SHIPPED), *controller_files(SHIPPED / "controller"))


def test_weights_of_svd_by_their_name_in_the_hub(
    open_session: OpenSession,
    svd_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cached = tmp_path / "models--someone--svd"
    snapshot = cached / "snapshots" / "0123"
    shutil.copytree(svd_folder, snapshot)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    made = manifest(open_session("svd", weights="someone/svd", controller=""))
    assert made.files == digests(*svd_files(snapshot))
    [backbone] = made.offers["backbone"]
    assert backbone["config"]["weights"] == "someone/svd"


@pytest.mark.parametrize("lora", [True, False])
def test_a_controller_folder_and_its_lora(
    open_session: OpenSession, svd_folder: Path, converted: Path, lora: bool
) -> None:
    session = open_session("svd", controller=converted, controller_options={"lora": lora})
    read = [*svd_files(svd_folder), *controller_files(converted)]
    # The base that was converted along with it is no part of the run.
    assert (converted / "base" / "unet").is_dir()
    assert manifest(session).files == digests(*read, *(lora_files(converted) if lora else []))


@pytest.mark.slow
def test_a_preparation_knows_its_checkpoint(tmp_path: Path) -> None:
    weights, out = tmp_path / "weights", tmp_path / "clips"
    weights.mkdir()
    untrained = TinyConfig(untrained=True, channels=(32, 32))
    identities = []
    for seed in (1, 2):
        TinyBackbone.of(attrs.evolve(untrained, seed=seed)).save_weights(weights)
        source = {"count": 1}
        config = PrepareConfig(
            source="synthetic",
            tracker="ground-truth",
            backbone="tiny",
            out=str(out),
            size=(32, 32),
            frames=2,
            fps=8.0,
            device="cpu",
            workers=1,
            options={"source": source, "backbone": {"weights": str(weights)}},
        )
        if seed == 2:
            with pytest.raises(InputError, match=str(out)):
                prepare(config)
            shutil.rmtree(out)
        prepare(config)
        meta = ClipDataset(out).meta
        identities.append(meta["preparation"])
        told = {f"weights/{file.name}": file for file in tiny_files(weights)}
        sums = {name: digests(file)[str(file)] for name, file in told.items()}
        assert meta["weights_sha256"] == sums
    assert identities[0] != identities[1]


@pytest.mark.parametrize("by", ["name", "folder"])
def test_messages_name_the_controller_as_it_was_asked_for(
    open_session: OpenSession, converted: Path, by: str
) -> None:
    backbone, choice = ("svd", "tiny-modulation") if by == "name" else ("tiny", str(converted))
    with pytest.raises(InputError) as caught:
        open_session(backbone, controller=choice)
    assert str(caught.value).startswith(f"The controller {choice!r} was built for ")
    with pytest.raises(InputError, match=r"^The controller 'add' reads 3 channels, but the signal"):
        manifest(open_session("svd", controller="add", conditions=["region-trajectory"]))


def test_one_option_of_a_condition_changes_that_one_only(open_session: OpenSession) -> None:
    def configs(**options: Any) -> dict[str, dict[str, Any]]:
        made = manifest(open_session("tiny", **options)).offers["control condition"]
        return {each["name"]: each["config"] for each in made}

    plain = configs()
    changed = configs(condition_options={"region-trajectory": {"k": "6"}})
    assert list(changed) == list(plain) == ["region-trajectory", "motion-mask"]
    assert plain["region-trajectory"]["k"] == 8
    assert changed == plain | {"region-trajectory": plain["region-trajectory"] | {"k": 6}}


def test_options_of_a_folders_conditions_are_kept_beside_one(
    open_session: OpenSession, converted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "controller"
    shutil.copytree(converted, folder)
    record = folder / "controller.json"
    text = record.read_text(encoding="utf-8")
    assert '"motion-mask": {}' in text
    record.write_text(text.replace('"motion-mask": {}', '"motion-mask": {"threshold": 2.5}'))
    session = open_session("svd", controller=folder, condition_options={"motion-mask": {"k": 6}})
    conditions = manifest(session).offers["control condition"]
    assert [each["name"] for each in conditions] == ["region-trajectory", "motion-mask"]
    assert conditions[0]["config"]["k"] == 8
    assert conditions[1]["config"]["k"] == 6
    assert conditions[1]["config"]["threshold"] == 2.5
