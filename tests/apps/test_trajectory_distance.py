"""The metric against clips whose motion is known, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kinema import CameraPath, InputError, Motion, MotionError
from kinema.offers import TRACKER, Kind, TrackerOffer
from kinema.plugins import Plugins
from kinema.signals import Observation
from kinema_apps.metrics.configs import TrajectoryDistanceConfig
from kinema_apps.metrics.trajectory_distance import TrajectoryDistance


class Sliding:
    """A tracker that sees every point move by (2, 0) pixels of 16 a frame, but for one of them."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.points = torch.zeros(0, 2)

    def observe(self, frames: Tensor) -> Observation:
        raise NotImplementedError

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        self.seen.append(tuple(frames.shape))
        self.points = points
        time = torch.arange(len(frames), dtype=torch.float32)[:, None, None]
        tracks = points + time * torch.tensor([2.0, 0.0]) * frames.shape[2] / 16
        tracks[1:, 0] += 1000
        return tracks, torch.ones(tracks.shape[:2], dtype=torch.bool)


@pytest.fixture
def sliding() -> Sliding:
    return Sliding()


def metric(sliding: Sliding, **options: Any) -> TrajectoryDistance:
    class Here:
        def build(self, kind: Kind[Any, Any], name: str, given: Any) -> Sliding:
            assert (kind, name) == (TRACKER, "sliding")
            return sliding

    here: Any = Here()
    return TrajectoryDistance(TrajectoryDistanceConfig(tracker="sliding", **options), here)


def clip(frames: int = 5, size: tuple[int, int] = (16, 16)) -> Tensor:
    return torch.zeros(frames, size[1], size[0], 3, dtype=torch.uint8)


def test_distances_are_pixels_of_the_video_whatever_the_tracker_gets(sliding: Sliding) -> None:
    motion = Motion(canvas=(16, 16), drags=[[(4, 8), (12, 8)]])
    for upscale in (1.0, 2.5, 0.0):
        found = metric(sliding, upscale=upscale, block=160).measure(clip(), motion)
        assert found == pytest.approx(
            {"trajectory-distance": 0.0, "trajectory-distance-last": 0.0}, abs=1e-4
        )
    assert sliding.seen == [(5, 16, 16, 3), (5, 40, 40, 3), (5, 256, 256, 3)]


def test_the_mean_is_over_the_later_frames_and_the_drags(sliding: Sliding) -> None:
    # One drag goes the other way: 4, 8, 12 and 16 pixels off. One rests: 2, 4, 6 and 8.
    motion = Motion(canvas=(16, 16), drags=[[(8, 8), (0, 8)], [(3, 3)]])
    found = metric(sliding, block=160).measure(clip(), motion)
    assert found["trajectory-distance"] == pytest.approx(7.5, abs=1e-4)
    assert found["trajectory-distance-last"] == pytest.approx(12.0, abs=1e-4)
    short = metric(sliding, block=160, frames=3).measure(clip(), motion)
    assert short["trajectory-distance-last"] == pytest.approx((8 + 4) / 2, abs=1e-4)


def test_a_motion_of_another_canvas_is_fitted(sliding: Sliding) -> None:
    motion = Motion(canvas=(32, 32), drags=[[(8, 16), (24, 16)]])
    found = metric(sliding, block=160).measure(clip(), motion)
    assert found["trajectory-distance-last"] == pytest.approx(0.0, abs=1e-4)


def test_the_block_lies_about_the_start_and_within_the_picture(sliding: Sliding) -> None:
    metric(sliding, upscale=1.0, block=40).displacements(clip(), torch.tensor([[5.25, 8.0]]))
    assert sliding.points.tolist() == [[4.75, 7.5], [5.75, 7.5], [4.75, 8.5], [5.75, 8.5]]
    metric(sliding, upscale=1.0, block=40).displacements(clip(), torch.tensor([[0.0, 15.0]]))
    assert sliding.points.tolist() == [[0, 14.5], [0.5, 14.5], [0, 15], [0.5, 15]]


def test_what_cannot_be_measured_is_refused(sliding: Sliding) -> None:
    drags = Motion(canvas=(16, 16), drags=[[(8, 8), (0, 8)]])
    with pytest.raises(MotionError, match="this Motion has no drag"):
        metric(sliding).measure(clip(), Motion(canvas=(16, 16)))
    camera = Motion(canvas=(16, 16), drags=drags.drags, camera=CameraPath.parse("pan:5"))
    with pytest.raises(MotionError, match="this Motion has a camera path"):
        metric(sliding).measure(clip(), camera)
    with pytest.raises(InputError, match="is to measure 9 frames; the video has 5"):
        metric(sliding, frames=9).measure(clip(), drags)
    with pytest.raises(InputError, match=r"must be uint8 frames .* got \(5, 16, 16, 3\) of"):
        metric(sliding).measure(clip().float(), drags)
    with pytest.raises(InputError, match=r"must be \(5, N, 2\), got \(4, 1, 2\)"):
        metric(sliding).distances(clip(), torch.zeros(4, 1, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 0}, "got 0 and 0"),
        ({"frames": 1}, "got 8 and 1"),
        ({"upscale": 0.5}, "got 0.5"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrajectoryDistanceConfig(**options)


def test_its_tracker_is_looked_up_by_name(kinema_plugins: Plugins, sliding: Sliding) -> None:
    from types import SimpleNamespace

    import kinema
    from kinema_apps import plugin

    def kinema_trackers() -> list[TrackerOffer]:
        return [TrackerOffer(name="sliding", summary="Slides.", factory=lambda _: sliding)]

    kinema_plugins.register(plugin, "apps")
    found = SimpleNamespace(kinema_trackers=kinema.hookimpl(kinema_trackers))
    kinema_plugins.register(found, "trackers")
    built = kinema_plugins.build("metric", "trajectory-distance", {"tracker": "sliding"})
    assert isinstance(built, TrajectoryDistance)
    with pytest.raises(InputError, match="Unknown tracker 'dis'"):
        kinema_plugins.build("metric", "trajectory-distance", {})


@pytest.mark.all_packages
def test_it_agrees_with_what_is_true_of_a_synthetic_clip() -> None:
    """Measured over 16 clips of 64x64: 0.4 px for the clip itself, where its points move by 5."""
    from kinema_conditions.synthetic import ambiguous_pairs

    built = Plugins.installed().build("metric", "trajectory-distance")
    (pair,) = ambiguous_pairs(1, 1, (64, 64), 6)
    motion = pair.motion("object")
    true = built.measure(pair.object.frames, motion)
    assert true["trajectory-distance"] < 0.6
    still = built.measure(pair.photo.expand(6, -1, -1, -1), motion)
    path = torch.from_numpy(pair.drag.path(6))
    moved = (path - path[:1]).norm(dim=-1)
    assert still["trajectory-distance"] == pytest.approx(float(moved[1:].mean()), abs=0.05)
    assert still["trajectory-distance-last"] == pytest.approx(float(moved[-1]), abs=0.05)
    assert still["trajectory-distance"] > 5 * true["trajectory-distance"]
