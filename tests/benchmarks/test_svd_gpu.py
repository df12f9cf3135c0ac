"""The GPU benchmark runs from end to end, on a network that a CPU can run."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "svd_gpu.py"


@pytest.mark.slow
@pytest.mark.all_packages
# The rivals' own libraries warn; what kinema warns of is tested elsewhere.
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
def test_every_rival_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch._dynamo.reset()
    main = runpy.run_path(str(SCRIPT))["main"]
    words = (
        "--tiny --device cpu --size 96x64 --frames 2 --steps 1 --rounds 2 --compile-backend eager"
    )
    results = main([*words.split(), "--out", str(tmp_path / "out.json")])
    names = ["published fp32", "published bf16", "diffusers", "diffusers compiled", "kinema",
             "kinema without control"]  # fmt: skip
    assert list(results["seconds"]) == names
    assert list(results["memory"]) == ["default", "offload", "minimal"]
    assert json.loads((tmp_path / "out.json").read_text()) == results
    table = capsys.readouterr().out
    assert all(f"| {name} |" in table for name in names)
