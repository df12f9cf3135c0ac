"""What trackers see, measured against what is true; and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kinema import InputError
from kinema.interfaces import Tracker
from kinema.plugins import Plugins
from kinema.signals import Observation
from kinema_conditions.synthetic import SyntheticClip, SyntheticConfig, calibration_clip, generate
from kinema_conditions.tracker_configs import (
    CoTracker3Config,
    DisConfig,
    DotConfig,
    GroundTruthConfig,
)
from kinema_conditions.trackers.dis import Dis
from kinema_conditions.trackers.ground_truth import GroundTruth


@pytest.fixture(scope="module")
def clip() -> SyntheticClip:
    """The clip on which the trackers were measured: 16 frames of 512x320, 9 px a frame."""
    return calibration_clip()


def scores(clip: SyntheticClip, seen: Observation, frame: int = 15) -> tuple[float, float]:
    """End-point error over truly visible pixels in pixels, and IoU of what is not visible."""
    truth = clip.observation
    error = (seen.displacement[frame] - truth.displacement[frame]).norm(dim=-1)
    hidden, found = ~truth.visible[frame], ~seen.visible[frame]
    overlap = (hidden & found).sum() / (hidden | found).sum()
    return float(error[truth.visible[frame]].mean()), float(overlap)


def test_balanced_is_within_its_bounds(clip: SyntheticClip) -> None:
    """Measured: 2.8 px and 0.78."""
    error, overlap = scores(clip, Dis(DisConfig()).observe(clip.frames))
    assert error < 4.0
    assert overlap > 0.6


@pytest.mark.slow
def test_high_is_within_its_bounds(clip: SyntheticClip) -> None:
    """Measured: 1.7 px and 0.88."""
    error, overlap = scores(clip, Dis(DisConfig(quality="high")).observe(clip.frames))
    assert error < 2.0
    assert overlap > 0.7


def test_each_quality_is_better_than_the_one_before() -> None:
    clip = calibration_clip((288, 192), 6)
    found = [
        scores(clip, Dis(DisConfig(quality=quality)).observe(clip.frames), 5)
        for quality in ("fast", "balanced", "high")
    ]
    errors, overlaps = zip(*found, strict=True)
    assert sorted(errors, reverse=True) == list(errors)
    assert sorted(overlaps) == list(overlaps)


def test_small_frames_are_followed_too() -> None:
    """Measured: 0.4 px where the picture moves by 2.4, and 1.2 px if they are not enlarged."""
    clip = calibration_clip((64, 48), 8)
    seen = Dis(DisConfig()).observe(clip.frames)
    assert seen.displacement.shape == (8, 48, 64, 2)
    error, overlap = scores(clip, seen, 7)
    assert error < 0.7
    assert overlap > 0.45


def test_the_same_clip_gives_the_same_observation() -> None:
    clip = generate(3, 1, (96, 64), 4)
    first, second = (Dis(DisConfig()).observe(clip.frames) for _ in range(2))
    assert torch.equal(first.displacement, second.displacement)
    assert torch.equal(first.visible, second.visible)


def test_what_left_the_picture_or_is_covered_is_not_visible(clip: SyntheticClip) -> None:
    seen = Dis(DisConfig(quality="fast")).observe(clip.frames[:8])
    truth = clip.observation.visible[7]
    assert float(seen.visible[7][~truth].float().mean()) < 0.2
    assert bool(seen.visible[0].all())


def test_points_and_dense_motion_agree() -> None:
    clip = calibration_clip((256, 160), 5)
    tracker = Dis(DisConfig())
    seen = tracker.observe(clip.frames)
    points = torch.tensor([[60.0, 80.0], [200.0, 40.0], [10.5, 20.25]])
    tracks, visible = tracker.track(clip.frames, points)
    for number, (x, y) in enumerate([(60, 80), (200, 40)]):
        moved = seen.displacement[:, y, x]
        assert torch.allclose(tracks[:, number] - points[number], moved, atol=1e-4)
        assert torch.equal(visible[:, number], seen.visible[:, y, x])


def test_points_of_a_middle_frame_are_followed_both_ways() -> None:
    clip = calibration_clip((256, 160), 7)
    points = torch.tensor([[90.0, 80.0], [200.0, 30.0], [130.0, 130.0]])
    tracks, visible = Dis(DisConfig()).track(clip.frames, points, frame=3)
    truth, really = clip.track(points, frame=3)
    assert torch.equal(tracks[3], points)
    assert float((tracks - truth).norm(dim=-1)[really].mean()) < 0.5
    assert float((visible == really).float().mean()) > 0.8


def test_no_points_are_no_error() -> None:
    clip = generate(0, 0, (64, 48), 3)
    none = torch.zeros(0, 2)
    for tracker in (Dis(DisConfig()), GroundTruth.of(clip)):
        tracks, visible = tracker.track(clip.frames, none)
        assert tracks.shape == (3, 0, 2)
        assert visible.shape == (3, 0)


def test_ground_truth_knows_the_clip_it_is_named() -> None:
    config = SyntheticConfig(least_objects=2, textures="patterns")
    clip = generate(4, 9, (64, 48), 3, config)
    options = {"seed": 4, "index": 9, "clips": {"least_objects": 2, "textures": "patterns"}}
    tracker: Tracker = Plugins.installed().build("tracker", "ground-truth", options)
    seen = tracker.observe(clip.frames)
    assert torch.equal(seen.displacement, clip.observation.displacement)
    assert torch.equal(seen.visible, clip.observation.visible)
    points = torch.tensor([[20.0, 20.0]])
    assert torch.equal(tracker.track(clip.frames, points, 2)[0], clip.track(points, 2)[0])
    other = generate(4, 9, (48, 64), 3, config)
    assert torch.equal(tracker.observe(other.frames).visible, other.observation.visible)


def test_ground_truth_refuses_every_other_clip() -> None:
    clip, other = generate(4, 9, (64, 48), 3), generate(4, 8, (64, 48), 3)
    named: Tracker = Plugins.installed().build("tracker", "ground-truth", {"seed": 4, "index": 9})
    with pytest.raises(
        InputError,
        match=r"knows only clip 9 of the synthetic series 4, and these 3 frames of 64x48 are "
        r"others\. Name the clip with the options 'seed', 'index' and 'clips', or choose .* dis\.",
    ):
        named.observe(other.frames)
    with pytest.raises(InputError, match="knows only the 1 clips it was given"):
        GroundTruth.of(clip).observe(other.frames)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.zeros(3, 20, 30, 3), r"got \(3, 20, 30, 3\) of torch\.float32"),
        (torch.zeros(1, 20, 30, 3, dtype=torch.uint8), r"at least 2 frames, got \(1, 20, 30, 3\)"),
        (torch.zeros(3, 3, 20, 30, dtype=torch.uint8), r"\(T, H, W, 3\) .* got \(3, 3, 20, 30\)"),
        (torch.zeros(3, 20, 6, 3, dtype=torch.uint8), "at least 8x8 pixels, got 6x20"),
    ],
)
def test_what_is_no_clip_is_refused(frames: Tensor, message: str) -> None:
    tracker = Dis(DisConfig())
    with pytest.raises(InputError, match=message):
        tracker.observe(frames)
    with pytest.raises(InputError, match=message):
        tracker.track(frames, torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("points", "frame", "message"),
    [
        (torch.zeros(2, 3), 0, r"must be floating point \(N, 2\), x before y; got \(2, 3\)"),
        (torch.zeros(2, 2, dtype=torch.int64), 0, r"got \(2, 2\) of torch\.int64"),
        (torch.zeros(1, 2), 3, r"There is no frame 3; the clip has the frames 0 to 2"),
        (torch.zeros(1, 2), -1, r"There is no frame -1"),
        (
            torch.tensor([[3.0, 4.0], [30.0, 5.0]]),
            0,
            r"1 of 2 points lie outside the frame of 30x20, the first of them at \(30, 5\)",
        ),
        (torch.tensor([[float("nan"), 4.0]]), 0, r"1 of 1 points .* at \(nan, 4\)"),
    ],
)
def test_points_that_are_not_in_the_clip_are_refused(
    points: Tensor, frame: int, message: str
) -> None:
    frames = torch.zeros(3, 20, 30, 3, dtype=torch.uint8)
    with pytest.raises(InputError, match=message):
        Dis(DisConfig()).track(frames, points, frame)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (DisConfig, {"quality": "best"}, "Unknown quality 'best' .*: fast, balanced, high"),
        (CoTracker3Config, {"stride": 0}, "cotracker3's stride must be at least 1, got 0"),
        (CoTracker3Config, {"batch": 0}, "cotracker3's batch must be at least 1, got 0"),
        (CoTracker3Config, {"window": 1}, "cotracker3's window must be at least 2, got 1"),
        (DotConfig, {"points": 64}, "dot's points must be at least 2048, got 64"),
        (DotConfig, {"points": 3000}, "dot's points must be a multiple of 2048, got 3000"),
        (DotConfig, {"seed": -1}, "dot's seed must be at least 0, got -1"),
        (GroundTruthConfig, {"index": -2}, "ground-truth's index must be at least 0, got -2"),
    ],
)
def test_bad_options_are_named(kind: type[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**options)
