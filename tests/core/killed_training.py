"""A training that is killed before each file operation goes on to the same weights.

``python killed_training.py FOLDER MOST`` prints how many operations were tried.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from kinema.clips.clip import write_shard
from kinema.plugins import Plugins
from kinema.testing.killed import killed_before_each
from kinema.testing.toy_training import toy_clips, toy_training_plugin
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train


def main(folder: Path, most: int) -> None:
    torch.set_num_threads(1)
    plugins = Plugins()
    plugins.register(toy_training_plugin, "toys")
    data = folder / "data"
    data.mkdir()
    write_shard(data / "a.parquet", toy_clips(4), {"backbone": "toy-trainable"})

    def recipe(out: str) -> TrainConfig:
        return parse_config(
            {
                "data": str(data),
                "out": str(folder / out),
                "backbone": "toy-trainable",
                "controller": "toy-trained",
                "steps": 4,
                "batch": 2,
                "checkpoints": {"every": 1, "keep": 1},
                "events": [],
            }
        )

    def weights(folder: Path) -> Any:
        return {name: value.tolist() for name, value in load_file(folder).items()}

    whole = weights(train(recipe("whole"), plugins=plugins) / "weights.safetensors")
    run = folder / "run"
    tried = 0
    for _ in killed_before_each(
        lambda: train(recipe("run"), plugins=plugins),
        lambda: shutil.rmtree(run, ignore_errors=True),
        most,
    ):
        found = train(recipe("run"), resume=True, plugins=plugins)
        assert weights(found / "weights.safetensors") == whole
        assert [path.name for path in run.glob("*step*")] == ["step-000004"]
        tried += 1
    print(tried)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
