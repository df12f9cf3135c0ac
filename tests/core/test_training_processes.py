"""Two processes give what one gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kinema.clips.clip import write_shard
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

if os.environ.get("ACCELERATE_USE_DEEPSPEED"):
    # accelerate knows DeepSpeed on GPUs only, unless its processes are connected beforehand.
    from accelerate.state import PartialState

    PartialState(backend="gloo")

plugins = Plugins()
plugins.register(toy_training_plugin, "toys")
losses = []
train(
    parse_config(json.loads(sys.argv[1])),
    plugins=plugins,
    resume=True,
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


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    write_shard(tmp_path / "clips" / "a.parquet", toy_clips(5), {"backbone": "toy-trainable"})
    return tmp_path / "clips"


def run(
    clips: Path, name: str, *launcher: str, device: str = "cpu", **environment: str
) -> list[float]:
    """Train in the folder ``name`` beside the clips: the losses, then the number of processes."""
    script = clips.parent / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    recipe = {
        "data": str(clips),
        "out": str(clips.parent / name),
        "backbone": "toy-trainable",
        "controller": "toy-trained",
        "steps": 3,
        "batch": 4,
        "accumulation": 2,
        "device": device,
        "optimizer": {"learning_rate": 1e-2},
        "validation": {"every": 3, "clips": 3, "videos": 1, "sample": {"steps": 1}},
        "checkpoints": {"every": 2},
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
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("LOSSES"))
    losses: list[float] = json.loads(line.removeprefix("LOSSES"))
    return losses


def compare(clips: Path, one: str, two: str) -> None:
    """The last checkpoints of two trainings hold the same weights and scores."""
    folders = [clips.parent / name / "step-000003" for name in (one, two)]
    expected, found = (load_file(folder / "weights.safetensors") for folder in folders)
    assert all(torch.allclose(expected[k], found[k], atol=1e-6, rtol=0) for k in expected)
    scores = [json.loads((folder / "state.json").read_text())["values"] for folder in folders]
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.mark.parametrize("sharded", [False, True], ids=["data-parallel", "fsdp2"])
def test_two_processes_give_the_losses_and_weights_of_one(clips: Path, sharded: bool) -> None:
    *alone, processes = run(clips, "one", ACCELERATE_USE_CPU="true")
    assert processes == 1
    launcher: tuple[str, ...] = TWO
    if sharded:
        config = clips.parent / "fsdp2.yaml"
        config.write_text(SHARDED, encoding="utf-8")
        launcher = ("-m", "accelerate.commands.launch", "--config_file", str(config))
    *together, processes = run(clips, "two", *launcher, ACCELERATE_USE_CPU="true")
    assert processes == 2
    assert together == pytest.approx(alone, abs=1e-6)
    compare(clips, "one", "two")


@pytest.mark.skipif(not find_spec("deepspeed"), reason="DeepSpeed is not installed")
@pytest.mark.parametrize("stage", ["1", "2"])
def test_deepspeed_gives_the_losses_and_weights_of_one_process(clips: Path, stage: str) -> None:
    zero = {
        "ACCELERATE_USE_DEEPSPEED": "true",
        "ACCELERATE_DEEPSPEED_ZERO_STAGE": stage,
        "DS_ACCELERATOR": "cpu",
    }
    *alone, _ = run(clips, "one", device="auto")
    *together, processes = run(clips, "two", *TWO, device="auto", **zero)
    assert processes == 2
    assert together == pytest.approx(alone, abs=1e-6)
    compare(clips, "one", "two")
    # A checkpoint of one kind goes on as the other.
    shutil.rmtree(clips.parent / "one" / "step-000003")
    shutil.rmtree(clips.parent / "two" / "step-000003")
    (clips.parent / "one").rename(clips.parent / "other")
    (clips.parent / "two").rename(clips.parent / "one")
    (clips.parent / "other").rename(clips.parent / "two")
    *rest, _ = run(clips, "one", device="auto")
    assert rest == pytest.approx(alone[2:], abs=1e-6)
    *rest, _ = run(clips, "two", *TWO, device="auto", **zero)
    assert rest == pytest.approx(alone[2:], abs=1e-6)
    compare(clips, "one", "two")
