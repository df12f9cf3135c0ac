"""What the caches over the steps skip is counted, and their drift is measured."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "wan_caches.py"

pytestmark = pytest.mark.all_packages

STEPS = 6


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_first_block_skips_all_other_blocks_where_little_changes(script: dict[str, Any]) -> None:
    subject = script["random_wan"](STEPS)
    blocks = script["BLOCKS"]
    exact = subject.run(0, "off", 0.0)
    # Two guidance terms a step.
    assert exact.blocks == exact.attention == 2 * STEPS * blocks
    never = subject.run(0, "first-block", 1e-12)
    assert never.blocks == exact.blocks
    assert torch.equal(never.latents, exact.latents)
    # The first step of each term computes all blocks; every later one the first alone.
    always = subject.run(0, "first-block", 1e9)
    assert always.blocks == always.attention == 2 * (blocks + STEPS - 1)
    assert not torch.equal(always.latents, exact.latents)
    drift = script["compared"](always, exact)
    assert drift["blocks_skipped"] == pytest.approx(1 - (blocks + STEPS - 1) / (STEPS * blocks))
    assert 0 < drift["latent_error"] < 1
    assert drift["psnr"] < 120
    # Nothing of the cache stays behind.
    again = subject.run(0, "off", 0.0)
    assert again.blocks == exact.blocks
    assert torch.equal(again.latents, exact.latents)


def test_pyramid_skips_attention_alone(script: dict[str, Any]) -> None:
    subject = script["random_wan"](STEPS)
    exact, made = subject.run(0, "off", 0.0), subject.run(0, "pyramid", 0.0)
    assert made.blocks == exact.blocks
    assert 0.5 * exact.attention <= made.attention < exact.attention
    assert not torch.equal(made.latents, exact.latents)


def test_the_trained_toy_carries_first_block_and_nothing_stays(script: dict[str, Any]) -> None:
    subject = script["TinyFlowSubject"](STEPS)
    kind, depth = type(subject.backbone.network), len(subject.backbone.network.blocks)
    exact = subject.run(0, "off", 0.0)
    assert exact.blocks == STEPS * depth
    always = subject.run(0, "first-block", 1e9)
    assert always.blocks == depth + STEPS - 1
    assert type(subject.backbone.network) is kind
    assert torch.equal(subject.run(0, "off", 0.0).latents, exact.latents)


@pytest.mark.slow
def test_the_command_prints_and_writes_a_row_for_every_mode(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    found = script["main"](["--steps", "4", "--seeds", "0", "--out", str(out)])
    assert [(row["cache"], row["threshold"]) for row in found["wan-random"]] == list(
        script["MODES"]
    )
    assert {row["cache"] for row in found["tiny-flow"]} == {"first-block"}
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    assert "| first-block, 0.05 |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        script["main"](["--weights", "some"])
