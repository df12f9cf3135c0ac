"""What DeepSpeed is refused with; what it gives is compared in test_training_processes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from kinema.errors import InputError
from kinema.training.config import TrainConfig, parse_config
from kinema.training.launched import open_engine
from kinema.training.zero import ZeroEngine


def accelerator(stage: int) -> Any:
    return SimpleNamespace(
        state=SimpleNamespace(deepspeed_plugin=SimpleNamespace(zero_stage=stage))
    )


def recipe(**options: object) -> TrainConfig:
    return parse_config(
        {"data": "clips", "out": "run", "backbone": "svd", "controller": "modulation", **options}
    )


@pytest.mark.parametrize("stage", [0, 3])
def test_other_stages_are_refused(stage: int) -> None:
    with pytest.raises(InputError, match=rf"ZeRO stage {stage}; .* stage 1 or 2. .* FSDP2"):
        ZeroEngine(accelerator(stage), "bf16")


def test_half_precision_with_a_scaler_is_refused() -> None:
    with pytest.raises(InputError, match="needs precision = 'bf16' or 'no', got 'fp16'"):
        ZeroEngine(accelerator(2), "fp16")


def test_an_optimizer_of_matrices_is_refused() -> None:
    engine = ZeroEngine(accelerator(2), "bf16")
    with pytest.raises(InputError, match="'muon' needs whole matrices, which DeepSpeed"):
        engine.prepare(nn.Linear(2, 2), [], recipe(optimizer={"name": "muon"}))


def test_without_deepspeed_nothing_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr("accelerate.state.is_deepspeed_available", lambda: False)
    refused = pytest.raises(
        InputError, match=r"cannot be launched as .*: DeepSpeed is not (installed|available)"
    )
    with refused, open_engine(recipe(device="auto")):
        pass
