"""Pairs of clips in which one drag of one picture means two things."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from kinema import InputError
from kinema_conditions.synthetic import AmbiguousPair, ambiguous_pairs


@pytest.fixture(scope="module")
def pairs() -> list[AmbiguousPair]:
    return list(ambiguous_pairs(3, 4, (64, 48), 6))


def test_both_readings_begin_with_the_same_picture_and_obey_the_drag(
    pairs: list[AmbiguousPair],
) -> None:
    assert len(pairs) == 4
    for pair in pairs:
        assert torch.equal(pair.camera.frames[0], pair.object.frames[0])
        assert not torch.equal(pair.camera.frames[-1], pair.object.frames[-1])
        path = torch.from_numpy(pair.drag.path(6)).float()
        for clip in (pair.camera, pair.object):
            found, visible = clip.track(path[:1])
            assert torch.allclose(found[:, 0], path, atol=1e-4)
            assert visible[0].all()
        assert 6.4 <= float((path[-1] - path[0]).norm()) <= 16


def test_the_background_moves_in_one_reading_and_rests_in_the_other(
    pairs: list[AmbiguousPair],
) -> None:
    for pair in pairs:
        path = torch.from_numpy(pair.drag.path(6)).float()
        assert len(pair.background) > 0
        moved, seen = pair.camera.track(pair.background)
        assert torch.allclose(moved - moved[:1], (path - path[:1])[:, None], atol=1e-4)
        assert seen.all()
        rested, seen = pair.object.track(pair.background)
        assert torch.allclose(rested, rested[:1].expand_as(rested), atol=1e-4)
        assert seen.all()


def test_the_region_says_which_reading_is_meant(pairs: list[AmbiguousPair]) -> None:
    for pair in pairs:
        whole, part = (
            motion.regions[0].rasterize((64, 48))
            for motion in (pair.motion("camera"), pair.motion("object"))
        )
        assert whole.all()
        assert (part == (pair.object.objects >= 0).numpy()).all()
        assert 0 < part.mean() < 0.6
        assert pair.motion("camera").drags == pair.motion("object").drags == (pair.drag,)
        assert pair.motion("camera").frames == 6


def test_pairs_depend_on_the_seed_alone(pairs: list[AmbiguousPair]) -> None:
    second = next(islice(ambiguous_pairs(3, 2, (64, 48), 6), 1, None))
    assert torch.equal(second.camera.frames, pairs[1].camera.frames)
    assert torch.equal(second.background, pairs[1].background)
    other = next(ambiguous_pairs(4, 1, (64, 48), 6))
    assert other.drag != pairs[0].drag


def test_what_cannot_be_made_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="got -1, 64x48 and 6"):
        ambiguous_pairs(-1, 1, (64, 48), 6)
    with pytest.raises(InputError, match="got 0, 8x48 and 6"):
        ambiguous_pairs(0, 1, (8, 48), 6)
