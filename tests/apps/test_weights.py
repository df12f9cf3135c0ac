"""``kinema weights`` and ``kinema convert``, without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import kinema as sdk
from kinema.interfaces import Request
from kinema.plugins import Plugins
from kinema.testing import ToyBackbone
from kinema_apps import weights as weights_module

Kinema = Callable[..., Any]
DRAG = ("--backbone", "toy", "--drag", "40,30 60,30")
CONTENT = b"these are the weights"


def build(config: object) -> Any:
    raise AssertionError("listing and checking weights builds nothing")


def offering(sha256: str) -> SimpleNamespace:
    def kinema_depth_estimators() -> Iterator[Any]:
        yield sdk.offers.DepthEstimatorOffer(
            name="deep",
            summary="Needs a file.",
            factory=build,
            weights=(
                sdk.offers.WeightFile(
                    path="model.safetensors",
                    hub="some/where",
                    licence="MIT",
                    bytes=len(CONTENT),
                    sha256=sha256,
                ),
            ),
        )

    return SimpleNamespace(kinema_depth_estimators=sdk.hookimpl(kinema_depth_estimators))


@pytest.fixture
def deep(kinema: Kinema, kinema_plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Kinema:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(weights_module, "in_cache", lambda file: None)
    digest = hashlib.sha256(CONTENT).hexdigest()
    kinema_plugins.register(offering(digest), "deep", "deep-dist", "1.0")
    return kinema


def test_weights_are_listed_with_size_and_licence(deep: Kinema) -> None:
    shown = deep("weights", "list").output
    assert "deep (depth estimator) from deep-dist 1.0" in shown
    assert "model.safetensors of some/where, 0.021 kB, licence: MIT" in shown
    assert "not in the local cache" in shown


def test_the_list_as_json_holds_the_record(deep: Kinema) -> None:
    [item] = json.loads(deep("weights", "list", "--json").stdout)
    assert item["files"][0]["bytes"] == len(CONTENT)
    assert item["files"][0]["found"] is None


def test_a_complete_folder_passes_the_check(deep: Kinema, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    done = deep("weights", "check", "deep", "--in", str(tmp_path))
    assert done.stdout == "deep: all 1 files are there.\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "model.safetensors is absent (0.021 kB, from some/where, licence: MIT)"),
        (CONTENT[:-3], f"has {len(CONTENT) - 3} bytes, {len(CONTENT)} are recorded; is the"),
        (CONTENT.upper(), "has the sha256 "),
    ],
)
def test_absent_short_or_other_files_are_named(
    deep: Kinema, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    done = deep("weights", "check", "deep", "--in", str(tmp_path), code=2)
    assert message in done.stderr
    assert "Fetch them with: kinema weights pull deep" in done.stderr


def test_pulling_asks_about_the_licence_first(
    deep: Kinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    done = deep("weights", "pull", "deep", code=130)
    assert "licence: MIT" in done.stderr


def test_pulling_fetches_only_what_is_recorded(
    deep: Kinema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(hub: str, *, allow_patterns: list[str], local_dir: Path) -> str:
        asked.update(hub=hub, patterns=allow_patterns)
        (local_dir / "model.safetensors").write_bytes(CONTENT)
        return str(local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    done = deep("weights", "pull", "deep", "--to", str(tmp_path), "--yes")
    assert asked == {
        "hub": "some/where",
        "patterns": ["model.safetensors", "*.json", "*/*.json"],
    }
    assert done.stdout == f"Wrote {tmp_path}.\n"


def test_a_failed_download_is_one_line(
    deep: Kinema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    done = deep("weights", "pull", "deep", "--to", str(tmp_path), "--yes", code=2)
    assert "model.safetensors of some/where could not be fetched: no route to host" in done.stderr


def test_unknown_names_list_the_choices(deep: Kinema) -> None:
    done = deep("weights", "check", "depe", code=2)
    assert "No installed offer called 'depe' needs weights. Did you mean 'deep'?" in done.stderr


class Reader:
    def convert(self, source: Path, out: Path) -> dict[str, Any]:
        out.mkdir()
        return {"used": {"encoder": 3, "lora": 0}, "unused": {}, "missing": {"head": ["a", "b"]}}


def importers() -> SimpleNamespace:
    def kinema_importers() -> Iterator[Any]:
        yield sdk.offers.ImporterOffer(
            name="theirs", summary="Reads theirs.", factory=lambda config: Reader()
        )

    return SimpleNamespace(kinema_importers=sdk.hookimpl(kinema_importers))


def test_a_conversion_reports_by_group(kinema: Kinema, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(importers(), "theirs")
    done = kinema("convert", "theirs", "model.pt", "--out", "made")
    assert done.stdout == "used: 3 encoder\nunused: none\nmissing: 2 head\nWrote made.\n"
    again = kinema("convert", "theirs", "model.pt", "--out", "made", code=2)
    assert "'made' exists already; name a folder that does not." in again.stderr
    wrong = kinema("convert", "theirs", "model.pt", "--out", "other", "--dense", code=2)
    assert "The config of the importer 'theirs' has no option 'dense'." in wrong.stderr


def test_shortcuts_are_options_of_the_backbone(toy: Kinema, photo: Path) -> None:
    done = toy("animate", str(photo), *DRAG, "--memory", "minimal", code=2)
    assert "The config of the backbone 'toy' has no option 'memory'." in done.stderr
    words = (*DRAG, "--memory", "a", "--set", "memory=b")
    done = toy("animate", str(photo), *words, code=2)
    assert "--memory a and --set memory=b contradict each other." in done.stderr


@attrs.frozen(kw_only=True)
class WarmConfig:
    compile: str = "off"
    compile_cache: str = ""
    device: str = "cpu"


class Warm(ToyBackbone):
    def __init__(self, config: WarmConfig) -> None:
        super().__init__()
        self.config = config

    def warm_up(self, request: Request) -> None:
        told = f"{self.config.compile} {request.size} {request.frames}"
        Path(self.config.compile_cache).write_text(told)


def test_warming_up_compiles_one_shape(kinema: Kinema, kinema_plugins: Plugins) -> None:
    def kinema_backbones() -> Iterator[Any]:
        yield sdk.offers.BackboneOffer(
            name="warm", summary="Compiles.", factory=Warm, config=WarmConfig
        )

    plugin = SimpleNamespace(kinema_backbones=sdk.hookimpl(kinema_backbones))
    kinema_plugins.register(plugin, "warm")
    words = ("--backbone", "warm", "--size", "64x32", "--frames", "5", "--cache", "warm.art")
    done = kinema("warm-up", *words)
    assert done.stdout == "Wrote warm.art: warm compiled for 5 frames of 64x32.\n"
    assert Path("warm.art").read_text() == "warm (64, 32) 5"


def test_a_backbone_without_compilation_is_refused(toy: Kinema) -> None:
    words = ("--size", "64x32", "--frames", "5", "--cache", "warm.art")
    done = toy("warm-up", "--backbone", "toy", *words, code=2)
    assert "The config of the backbone 'toy' has no option 'compile_cache'." in done.stderr
