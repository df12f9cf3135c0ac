"""Two processes give what one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kinema.clips import write_shard
from kinema.testing.toy_training import toy_clips

pytestmark = pytest.mark.slow

SCRIPT = """
import json, os, sys
import torch
torch.set_num_threads(1)
from kinema.plugins import Plugins
from kinema.testing.toy_training import toy_training_plugin
from kinema.training.config import parse_config
from kinema.training.loop import train

plugins = Plugins()
plugins.register(toy_training_plugin, "toys")
losses = []
train(
    parse_config(json.loads(sys.argv[1])),
    plugins=plugins,
    on_step=lambda step, steps, values: losses.append(values["loss"]),
)
if losses:
    losses.append(int(os.environ.get("WORLD_SIZE", "1")))
    print("LOSSES", json.dumps(losses))
"""


#: What `accelerate config` writes for FSDP2 on two processes.
SHARDED = """
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config:
  fsdp_version: 2
  fsdp_reshard_after_forward: true
  fsdp_auto_wrap_policy: SIZE_BASED_WRAP
  fsdp_min_num_params: 10
  fsdp_state_dict_type: FULL_STATE_DICT
mixed_precision: 'no'
num_machines: 1
num_processes: 2
use_cpu: true
"""


def run(tmp_path: Path, name: str, *launcher: str) -> list[float]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    recipe = {
        "data": str(tmp_path / "clips"),
        "out": str(tmp_path / name),
        "backbone": "toy-trainable",
        "controller": "toy-trained",
        "steps": 3,
        "batch": 4,
        "accumulation": 2,
        "device": "cpu",
        "optimizer": {"learning_rate": 1e-2},
        "validation": {"every": 3, "clips": 3, "videos": 1, "sample": {"steps": 1}},
    }
    done = subprocess.run(
        [sys.executable, *launcher, str(script), json.dumps(recipe)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "ACCELERATE_USE_CPU": "true",
        },
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("LOSSES"))
    losses: list[float] = json.loads(line.removeprefix("LOSSES"))
    return losses


@pytest.mark.parametrize("sharded", [False, True], ids=["data-parallel", "fsdp2"])
def test_two_processes_give_the_losses_and_weights_of_one(tmp_path: Path, sharded: bool) -> None:
    (tmp_path / "clips").mkdir()
    write_shard(tmp_path / "clips" / "a.parquet", toy_clips(5), {"backbone": "toy-trainable"})
    *alone, processes = run(tmp_path, "one")
    assert processes == 1
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    if sharded:
        (tmp_path / "fsdp2.yaml").write_text(SHARDED, encoding="utf-8")
        config = str(tmp_path / "fsdp2.yaml")
        launcher = ["-m", "accelerate.commands.launch", "--config_file", config]
    *together, processes = run(tmp_path, "two", *launcher)
    assert processes == 2
    assert together == pytest.approx(alone, abs=1e-6)
    one, two = (tmp_path / name / "step-000003" for name in ("one", "two"))
    expected, found = (load_file(folder / "weights.safetensors") for folder in (one, two))
    assert all(torch.allclose(expected[k], found[k], atol=1e-6, rtol=0) for k in expected)
    scores = [json.loads((folder / "state.json").read_text())["values"] for folder in (one, two)]
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)
