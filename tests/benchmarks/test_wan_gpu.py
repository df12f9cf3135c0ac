"""The GPU benchmark of Wan runs from end to end, on models that a CPU can run."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "wan_gpu.py"


@pytest.mark.slow
# The rivals' own libraries warn; what kinema warns of is tested elsewhere.
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
def test_every_rival_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(SCRIPT))["main"]
    words = "--tiny --device cpu --rounds 2 --no-compile --caches"
    results = main([*words.split(), "--out", str(tmp_path / "out.json")])
    wanted = {
        "wan2.1-i2v-14b": ["diffusers", "kinema", "kinema with latent-splat"],
        "wan2.2-ti2v-5b": ["diffusers", "kinema"],
    }
    for name, rivals in wanted.items():
        found = results["models"][name]
        assert list(found["seconds"]) == rivals
        assert list(found["caches"]) == ["first-block", "pyramid"]
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(results))
    assert "| kinema with latent-splat |" in capsys.readouterr().out
