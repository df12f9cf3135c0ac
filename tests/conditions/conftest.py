"""What the tests of the conditions share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.interfaces import DepthMap, Scene

REFERENCE = Path(__file__).parent.parent / "reference"


@pytest.fixture(scope="session")
def drags_reference() -> dict[str, Any]:
    """Tracks, and the arrays that the published code makes of them."""
    data: dict[str, Any] = json.loads((REFERENCE / "drags.json").read_text(encoding="utf-8"))
    with np.load(REFERENCE / "drags.npz") as arrays:
        return data | {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="session")
def camera_reference() -> dict[str, Tensor]:
    """Depth, poses, and the arrays that the published code makes of them."""
    with np.load(REFERENCE / "camera.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="session")
def wall() -> Callable[..., Scene]:
    """A scene without a photo that looks at a wall: ``wall(frames, (width, height), depth)``."""

    def scene(frames: int, canvas: tuple[int, int], depth: float = 2.0) -> Scene:
        found = DepthMap(
            depth=torch.full((canvas[1], canvas[0]), depth), metric=True, source="test wall"
        )
        return Scene(frames=frames, depth=lambda: found)

    return scene
