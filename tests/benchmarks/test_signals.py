"""How long signals take at the published size: 16 frames of 512x320."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from kinema import CameraPath, Drag, Motion, Plugins, Region, Tracks
from kinema.interfaces import Condition, DepthMap, Scene
from kinema.signals import MotionSignal, Observation, concatenate

CANVAS = (512, 320)
FRAMES = 16
CONDITIONS = (
    "region-trajectory",
    "motion-mask",
    "gaussian-trajectory",
    "camera-trajectory",
    "layered-motion",
    "point-tracks",
)
DRAGS = [Drag([(200, 150), (260, 120), (320, 140)]), Drag([(100, 250)])]
REGION = Region(polygon=[(150, 90), (280, 90), (280, 220), (150, 220)])


def scene() -> Scene:
    depth = torch.linspace(2, 6, CANVAS[1])[:, None].repeat(1, CANVAS[0])
    image = torch.rand(3, CANVAS[1], CANVAS[0], generator=torch.Generator().manual_seed(0))
    found = DepthMap(depth=depth, metric=True, source="a ramp")
    return Scene(frames=FRAMES, image=image, depth=lambda: found)


def observation() -> Observation:
    generator = torch.Generator().manual_seed(0)
    displacement = torch.randn(FRAMES, CANVAS[1], CANVAS[0], 2, generator=generator) * 4
    displacement[0] = 0
    visible = torch.rand(FRAMES, CANVAS[1], CANVAS[0], generator=generator) > 0.02
    return Observation(displacement=displacement, visible=visible)


def build(name: str) -> Condition:
    built: Condition = Plugins.installed().build("condition", name)
    return built


def timed(benchmark: BenchmarkFixture, group: str, make: Callable[[], MotionSignal]) -> None:
    benchmark.group = group
    signal = benchmark.pedantic(make, warmup_rounds=1, rounds=3)  # type: ignore[no-untyped-call]
    if signal.maps is not None:
        assert signal.maps.shape[-3:] == (len(signal.channels), CANVAS[1], CANVAS[0])


@pytest.mark.parametrize("name", CONDITIONS)
def test_from_motion_with_drags(benchmark: BenchmarkFixture, name: str) -> None:
    condition, seen = build(name), scene()
    motion = Motion(canvas=CANVAS, drags=DRAGS, regions=[REGION])
    timed(benchmark, "from_motion, drags", lambda: condition.from_motion(motion, seen))


@pytest.mark.parametrize("name", ["camera-trajectory", "layered-motion", "point-tracks"])
def test_from_motion_with_a_camera(benchmark: BenchmarkFixture, name: str) -> None:
    condition, seen = build(name), scene()
    motion = Motion(canvas=CANVAS, drags=DRAGS, camera=CameraPath.parse("orbit:10"))
    timed(benchmark, "from_motion, camera", lambda: condition.from_motion(motion, seen))


@pytest.mark.parametrize("name", CONDITIONS)
def test_from_observation(benchmark: BenchmarkFixture, name: str) -> None:
    condition, seen = build(name), observation()
    generator = torch.Generator().manual_seed(0)
    timed(benchmark, "from_observation", lambda: condition.from_observation(seen, generator))


@pytest.mark.parametrize("name", ["region-trajectory", "layered-motion", "point-tracks"])
def test_from_motion_with_crossing_tracks(benchmark: BenchmarkFixture, name: str) -> None:
    """5,000 points that go anywhere: what they do to one another is the worst case."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.rand(2, 5000, 2, generator=generator) * torch.tensor(
        [CANVAS[0] - 1, CANVAS[1] - 1]
    )
    part = torch.linspace(0, 1, FRAMES)[:, None, None]
    tracks = Tracks(points=torch.lerp(ends[:1], ends[1:], part).tolist())
    motion = Motion(canvas=CANVAS, tracks=tracks)
    condition, seen = build(name), scene()
    timed(benchmark, "from_motion, tracks", lambda: condition.from_motion(motion, seen))


@pytest.mark.parametrize("name", ["made", "moved", "concatenated"])
def test_looking_at_the_numbers(benchmark: BenchmarkFixture, name: str) -> None:
    """A signal is looked at when it is made; what is derived from it is not."""
    maps = torch.zeros(2, FRAMES, 3, CANVAS[1], CANVAS[0])
    channels = ("dx", "dy", "mask")
    signal = MotionSignal(maps=maps, channels=channels)
    other = MotionSignal(maps=maps[:, :, :1], channels=("depth",))
    work = {
        "made": lambda: MotionSignal(maps=maps, channels=channels),
        "moved": lambda: signal.to("cpu"),
        "concatenated": lambda: concatenate([signal, other]),
    }
    timed(benchmark, "signals", work[name])
