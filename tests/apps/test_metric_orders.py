"""Offline companions say less or more as a video gets worse, and are blind where docs say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.plugins import Plugins

pytestmark = [pytest.mark.all_packages, pytest.mark.slow]

#: What is done to a video, with growing strength.
Corruption = Callable[[Tensor, int], Tensor]

COUNT, FRAMES, SIZE = 4, 8, (96, 64)


def _plain(floats: Tensor) -> Tensor:
    return floats.round().clamp(0, 255).to(torch.uint8)


def noise(frames: Tensor, strength: int) -> Tensor:
    generator = torch.Generator().manual_seed(strength)
    added = torch.randn(frames.shape, generator=generator) * (0, 8, 20, 45)[strength]
    return _plain(frames.float() + added)


def blur(frames: Tensor, strength: int) -> Tensor:
    if not strength:
        return frames
    floats = frames.permute(0, 3, 1, 2).float()
    side = (1, 3, 7, 13)[strength]
    padded = F.pad(floats, (side // 2,) * 4, mode="replicate")
    return _plain(F.avg_pool2d(padded, side, 1).permute(0, 2, 3, 1))


def swaps(frames: Tensor, strength: int) -> Tensor:
    order = list(range(len(frames)))
    for first, second in ((), ((2, 5),), ((2, 5), (1, 6)), ((2, 5), (1, 6), (3, 7)))[strength]:
        order[first], order[second] = order[second], order[first]
    return frames[order]


def freeze(frames: Tensor, strength: int) -> Tensor:
    last = (len(frames) - 1, 5, 3, 0)[strength]
    return frames[[min(t, last) for t in range(len(frames))]]


def jitter(frames: Tensor, strength: int) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    shifts = torch.randint(-1, 2, (len(frames), 2), generator=generator) * (0, 1, 3, 8)[strength]
    shifts[0] = 0
    return torch.stack(
        [frame.roll(tuple(s.tolist()), (0, 1)) for frame, s in zip(frames, shifts, strict=True)]
    )


def slower(frames: Tensor, strength: int) -> Tensor:
    """Full, three quarters, half and no speed."""
    speed = (1.0, 0.75, 0.5, 0.0)[strength]
    return frames[[round(speed * t) for t in range(len(frames))]]


def means(metric: Any, clips: Sequence[Any], corrupt: Corruption) -> list[float]:
    found = []
    for strength in range(4):
        values = [
            one_value(metric, corrupt(clip.frames, strength), motion_of(clip)) for clip in clips
        ]
        found.append(sum(values) / len(values))
    return found


def one_value(metric: Any, frames: Tensor, motion: Motion) -> float:
    return float(next(iter(metric.measure(frames, motion).values())))


def motion_of(clip: Any) -> Motion:
    """The drag of the object's middle, wherever it truly goes."""
    y, x = (clip.objects == 0).nonzero().float().mean(dim=0).round().tolist()
    path = clip.track(torch.tensor([[x, y]]))[0][:, 0].tolist()
    return Motion(canvas=SIZE, drags=[Drag(path)])


@pytest.fixture(scope="module")
def clips() -> list[Any]:
    from kinema_conditions.synthetic import SyntheticConfig, generate

    config = SyntheticConfig(
        least_objects=1, most_objects=1, kinds=("sliding",), camera=0.0, travel=0.3
    )
    return [generate(31, index, SIZE, FRAMES, config) for index in range(COUNT)]


def falls(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in pairwise(values))


def rises(values: Sequence[float]) -> bool:
    return falls([-value for value in values])


def build(name: str, **options: Any) -> Any:
    plugins = Plugins.installed()
    kind = "set metric" if name.startswith(("fid", "motion-frechet")) else "metric"
    return plugins.build(kind, name, options)


def test_md_vid_of_flow(clips: list[Any]) -> None:
    metric = build("md-vid[dis]")
    speed = means(metric, clips, slower)
    assert speed[0] < 1.0
    assert rises(speed)
    for corrupt in (jitter, freeze, swaps, noise):
        assert rises(means(metric, clips, corrupt)), corrupt.__name__
    # It is blind to blur, which hides no motion, until hardly anything is left to see.
    assert means(metric, clips, blur)[1] < 1.5 * speed[0] + 0.5
    # Wrong motion is worse than none: the mirrored way.
    wrong = [one_value(metric, clip.frames, opposite(motion_of(clip))) for clip in clips]
    assert sum(wrong) / len(wrong) > 1.5 * speed[3]


def opposite(motion: Motion) -> Motion:
    (x, y), *rest = motion.drags[0].points
    return Motion(canvas=SIZE, drags=[Drag([(x, y), *((2 * x - a, 2 * y - b) for a, b in rest)])])


def test_md_img_of_the_image_network(clips: list[Any]) -> None:
    metric = build("md-img[efficientnet-lite0]")
    speed = means(metric, clips, slower)
    assert speed[0] < 0.5 * speed[3]
    for corrupt in (slower, freeze, jitter, noise):
        assert rises(means(metric, clips, corrupt)), corrupt.__name__
    # It is blind to blur, next to what half the speed gives.
    assert max(means(metric, clips, blur)) < 0.3 * speed[2]
    wrong = [one_value(metric, clip.frames, opposite(motion_of(clip))) for clip in clips]
    assert sum(wrong) / len(wrong) > 1.5 * speed[3]
    # It looks at the last frame alone: what happens in between it does not see.
    calm = means(metric, clips, freeze)[0]
    order = [0, *reversed(range(1, FRAMES - 1)), FRAMES - 1]
    between = [one_value(metric, clip.frames[order], motion_of(clip)) for clip in clips]
    assert sum(between) / len(between) == pytest.approx(calm)


def test_frame_consistency_of_the_image_network(clips: list[Any]) -> None:
    metric = build("frame-consistency[efficientnet-lite0]")
    for corrupt in (swaps, jitter):
        assert falls(means(metric, clips, corrupt)), corrupt.__name__
    # Noise so strong that it hides the picture makes all frames alike again.
    noisy = means(metric, clips, noise)
    assert falls(noisy[:3])
    assert noisy[3] < noisy[1]
    # It is blind to stillness, which it even takes for the best, as it does slowness and blur.
    still = means(metric, clips, freeze)
    assert still[3] == pytest.approx(1.0)
    for corrupt in (freeze, slower, blur):
        assert rises(means(metric, clips, corrupt)), corrupt.__name__
    # What the motion should have been is nothing to it.
    clip = clips[0]
    asked, opposed = motion_of(clip), opposite(motion_of(clip))
    assert one_value(metric, clip.frames, asked) == one_value(metric, clip.frames, opposed)


def scores(metric: Any, clips: Sequence[Any], corrupt: Corruption) -> list[float]:
    real = [metric.features(clip.frames) for clip in clips]
    found = []
    for strength in range(4):
        made = [metric.features(corrupt(clip.frames, strength)) for clip in clips]
        found.append(metric.score(made, real).value)
    return found


def test_fid_of_the_image_network(clips: list[Any]) -> None:
    metric = build("fid[efficientnet-lite0]", frames=0)
    for corrupt in (noise, blur):
        found = scores(metric, clips, corrupt)
        assert found[0] == pytest.approx(0.0, abs=1e-3)
        assert rises(found), corrupt.__name__
    # Motion changes what is seen where, and counts for little: half of it less than slight noise.
    slight = scores(metric, clips, noise)[1]
    for corrupt in (freeze, slower):
        assert scores(metric, clips, corrupt)[2] < slight, corrupt.__name__
    # It is blind to the order of frames.
    assert scores(metric, clips, swaps)[3] == pytest.approx(0.0, abs=1e-3)


def test_motion_frechet_of_flow(clips: list[Any]) -> None:
    metric = build("motion-frechet[dis]")
    for corrupt in (swaps, freeze, jitter, slower):
        found = scores(metric, clips, corrupt)
        assert found[0] == pytest.approx(0.0, abs=1e-6)
        assert found[0] < found[1] < found[3], corrupt.__name__
    # Right speeds the wrong way: the clips backwards.
    real = [metric.features(clip.frames) for clip in clips]
    backwards = [metric.features(clip.frames.flip(0)) for clip in clips]
    assert metric.score(backwards, real).value > 1.5 * scores(metric, clips, slower)[1]
    # It is blind to blur, next to what any change of motion gives.
    assert scores(metric, clips, blur)[1] < 0.3 * scores(metric, clips, jitter)[1]


def test_flow_magnitude_counts_motion_of_any_kind(clips: list[Any]) -> None:
    metric = build("flow-magnitude[dis]")
    assert falls(means(metric, clips, slower))
    assert means(metric, clips, freeze)[3] == 0.0
    # It does not say whether the motion is the right one: shaking counts too.
    assert rises(means(metric, clips, jitter))
