"""A toy benchmark with its metrics, for tests of whoever runs evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema import offers
from kinema.errors import InputError
from kinema.evaluation.frechet import estimate
from kinema.hooks import hookimpl
from kinema.interfaces import BenchmarkItem, Case, Estimate, Truth
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion

SIZE, FRAMES, FPS = (32, 16), 4, 8.0


@attrs.frozen(kw_only=True)
class ToyBenchmarkConfig:
    """Options of ``toy-items``."""

    count: int = 4
    """Items of each of the subsets ``even`` and ``odd``."""
    damaged: tuple[str, ...] = ()
    """Keys of items that cannot be read."""


class ToyBenchmark:
    """Noise that brightens; items have a drag and a real video."""

    def __init__(self, config: ToyBenchmarkConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """``item-0``, ``item-1``, ..."""
        return [
            BenchmarkItem(key=f"item-{number}", subset=("even", "odd")[number % 2], place=(number,))
            for number in range(2 * self.config.count)
        ]

    def read(self, item: BenchmarkItem) -> Case:
        """Draw it.

        Raises:
            InputError: the item is one of the damaged ones.
        """
        if item.key in self.config.damaged:
            raise InputError(f"The item {item.key!r} is damaged.")
        rng = np.random.default_rng(int(item.place[0]))
        photo = rng.integers(0, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        frames = np.stack([photo + np.uint8(8 * t) for t in range(FRAMES)])
        motion = Motion(
            canvas=SIZE, drags=[Drag([(8, 8), (16, 8)])], fps=FPS, duration=FRAMES / FPS
        )
        truth = Truth(frames=torch.from_numpy(frames))
        return Case(photo=photo, motion=motion, size=SIZE, frames=FRAMES, fps=FPS, truth=truth)


class ToyBrightness:
    """The mean of the last frame."""

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """``toy-brightness`` in grey levels."""
        return {"toy-brightness": float(frames[-1].double().mean())}


class ToyColours:
    """The Fréchet distance of the frames' mean colours."""

    def features(self, frames: Tensor) -> NDArray[np.float32]:
        """``(T, 3)``."""
        return frames.float().mean(dim=(1, 2)).numpy()

    def score(
        self, videos: Iterable[NDArray[np.float32]], reference: Iterable[NDArray[np.float32]]
    ) -> Estimate:
        """See :func:`kinema.evaluation.frechet.estimate`."""
        return estimate(videos, reference)


@hookimpl
def kinema_benchmarks() -> Iterator[offers.BenchmarkOffer]:
    """Offer ``toy-items``."""
    yield offers.BenchmarkOffer(
        name="toy-items",
        summary="Noise that brightens, for tests.",
        factory=ToyBenchmark,
        config=ToyBenchmarkConfig,
        metrics=("toy-brightness", "toy-colours"),
    )


@hookimpl
def kinema_metrics() -> Iterator[offers.MetricOffer]:
    """Offer ``toy-brightness``, and one that no item can feed."""
    yield offers.MetricOffer(
        name="toy-brightness",
        summary="The mean of the last frame.",
        factory=lambda config: ToyBrightness(),
        better="more",
    )
    yield offers.MetricOffer(
        name="toy-camera",
        summary="Needs a camera path.",
        factory=lambda config: ToyBrightness(),
        needs=("camera",),
    )


@hookimpl
def kinema_set_metrics() -> Iterator[offers.SetMetricOffer]:
    """Offer ``toy-colours``."""
    yield offers.SetMetricOffer(
        name="toy-colours",
        summary="Distance of mean colours.",
        factory=lambda config: ToyColours(),
        better="less",
        needs=("reference",),
    )
