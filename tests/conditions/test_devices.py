"""The same signals on a GPU as on the CPU; skipped where there is none."""

from __future__ import annotations

import pytest
import torch

from kinema import CameraPath, Drag, Motion, Plugins
from kinema.interfaces import DepthMap, Scene
from kinema.signals import Observation

CONDITIONS = ["region-trajectory", "motion-mask", "gaussian-trajectory", "camera-trajectory"]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def scene(device: str) -> Scene:
    depth = torch.linspace(2, 4, 96).repeat(64, 1).to(device)
    found = DepthMap(depth=depth, metric=True, source="a plane")
    return Scene(frames=5, image=torch.rand(3, 64, 96).to(device), depth=lambda: found)


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("camera", [None, CameraPath.parse("orbit:5+zoom:1.1")])
def test_a_motion_gives_the_same_signal(name: str, camera: CameraPath | None) -> None:
    if camera is not None and name == "gaussian-trajectory":
        pytest.skip("cannot express a camera")
    motion = Motion(canvas=(96, 64), camera=camera, drags=[Drag([(40, 30), (60, 36)])])
    condition = Plugins.installed().build("condition", name)
    there = condition.from_motion(motion, scene("cuda")).dense()
    assert there.device.type == "cuda"
    here = condition.from_motion(motion, scene("cpu")).dense()
    assert torch.allclose(there.cpu(), here, atol=1e-3)


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("source", ["cpu", "cuda"])
def test_an_observation_gives_the_same_signal(name: str, source: str) -> None:
    displacement = torch.randn(4, 64, 96, 2, generator=torch.Generator().manual_seed(0))
    displacement[0] = 0
    visible = torch.ones(4, 64, 96, dtype=torch.bool)
    condition = Plugins.installed().build("condition", name)
    made = []
    for device in ("cpu", "cuda"):
        seen = Observation(displacement=displacement.to(device), visible=visible.to(device))
        generator = torch.Generator(source).manual_seed(0)
        signal = condition.from_observation(seen, generator).dense()
        assert signal.device.type == device
        made.append(signal.cpu())
    assert torch.allclose(made[0], made[1], atol=1e-4)
