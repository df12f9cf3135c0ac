"""``kinema train``: a recipe in, a controller folder out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest
import torch

from kinema.checkpoints import ControllerRecord
from kinema.clips.clip import write_shard
from kinema.plugins import Plugins
from kinema.testing.toy_training import toy_clips, toy_training_plugin

Kinema = Callable[..., click.testing.Result]

RECIPE = """
data = "clips"
out = "runs/first"
backbone = "toy-trainable"
controller = "toy-trained"
steps = 3
batch = 2

[optimizer]
learning_rate = 1e-3
"""


@pytest.fixture
def desk(kinema: Kinema, kinema_plugins: Plugins, tmp_path: Path) -> Kinema:
    """The command in a folder with clips and a recipe, where only the toys are installed."""
    torch.set_num_threads(1)
    kinema_plugins.register(toy_training_plugin, "toys", "kinema-toys", "1.2.3")
    (tmp_path / "clips").mkdir()
    write_shard(tmp_path / "clips" / "a.parquet", toy_clips(4), {"backbone": "toy-trainable"})
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return kinema


def test_a_recipe_becomes_a_controller(desk: Kinema, tmp_path: Path) -> None:
    said = desk("train", "recipe.toml").output
    assert "Wrote runs/first/step-000003." in said
    assert "--controller runs/first/step-000003/controller" in said
    assert "--set" not in said.split("Try it:")[1]
    record = ControllerRecord.read(tmp_path / "runs/first/step-000003/controller")
    assert record.controller == "toy-trained"
    assert record.manifest["training"]["optimizer"]["learning_rate"] == 1e-3


def test_the_command_to_try_names_the_network_that_was_trained(desk: Kinema) -> None:
    said = desk("train", "recipe.toml", "--set", "backbone_options.seed=3").output
    assert "step-000003/controller --set seed=3 --size" in said.split("Try it:")[1]


def test_settings_win_over_the_recipe(desk: Kinema, tmp_path: Path) -> None:
    desk("train", "recipe.toml", "--set", "steps=1", "--set", "optimizer.clip=0", "--set", "out=o")
    assert (tmp_path / "o" / "step-000001").is_dir()
    assert "clip = 0.0" in (tmp_path / "o" / "recipe.toml").read_text()


def test_a_finished_run_goes_on_only_if_asked(desk: Kinema, tmp_path: Path) -> None:
    desk("train", "recipe.toml")
    said = desk("train", "recipe.toml", code=2).output
    assert (
        "The run folder 'runs/first' holds checkpoints up to step-000003. Resume to go on from "
        "there, or choose another out." in said
    )
    desk("train", "recipe.toml", "--resume", "--set", "steps=4")
    assert (tmp_path / "runs/first/step-000004").is_dir()


def test_the_resolved_recipe_trains_again(desk: Kinema, tmp_path: Path) -> None:
    desk("train", "recipe.toml")
    first = (tmp_path / "runs/first/step-000003/weights.safetensors").read_bytes()
    desk("train", "runs/first/recipe.toml", "--set", "out=runs/second")
    assert (tmp_path / "runs/second/step-000003/weights.safetensors").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.toml"], "The recipe 'absent.toml' cannot be read: No such file or directory."),
        (
            ["recipe.toml", "--set", "stepz=3"],
            "The recipe 'recipe.toml' has no option 'stepz'. Did you mean 'steps'?",
        ),
        (
            ["recipe.toml", "--set", "optimizer.lr=3"],
            "The recipe 'recipe.toml', table [optimizer], has no option 'lr'.",
        ),
        (["recipe.toml", "--set", "batch=0"], "Options of the training are out of range: batch"),
        (["recipe.toml", "--set", "data=none"], "There is no folder 'none' to read clips from."),
        (["recipe.toml", "--set", "controller=toy"], "Unknown controller 'toy'."),
    ],
)
def test_bad_input_is_named(desk: Kinema, words: list[str], message: str) -> None:
    assert message in desk("train", *words, code=2).output
