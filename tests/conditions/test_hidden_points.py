"""Hidden track points in every condition: what nobody saw moves nothing, and nothing snaps back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinema import Motion, Tracks
from kinema.errors import MotionError
from kinema.interfaces import Condition, DepthMap, Scene
from kinema.motion.region import Region
from kinema.offers import CONDITION
from kinema.plugins import Plugins
from kinema.signals import MotionSignal

CANVAS = (64, 48)
NAMES = sorted(
    item.offer.name
    for item in Plugins.installed().all(CONDITION)
    if item.source.distribution == "kinema-conditions"
)
RIGHT = Region(polygon=[(32, 0), (63, 0), (63, 47), (32, 47)])


def condition(name: str) -> Condition:
    built: Condition = Plugins.installed().build(CONDITION, name)
    return built


def told(name: str, tracks: Tracks, frames: int, regions: Any = ()) -> MotionSignal:
    motion = Motion(canvas=CANVAS, tracks=tracks, regions=regions)
    depth = DepthMap(depth=torch.full((48, 64), 2.0), metric=False, source="a wall")
    return condition(name).from_motion(motion, Scene(frames=frames, depth=lambda: depth))


def equal(one: MotionSignal, other: MotionSignal) -> bool:
    pairs = [(one.maps, other.maps), (one.tracks, other.tracks), (one.visible, other.visible)]
    return all(a is b or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


@pytest.mark.parametrize("name", NAMES)
@given(
    seed=st.integers(0, 2**32),
    share=st.sampled_from((0.3, 0.8)),
    frames=st.sampled_from((4, 6, 9)),
    brushed=st.booleans(),
    value=st.sampled_from((0.0, 1e5, float("nan"))),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_alike_in_what_is_seen_is_alike_in_the_signal(
    name: str, seed: int, share: float, frames: int, brushed: bool, value: float
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, CANVAS, (6, 3, 2)).astype(float)
    visible = rng.random((6, 3)) < share
    other = np.where(visible[..., None], points, value)
    regions = [RIGHT] if brushed else []
    made = []
    for places in (points, other):
        tracks = Tracks(points=places.tolist(), visible=visible.tolist())
        made.append(told(name, tracks, frames, regions))
    assert equal(*made)


def ended(*, region: bool) -> tuple[Tracks, Any]:
    """A track that moves by 2 px a frame and vanishes after frame 4, beside one that rests."""
    points = [[(10 + 2 * min(t, 4), 20), (50, 20)] for t in range(8)]
    visible = [[t < 5, True] for t in range(8)]
    zeroed = [
        [p if seen else (0, 0) for p, seen in zip(*row, strict=True)]
        for row in zip(points, visible, strict=True)
    ]
    everywhere = Region(polygon=[(0, 0), (63, 0), (63, 47), (0, 47)])
    return Tracks(points=zeroed, visible=visible), [everywhere] if region else []


@pytest.mark.parametrize("region", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "region-trajectory",
        "gaussian-trajectory",
        "camera-trajectory",
        "layered-motion",
        "dense-trajectory",
    ],
)
def test_a_track_that_ends_keeps_its_last_displacement(name: str, region: bool) -> None:
    tracks, regions = ended(region=region)
    signal = told(name, tracks, 8, regions)
    there = signal.dense()[:, signal.channels.index("dx"), 20, 10]
    expected = torch.tensor([0.0, 2, 4, 6, 8, 8, 8, 8])
    assert torch.allclose(there, expected, atol=0.05)


@pytest.mark.parametrize("region", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "region-trajectory",
        "gaussian-trajectory",
        "camera-trajectory",
        "layered-motion",
        "dense-trajectory",
        "point-tracks",
    ],
)
def test_a_track_that_is_hidden_for_a_while_keeps_its_last_displacement_meanwhile(
    name: str, region: bool
) -> None:
    points = [[(10 + 2 * t, 20)] for t in range(8)]
    visible = [[t not in (3, 4, 5)] for t in range(8)]
    regions = [Region(polygon=[(4, 14), (16, 14), (16, 26), (4, 26)])] if region else []
    signal = told(name, Tracks(points=points, visible=visible), 8, regions)
    if name == "point-tracks":
        places, seen = signal.points()
        there = places[:, -1, 0] - 10
        assert seen[:, -1].tolist() == [flag for (flag,) in visible]
    else:
        there = signal.dense()[:, signal.channels.index("dx"), 20, 10]
    expected = torch.tensor([0.0, 2, 4, 4, 4, 4, 12, 14])
    assert torch.allclose(there, expected, atol=0.05)


def test_points_are_hidden_where_their_track_is_and_held_there() -> None:
    tracks, _ = ended(region=False)
    places, visible = told("point-tracks", tracks, 8).points()
    assert visible[:, 0].tolist() == [True] * 5 + [False] * 3
    assert places[:, 0, 0].tolist() == [10, 12, 14, 16, 18, 18, 18, 18]


def test_a_track_that_is_hidden_at_first_moves_no_pixel() -> None:
    visible = [[t > 1, True] for t in range(6)]
    points = [[(10 + 2 * t, 20), (50, 20)] for t in range(6)]
    tracks = Tracks(points=points, visible=visible)
    for name in ("region-trajectory", "gaussian-trajectory", "layered-motion"):
        assert not told(name, tracks, 6).dense()[:, :2].any()


def test_a_track_that_is_never_seen_is_no_error() -> None:
    tracks = Tracks(points=[[(99, 99)]] * 4, visible=[[False]] * 4)
    for name in NAMES:
        try:
            signal = told(name, tracks, 4)
        except MotionError as error:  # pragma: no cover - says which condition refuses
            pytest.fail(f"{name}: {error}")
        assert name == "motion-mask" or signal.is_still
