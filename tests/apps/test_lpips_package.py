"""LPIPS against the package of its authors: the optional stage ``lpips`` of ``.ci/run`` has it.

That package wants torchvision, which is no requirement of ours; so the test is skipped where it is
not installed. The heads are the authors' own, the network's weights are random.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.interfaces import Truth
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema_apps.metrics.lpips import Lpips
from kinema_apps.metrics.records import LPIPS

# Their way of asking torchvision for a network without weights is one that it is leaving behind.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchvision")

MOTION = Motion(canvas=(96, 64), drags=[Drag([(20, 20), (30, 20)])])


@pytest.fixture(scope="module")
def authors() -> Any:
    """The package ``lpips``."""
    # torchvision for another kind of torch lacks these operators, and asks for them on import.
    library = torch.library.Library("torchvision", "FRAGMENT")
    if not hasattr(torch.ops.torchvision, "nms"):
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    yield pytest.importorskip("lpips")
    del library


def test_lpips_is_that_of_its_authors(
    authors: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    theirs = authors.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    network, heads = (record.path for record in LPIPS)
    stages = (getattr(theirs.net, f"slice{number}") for number in range(1, 6))
    state = {
        f"features.{name}": value for stage in stages for name, value in stage.state_dict().items()
    }
    torch.save(state, tmp_path / network)
    package = Path(str(importlib.import_module("lpips").__file__)).parent
    shutil.copy(package / "weights" / "v0.1" / "alex.pth", tmp_path / heads)
    # The name of the network's file carries the digest of the published one; these are random.
    monkeypatch.setattr("kinema_apps.metrics.weights._check_digest", lambda *told: None)
    ours = Lpips(str(tmp_path))
    first, second = torch.randint(0, 256, (2, 4, 64, 96, 3), dtype=torch.uint8)
    found = ours.compare(first, MOTION, Truth(frames=second))["lpips"]
    ready = (each[1:].permute(0, 3, 1, 2) / 127.5 - 1 for each in (first, second))
    with torch.no_grad():
        expected = float(theirs(*ready).mean())
    assert expected > 0
    assert found == pytest.approx(expected, rel=1e-5)
