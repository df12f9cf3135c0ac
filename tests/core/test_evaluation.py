"""What an evaluation says of videos whose scores are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema import InputError, Motion, MotionError
from kinema.errors import Cancelled
from kinema.evaluation import Evaluation, Score, evaluate
from kinema.media.video import Video
from kinema.motion.observed import motion_of
from kinema.signals import Observation

MOTION = Motion(canvas=(8, 8), drags=[[(1, 1), (5, 5)]])


class Brightness:
    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        return {"brightness": float(frames.float().mean())}


def made(photo: int, motion: Motion, seed: int) -> Video:
    if photo == 9 and seed == 1:
        raise ValueError("this one\nbreaks")
    return Video(frames=np.full((2, 8, 8, 3), photo + seed, np.uint8), fps=8)


def test_the_mean_is_that_of_the_items_and_the_interval_holds_it() -> None:
    done: list[tuple[int, int]] = []
    items = [(f"item {n}", 10 * n, MOTION) for n in range(1, 6)]
    found = evaluate(
        made, items, {"b": Brightness()}, seeds=(0, 1), on_progress=lambda *at: done.append(at)
    )
    interval = found.summary["brightness"]
    assert interval.mean == 30.5
    # The standard error of the mean of 10, 20, 30, 40, 50 is 6.3 with n in the denominator.
    assert 15 < interval.low < 22
    assert 39 < interval.high < 46
    assert interval.count == 10
    assert done[-1] == (10, 10)
    assert found == evaluate(made, items, {"b": Brightness()}, seeds=(0, 1))
    assert found.summary == found.summary


def test_one_video_has_no_spread() -> None:
    found = evaluate(made, [("a", 7, MOTION)], {"b": Brightness()})
    assert str(found.summary["brightness"]) == "7 [7, 7]"


def test_a_failed_video_is_named_and_the_others_count(tmp_path: Path) -> None:
    items = [("good", 3, MOTION), ("bad", 9, MOTION)]
    found = evaluate(made, items, {"b": Brightness()}, seeds=(0, 1))
    assert found.failed == (Score(item="bad", seed=1, error="ValueError: this one breaks"),)
    assert found.summary["brightness"].mean == (3.5 + 9) / 2
    assert found.summary["brightness"].count == 3
    assert "- failed: bad, seed 1: ValueError: this one breaks" in found.markdown()
    assert "| brightness | 6.25 |" in found.markdown()
    data: dict[str, Any] = json.loads(found.save(tmp_path / "found.json").read_text())
    assert data["format"] == "kinema.evaluation/1"
    assert data["failed"] == 1
    assert data["scores"][0] == {
        "item": "good",
        "seed": 0,
        "values": {"brightness": 3.0},
        "error": "",
    }


def test_a_cancelled_video_ends_the_evaluation() -> None:
    def cancelled(photo: Any, motion: Motion, seed: int) -> Video:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        evaluate(cancelled, [("a", 1, MOTION)], {"b": Brightness()})


def test_metrics_that_clash_or_give_no_number_fail_the_video() -> None:
    class Broken:
        def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
            return {"x": float("nan")}

    both = evaluate(made, [("a", 1, MOTION)], {"b": Brightness(), "c": Brightness()})
    assert "gives brightness = 1.0, which is a value of another metric too" in both.failed[0].error
    nan = evaluate(made, [("a", 1, MOTION)], {"b": Broken()})
    assert "gives x = nan, which is not a finite number" in nan.failed[0].error
    assert nan.summary == {}


def test_nothing_to_do_and_names_twice_are_refused() -> None:
    with pytest.raises(InputError, match="got 0, 1 and 1 of them"):
        evaluate(made, [], {"b": Brightness()})
    with pytest.raises(InputError, match="same item twice: a"):
        evaluate(made, [("a", 1, MOTION)] * 2, {"b": Brightness()})
    with pytest.raises(InputError, match="same seed twice: 4"):
        evaluate(made, [("a", 1, MOTION)], {"b": Brightness()}, seeds=(4, 4))


def test_an_evaluation_is_plain_data() -> None:
    assert Evaluation(scores=()).to_dict()["summary"] == {}


# -- motions of observations ----------------------------------------------------------------------


def square(frames: int = 5, hidden: bool = False) -> Observation:
    """A square of 16x16 pixels in 48x32 that moves by (3, -1) a frame."""
    displacement = torch.zeros(frames, 32, 48, 2)
    time = torch.arange(frames, dtype=torch.float32)
    displacement[:, 8:24, 8:24] = time[:, None, None, None] * torch.tensor([3.0, -1.0])
    visible = torch.ones(frames, 32, 48, dtype=torch.bool)
    if hidden:
        visible[-1, 8:24, 8:24] = False
    return Observation(displacement=displacement, visible=visible)


def test_the_motion_of_an_observation_follows_its_points() -> None:
    motion = motion_of(square(), torch.Generator().manual_seed(0), drags=2, fps=4.0)
    assert (motion.canvas, motion.frames, motion.fps) == ((48, 32), 5, 4.0)
    assert len(motion.drags) == 2
    for drag in motion.drags:
        path = drag.path(5)
        # Two pixels from the edge, where the rest of the picture stays.
        assert (path[0] >= 10).all()
        assert (path[0] <= 21).all()
        assert np.allclose(path - path[0], np.arange(5)[:, None] * (3, -1))
    (region,) = motion.regions
    mask = region.rasterize((48, 32))
    assert mask.sum() == 16 * 16
    assert mask[8:24, 8:24].all()


def test_the_motion_of_an_observation_depends_on_the_generator_alone() -> None:
    first, again, other = (
        motion_of(square(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_clip_without_motion_or_without_sight_is_refused() -> None:
    still = Observation(
        displacement=torch.zeros(2, 32, 48, 2), visible=torch.ones(2, 32, 48, dtype=torch.bool)
    )
    for observation in (still, square(hidden=True)):
        with pytest.raises(MotionError, match="Nothing in this clip of 48x32 moves"):
            motion_of(observation, torch.Generator())
