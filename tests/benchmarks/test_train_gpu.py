"""The training benchmark runs from end to end, on a network that a CPU can run."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.errors import InputError

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train_gpu.py"


@pytest.fixture(scope="module")
def main() -> Any:
    return runpy.run_path(str(SCRIPT))["main"]


@pytest.mark.slow
@pytest.mark.all_packages
def test_every_rival_trains(main: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--tiny --device cpu --size 32x32 --frames 2 --batch 2 --rounds 2"
    results = main([*words.split(), "--out", str(tmp_path / "out.json")])
    assert list(results["rivals"]) == ["kinema", "published", "diffusers"]
    assert all(found["clips_per_second"] > 0 for found in results["rivals"].values())
    assert json.loads((tmp_path / "out.json").read_text()) == results
    table = capsys.readouterr().out
    assert all(f"| {name} |" in table for name in results["rivals"])
    assert "kinema / published: " in table


@pytest.mark.all_packages
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(main: Any) -> None:
    with pytest.raises(InputError, match=r"torch sees no CUDA device here. Run it where there is"):
        main([])
