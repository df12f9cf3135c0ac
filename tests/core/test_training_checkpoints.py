"""Checkpoints of a training: going on as if nothing had happened, and what is refused."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from kinema.clips.clip import write_shard
from kinema.errors import Cancelled, InputError, KinemaError, KinemaWarning, WeightsError
from kinema.files import claimed
from kinema.hooks import hookimpl
from kinema.plugins import Plugins
from kinema.testing.toy_training import toy_clips, toy_training_plugin
from kinema.training import state
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train

Recipe = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_shard(folder / "a.parquet", toy_clips(5), {"backbone": "toy-trainable"})
    return folder


@pytest.fixture
def recipe(clips: Path, tmp_path: Path, kinema_plugins: Plugins) -> Recipe:
    kinema_plugins.register(toy_training_plugin, "toys")

    def make(**options: Any) -> TrainConfig:
        return parse_config(
            {
                "data": str(clips),
                "out": str(tmp_path / "run"),
                "backbone": "toy-trainable",
                "controller": "toy-trained",
                "steps": 5,
                "batch": 2,
                "accumulation": 2,
                "ema": 0.5,
                "optimizer": {"learning_rate": 1e-2, "schedule": "cosine"},
                "checkpoints": {"every": 2},
                **options,
            }
        )

    return make


def stop_after(count: int) -> Callable[[], bool]:
    asked = iter(range(1, 100))
    return lambda: next(asked) >= count


@pytest.mark.parametrize(("at", "name"), [(1, "adamw"), (2, "adamw"), (4, "adamw"), (3, "muon")])
def test_going_on_is_bitwise_the_same(recipe: Recipe, tmp_path: Path, at: int, name: str) -> None:
    optimizer = {"name": name, "learning_rate": 1e-2, "schedule": "cosine"}
    whole = train(recipe(out=str(tmp_path / "whole"), optimizer=optimizer))
    with pytest.raises(Cancelled):
        train(recipe(optimizer=optimizer), cancel=stop_after(at))
    torch.manual_seed(123)
    parts = train(recipe(optimizer=optimizer), resume=True)
    for name in ("weights", "ema", "optimizer"):
        expected, found = (load_file(f / f"{name}.safetensors") for f in (whole, parts))
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert (whole / "controller" / "controller.safetensors").read_bytes() == (
        parts / "controller" / "controller.safetensors"
    ).read_bytes()


def test_a_kill_between_checkpoints_goes_on_from_the_last(recipe: Recipe, tmp_path: Path) -> None:
    whole = train(recipe(out=str(tmp_path / "whole")))

    class Killed(BaseException):
        pass

    def kill(step: int, steps: int, values: Mapping[str, float]) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        train(recipe(), on_step=kill)
    (tmp_path / "run" / ".step-000004.abc").mkdir()
    parts = train(recipe(), resume=True)
    assert not list((tmp_path / "run").glob(".step*"))
    expected, found = (load_file(folder / "weights.safetensors") for folder in (whole, parts))
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_an_old_checkpoint_that_is_unreadable_is_passed_over_with_a_word(
    recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "run" / "step-000000").mkdir(parents=True)
    (tmp_path / "run" / "step-000000" / "weights.safetensors").touch()
    few = {"every": 2, "keep": 1}
    with pytest.raises(WeightsError, match=r"step-000000' cannot be used: state\.json"):
        train(recipe(checkpoints=few), resume=True)
    with pytest.warns(KinemaWarning, match=r"step-000000' cannot be used: .* passed over\."):
        state.thin_out(tmp_path / "run", recipe(checkpoints=few).checkpoints)


def test_a_refused_training_tells_observers_nothing(
    recipe: Recipe, kinema_plugins: Plugins
) -> None:
    told: list[str] = []

    class Listening:
        @hookimpl
        def kinema_training_failed(self) -> None:
            told.append("failed")

    kinema_plugins.register(Listening(), "listening")
    train(recipe())
    with pytest.raises(InputError, match="belongs to another training: seed is 0 there and 7"):
        train(recipe(seed=7, events=["listening"]), resume=True)
    assert told == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint(
    recipe: Recipe, tmp_path: Path, number: signal.Signals
) -> None:
    def interrupt(step: int, steps: int, values: Mapping[str, float]) -> None:
        if step == 1:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Cancelled, match=rf"interrupted \({number.name}\) after step 1 of 5"):
        train(recipe(), on_step=interrupt)
    assert (tmp_path / "run" / "step-000001" / "state.json").is_file()
    assert signal.getsignal(number) is before


def test_the_last_ones_stay(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe(checkpoints={"every": 1, "keep": 2}))
    assert [folder.name for folder in state.checkpoints(tmp_path / "run")] == [
        "step-000004",
        "step-000005",
    ]


def test_the_best_one_stays(recipe: Recipe, tmp_path: Path) -> None:
    options = {
        "optimizer": {"learning_rate": 1.0},
        "validation": {"every": 1, "clips": 2, "videos": 0},
    }
    train(recipe(**options, out=str(tmp_path / "all"), checkpoints={"every": 1, "keep": 5}))
    losses = {
        folder.name: state.read_record(folder)["values"]["validation_loss"]
        for folder in state.checkpoints(tmp_path / "all")
    }
    # Whichever of the two is not the newest, which stays anyway.
    best_is = "lowest" if min(losses, key=losses.__getitem__) != "step-000005" else "highest"
    best = (min if best_is == "lowest" else max)(losses, key=losses.__getitem__)
    config = recipe(**options, checkpoints={"every": 1, "keep": 1, "best_is": best_is})
    train(config)
    kept = [folder.name for folder in state.checkpoints(tmp_path / "run")]
    assert kept == [best, "step-000005"]
    found = state.best_checkpoint(tmp_path / "run", config.checkpoints)
    assert found is not None
    assert found.name == best


# -- what is refused -----------------------------------------------------------------------------


def damage(folder: Path, name: str, how: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["truncated", "flipped", "removed"])
@pytest.mark.parametrize("name", ["weights.safetensors", "state.json", "recipe.toml"])
def test_a_damaged_checkpoint_is_refused(
    recipe: Recipe, tmp_path: Path, name: str, how: str
) -> None:
    folder = train(recipe(steps=1))
    damage(folder, name, how)
    if (name, how) == ("state.json", "flipped"):
        # The last byte is a line break; anything else there is no JSON.
        (folder / name).write_text((folder / name).read_text() + "x")
    with pytest.raises(WeightsError, match=r"checkpoint '.*step-000001' cannot be used: .*Remove"):
        train(recipe(), resume=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch": 4}, "batch is 2 there and 4 here"),
        ({"seed": 3}, "seed is 0 there and 3 here"),
        ({"optimizer": {"learning_rate": 1e-3}}, "optimizer is"),
        ({"backbone_options": {"seed": 1}}, "backbone_options is"),
        ({"controller_options": {"seed": 1}}, "controller_options is"),
        ({"adaptation": {"method": "none"}}, "adaptation is"),
    ],
)
def test_a_foreign_checkpoint_is_refused(
    recipe: Recipe, options: dict[str, Any], told: str
) -> None:
    train(recipe(steps=1))
    with pytest.raises(InputError, match=f"belongs to another training: .*{told}"):
        train(recipe(**options), resume=True)


def test_other_frozen_weights_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    from kinema.testing.toy_training import ToyTrainable, ToyTrainableConfig

    train(recipe(steps=1))
    (tmp_path / "weights").mkdir()
    ToyTrainable(ToyTrainableConfig(seed=5)).save_weights(tmp_path / "weights")
    with pytest.raises(InputError, match="belongs to another network"):
        train(recipe(weights=str(tmp_path / "weights")), resume=True)


def test_two_trainings_in_one_run_folder_are_refused(recipe: Recipe) -> None:
    config = recipe(steps=1)
    with (
        claimed(Path(config.out), "training"),
        pytest.raises(InputError, match=r"^Another training is at work in the folder '.*run'"),
    ):
        train(config)
    train(config)


def test_checkpoints_are_not_mixed_by_accident(recipe: Recipe) -> None:
    train(recipe(steps=1))
    with pytest.raises(InputError, match=r"holds checkpoints up to step-000001\. Resume to"):
        train(recipe())


def test_a_full_disk_leaves_the_earlier_checkpoints(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinema_plugins: Plugins
) -> None:
    writes = iter(range(100))
    write = safetensors.torch.save_file

    def full(tensors: Any, path: Any, **options: Any) -> None:
        if "step-000004" in str(path) and next(writes) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tensors, path, **options)

    failed: list[BaseException] = []

    class Watch:
        @hookimpl
        def kinema_training_failed(self, error: BaseException) -> None:
            failed.append(error)

    kinema_plugins.register(Watch(), "watch")
    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(
        KinemaError, match=r"'.*step-000004' could not be written: .*No space left.*step-000002"
    ):
        train(recipe(events=["watch"]))
    assert [path.name for path in (tmp_path / "run").iterdir() if "step" in path.name] == [
        "step-000002"
    ]
    assert len(failed) == 1
    monkeypatch.setattr(safetensors.torch, "save_file", write)
    assert train(recipe(), resume=True).name == "step-000005"
