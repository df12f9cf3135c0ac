"""What is said where a package of an extra is absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.errors import ExtraError, InputError
from kinema.extras import require
from kinema.files import claimed
from kinema.hooks import hookimpl
from kinema.plugins import Plugins
from kinema.testing.toy_training import toy_training_plugin
from kinema.training.config import parse_config
from kinema.training.launched import open_engine
from kinema.training.loop import train


def lacks(work: str, package: str) -> str:
    install = r'which is not installed: pip install "kinema\[training\]"\.'
    return f"^{work} needs {package}, {install}$"


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the extra ``training`` can be imported."""
    for package in ("accelerate", "filelock", "pyarrow", "tomli_w"):
        monkeypatch.setitem(sys.modules, package, None)


def test_what_is_there_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_package_to_find.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    require("a_package_to_find", "kinema[training]", "Nothing")


@pytest.mark.usefixtures("absent")
def test_clips_say_what_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").touch()
    with pytest.raises(ExtraError, match=lacks("Reading and writing clips", "pyarrow")) as caught:
        ClipDataset(tmp_path)
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("absent")
def test_preparing_is_refused_before_any_work(tmp_path: Path, kinema_plugins: Plugins) -> None:
    config = PrepareConfig(source="none", backbone="none", out=str(tmp_path / "clips"))
    with pytest.raises(ExtraError, match=lacks("Reading and writing clips", "pyarrow")):
        prepare(config, plugins=kinema_plugins)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("absent")
def test_training_is_refused_before_any_work(tmp_path: Path, kinema_plugins: Plugins) -> None:
    kinema_plugins.register(toy_training_plugin, "toys")
    config = parse_config(
        {
            "data": "clips",
            "out": str(tmp_path / "run"),
            "backbone": "toy-trainable",
            "controller": "toy-trained",
        }
    )
    with pytest.raises(ExtraError, match=lacks("Training", "accelerate")):
        train(config, plugins=kinema_plugins)
    with pytest.raises(ExtraError, match=lacks("Training", "accelerate")), open_engine(config):
        pass
    with pytest.raises(ExtraError, match=lacks("Writing a recipe", "tomli_w")):
        config.to_toml()
    with (
        pytest.raises(ExtraError, match=lacks("Claiming a folder", "filelock")),
        claimed(tmp_path / "run", "training"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


class Logbook:
    """A plugin that has its package."""

    @hookimpl
    def kinema_training_finished(self) -> None: ...


def test_a_plugin_without_its_extra_is_dormant(
    kinema_plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "a_plugin_that_needs_more"
    (tmp_path / f"{module}.py").write_text(
        "from kinema.extras import require\n"
        "require('a_package_nobody_has', 'shy[more]', \"The plugin 'shy'\")\n"
    )
    record = tmp_path / "shy-1.2.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.4\nName: shy\nVersion: 1.2\n")
    (record / "entry_points.txt").write_text(f"[kinema]\nshy = {module}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kinema_plugins.register(Logbook(), "logbook")
    kinema_plugins.load_entry_points()

    assert "shy" not in kinema_plugins.broken
    assert "shy" not in [source.plugin for source in kinema_plugins.sources()]
    said = "The plugin 'shy' needs a_package_nobody_has, which is not installed: pip install "
    assert kinema_plugins.dormant["shy"].reason == f'{said}"shy[more]".'
    assert str(kinema_plugins.dormant["shy"].source) == "shy 1.2"
    with pytest.raises(ExtraError, match=r"^The plugin 'shy' needs a_package_nobody_has"):
        kinema_plugins.observers(["logbook", "shy"])
    with pytest.raises(InputError, match=r"^Unknown metric 'fid'\. Choose one of"):
        kinema_plugins.find("metric", "fid")
