"""What the observers of a training write, read back; and what they never do."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinema.errors import ExtraError
from kinema.events import Training, notify
from kinema.media.video import Video
from kinema.plugins import Plugins


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(
        name="first", folder=tmp_path, config={"steps": 4, "rank": 32}, clips=9, trainable=77
    )


@pytest.fixture
def video() -> Video:
    rng = np.random.default_rng(0)
    return Video(frames=rng.integers(0, 256, (3, 8, 16, 3), dtype=np.uint8), fps=8)


class Told:
    """The events of one training, told to one observer as a training tells them."""

    def __init__(self, name: str, training: Training) -> None:
        plugins = Plugins()
        plugins.register(importlib.import_module(f"kinema_apps.observers.{name}"), name)
        assert not plugins.broken
        self.observers = plugins.observers([name])
        self.training = training

    def __call__(self, event: str, **values: Any) -> None:
        notify(self.observers, f"kinema_training_{event}", training=self.training, **values)

    def steps(self, first: int, last: int, loss: float) -> None:
        for step in range(first, last + 1):
            values = {"loss": loss, "learning_rate": 1e-5, "clips_per_second": 2.5}
            self("step_finished", step=step, steps=4, values=values)


def test_tensorboard_observes_unless_a_recipe_says_otherwise() -> None:
    plugins = Plugins()
    plugins.load_entry_points()
    own = [i for i in plugins.event_plugins() if i.source.distribution == "kinema-apps"]
    found = {item.source.plugin: item.by_default for item in own}
    # What an absent extra brings is not listed.
    expected = {"tensorboard": True, "wandb": False}
    assert found == {name: value for name, value in expected.items() if find_spec(name)}


def test_tensorboard_can_be_read_back(training: Training, video: Video) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    told = Told("tensorboard", training)
    told("started")
    told.steps(1, 2, loss=0.5)
    told("validated", step=2, values={"trajectory-distance": 3.5}, videos={"cat": video})
    told("checkpoint_saved", step=2, folder=training.folder / "step-2")
    told("finished", step=2)

    read = accumulator.EventAccumulator(str(training.folder / "tensorboard"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("training/loss")] == [(1, 0.5), (2, 0.5)]
    assert read.Scalars("training/clips_per_second")[0].value == 2.5
    assert read.Scalars("training/learning_rate")[0].value == pytest.approx(1e-5)
    assert read.Scalars("validation/trajectory-distance")[0].value == 3.5
    assert b'"rank": 32' in read.Tensors("config/text_summary")[0].tensor_proto.string_val[0]
    shown = read.Images("validation/cat")[0]
    assert (shown.step, shown.width, shown.height) == (2, 16, 8)
    with Image.open(io.BytesIO(shown.encoded_image_string)) as picture:
        assert picture.format == "GIF"
        assert getattr(picture, "n_frames", 1) == 3


def test_a_resumed_training_replaces_what_was_beyond_its_checkpoint(training: Training) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    told = Told("tensorboard", training)
    told("started")
    told.steps(1, 3, loss=1.0)
    told("failed", step=3, error=RuntimeError("the plug was pulled"))
    told("started")
    told.steps(3, 4, loss=2.0)
    told("finished", step=4)

    files = list((training.folder / "tensorboard").iterdir())
    assert len(files) >= 1
    read = accumulator.EventAccumulator(str(training.folder / "tensorboard"))
    read.Reload()
    found = [(event.step, event.value) for event in read.Scalars("training/loss")]
    assert found == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


class FakeRun:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.code: int | None = None

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append((step, values))

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeRun]]:
    """What a package that looks like wandb was asked for."""
    made: list[FakeRun] = []
    fake: Any = ModuleType("wandb")
    fake.__spec__ = ModuleSpec("wandb", None)

    def init(**options: Any) -> FakeRun:
        made.append(FakeRun(options))
        return made[-1]

    def video(path: str, format: str) -> tuple[bytes, str]:
        return Path(path).read_bytes(), format

    fake.init, fake.Video = init, video
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delitem(sys.modules, "kinema_apps.observers.wandb", raising=False)
    yield made
    sys.modules.pop("kinema_apps.observers.wandb", None)


def test_wandb_gets_everything_and_sends_nothing(
    training: Training, video: Video, runs: list[FakeRun]
) -> None:
    told = Told("wandb", training)
    told("started")
    told.steps(1, 1, loss=0.25)
    told("validated", step=1, values={"trajectory-distance": 3.5}, videos={"cat": video})
    told("finished", step=1)

    (run,) = runs
    assert run.options["mode"] == "offline"
    assert run.options["dir"] == str(training.folder)
    assert run.options["config"]["rank"] == 32
    assert run.logged[0][0] == 1
    assert run.logged[0][1]["training/loss"] == 0.25
    assert run.logged[1][1]["validation/trajectory-distance"] == 3.5
    data, form = run.logged[1][1]["validation/cat"]
    assert (data[:3], form) == (b"GIF", "gif")
    assert run.code == 0


def test_wandb_goes_on_with_the_same_run(training: Training, runs: list[FakeRun]) -> None:
    told = Told("wandb", training)
    told("started")
    told("failed", step=1, error=RuntimeError("no"))
    told("started")
    first, second = runs
    assert first.code == 1
    assert first.options["id"] == second.options["id"]
    assert second.options["resume"] == "allow"


def test_wandb_goes_online_where_the_user_says_so(
    training: Training, runs: list[FakeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    Told("wandb", training)("started")
    assert runs[0].options["mode"] == "online"


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_an_observer_without_its_extra_is_no_broken_plugin(
    name: str, monkeypatch: pytest.MonkeyPatch, kinema: Any
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"kinema_apps.observers.{name}", raising=False)
    plugins = Plugins()
    plugins.load_entry_points()
    assert plugins.broken == {}
    assert name not in [source.plugin for source in plugins.sources()]
    assert plugins.dormant[name].source.distribution == "kinema-apps"
    with pytest.raises(
        ExtraError,
        match=rf"^The plugin '{name}' needs {name}, which is not installed: pip install "
        rf'"kinema-apps\[{name}\]"\.$',
    ):
        plugins.observers([name])
    monkeypatch.setattr(Plugins, "installed", lambda: plugins)
    listed = kinema("plugins").stdout
    assert "broken:" not in listed
    assert f"  {name} " not in listed
    assert f"{name}: kinema-apps 0.1.0: The plugin '{name}' needs" in kinema("doctor").stdout
    said = kinema("show", name, code=2).stderr
    assert said.startswith(f"Error: The plugin '{name}' needs {name}, which is not installed")
