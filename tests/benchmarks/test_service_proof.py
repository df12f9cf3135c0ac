"""The proof of the service, in small numbers: it ends with an error where a promise fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "service_proof.py"

pytestmark = [pytest.mark.all_packages, pytest.mark.slow]


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_proof", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "service_proof", module)
    spec.loader.exec_module(module)
    return module


def test_ends_at_random_moments(proof: ModuleType) -> None:
    assert proof.kill(times=4, seed=1)["jobs"] == "8"


def test_many_clients(proof: ModuleType) -> None:
    assert proof.load(12, 4)["jobs begun out of turn"] == "0"


def test_malformed_uploads(proof: ModuleType) -> None:
    assert proof.uploads(count=60)["temporary files left"] == "0"
