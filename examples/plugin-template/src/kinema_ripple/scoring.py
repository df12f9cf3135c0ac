"""A metric and a benchmark, as another plugin of this package.

Like ``plugin.py``, it loads torch only when something is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
from kinema import Drag, InputError, Motion, hookimpl, offers

if TYPE_CHECKING:
    from kinema.interfaces import BenchmarkItem, Case
    from torch import Tensor


class Liveliness:
    """How much neighbouring frames differ on average, in grey levels."""

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """``liveliness`` of uint8 ``(T, H, W, 3)`` frames."""
        steps = frames.float().diff(dim=0).abs()
        return {"liveliness": float(steps.double().mean())}


@attrs.frozen(kw_only=True)
class PuddlesConfig:
    """Options of ``puddles``."""

    count: int = 8
    """How many puddles there are."""

    def __attrs_post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"'puddles' needs at least one, got {self.count!r}.")


class Puddles:
    """Mottled ground, and a drop that falls into each puddle."""

    def __init__(self, config: PuddlesConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """One item per puddle."""
        from kinema.interfaces import BenchmarkItem

        return [
            BenchmarkItem(key=f"puddle-{number}", subset="puddles", place=(number,))
            for number in range(self.config.count)
        ]

    def read(self, item: BenchmarkItem) -> Case:
        """Draw the ground; the drag says where the drop falls."""
        import numpy as np
        from kinema.interfaces import Case

        rng = np.random.default_rng(int(item.place[0]))
        coarse = rng.integers(60, 200, (8, 12, 3), dtype=np.uint8)
        photo = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
        x, y = float(rng.uniform(20, 76)), float(rng.uniform(15, 49))
        motion = Motion(canvas=(96, 64), drags=[Drag([(x, y), (x + 6, y)])])
        return Case(photo=photo, motion=motion, size=(96, 64), frames=8, fps=8.0)


@hookimpl
def kinema_metrics() -> Iterable[offers.MetricOffer]:
    """Offer ``liveliness``."""
    yield offers.MetricOffer(
        name="liveliness",
        summary="How much neighbouring frames differ.",
        factory=lambda config: Liveliness(),
        unit="grey levels",
    )


@hookimpl
def kinema_benchmarks() -> Iterable[offers.BenchmarkOffer]:
    """Offer ``puddles``."""
    yield offers.BenchmarkOffer(
        name="puddles",
        summary="Mottled ground with a drop that falls into it.",
        factory=Puddles,
        config=PuddlesConfig,
        metrics=("liveliness",),
    )
