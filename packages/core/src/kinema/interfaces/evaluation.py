"""What benchmarks, and metrics of ground truth and of sets, must do.

Shapes as in :mod:`kinema.interfaces`: ``T`` frames, ``H W`` pixels, ``N`` points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kinema.interfaces.observers import Metric
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion
from kinema.signals import Observation


@attrs.frozen(eq=False, kw_only=True)
class Truth:
    """What is known about how the video of an item should be; every part may be absent.

    Attributes:
        frames: the real video, uint8 ``(T, H, W, 3)``.
        observation: where each pixel of frame 0 goes, exactly.
        tracks: ``(T, N, 2)`` pixels of points.
        visible: bool ``(T, N)``, beside ``tracks``.
        intrinsics: float64 ``(T, 3, 3)`` in pixels of the item's size.
        world_to_camera: float64 ``(T, 4, 4)``.
        depth: float32 ``(H, W)`` of frame 0, in the unit of the poses.
    """

    frames: Tensor | None = None
    observation: Observation | None = None
    tracks: Tensor | None = None
    visible: Tensor | None = None
    intrinsics: NDArray[np.float64] | None = None
    world_to_camera: NDArray[np.float64] | None = None
    depth: Tensor | None = None

    @property
    def known(self) -> frozenset[str]:
        """Which needs of metrics this fills: ``frames``, ``motion``, ``camera``, ``depth``."""
        found = set()
        if self.frames is not None:
            found.add("frames")
        if self.observation is not None or self.tracks is not None:
            found.add("motion")
        if self.world_to_camera is not None and self.intrinsics is not None:
            found.add("camera")
        if self.depth is not None:
            found.add("depth")
        return frozenset(found)


@attrs.frozen(kw_only=True)
class BenchmarkItem:
    """One item of a benchmark: small, picklable, and known without reading it.

    Attributes:
        key: its name, the same at every listing and in no other item of the benchmark.
        subset: the part of the benchmark that it belongs to; every subset has its own means.
        place: where the benchmark finds it, plain data such as a path or a number.
    """

    key: str
    subset: str
    place: tuple[str | int | float, ...] = ()


@attrs.frozen(eq=False, kw_only=True)
class Case:
    """An item as it is read: what a model gets, and what is known about the answer.

    Attributes:
        photo: uint8 RGB ``(H, W, 3)``.
        motion: what is asked for; its canvas is the photo's size.
        size: (width, height) of the video; None leaves it to the model, as ``frames`` and ``fps``
            do. What is compared with a truth needs the form of that truth.
        frames: T of the video.
        fps: frames per second.
        prompt: what is to be seen, or empty.
        truth: what is known; nothing unless given.
        licence: of the item, or empty.
    """

    photo: NDArray[np.uint8]
    motion: Motion
    size: Size | None = None
    frames: int | None = None
    fps: float | None = None
    prompt: str = ""
    truth: Truth = attrs.field(factory=Truth)
    licence: str = ""


@runtime_checkable
class Benchmark(Protocol):
    """Items to make videos of. Reading is a pure function of the item."""

    def items(self) -> Sequence[BenchmarkItem]:
        """Every item, in an order that stays; one that turns out unreadable may be among them.

        Raises InputError if the data is not there; the message says what to fetch from where, how
        large it is, under which licence, and where to put it.
        """

    def read(self, item: BenchmarkItem) -> Case:
        """One item. Raises InputError if it cannot be read, which is reported for it alone."""


@runtime_checkable
class TruthMetric(Metric, Protocol):
    """A metric of one video that compares it with what is known about the item."""

    def compare(self, frames: Tensor, motion: Motion, truth: Truth) -> Mapping[str, float]:
        """Named numbers for uint8 ``(T, H, W, 3)`` frames; ``motion`` is on their size.

        Raises InputError if ``truth`` is of another form than the frames.
        """


@runtime_checkable
class NamedMetric(Metric, Protocol):
    """A metric of one video that has to know which one it is, such as to find a file of it."""

    def compare_named(
        self, frames: Tensor, motion: Motion, truth: Truth, name: str
    ) -> Mapping[str, float]:
        """Named numbers for uint8 ``(T, H, W, 3)`` frames; ``motion`` is on their size.

        ``name`` is where the video lies among those of an evaluation, without its ending:
        ``MODEL/SUBSET/ITEM-seed0``, everything unusual percent-encoded.

        Raises InputError if what it needs for this video is absent.
        """


@attrs.frozen(kw_only=True)
class Estimate:
    """A number of a set of videos.

    Attributes:
        value: the number.
        low, high: the interval that holds it with 95 % confidence.
        count: videos that it is of.
        reference: videos of the reference set; 0 where there is none.
    """

    value: float
    low: float
    high: float
    count: int
    reference: int = 0


@runtime_checkable
class SetMetric(Protocol):
    """Scores a set of videos, against a reference set where its offer says so.

    Features are kept in files, so memory does not grow with the number of videos.
    """

    def features(self, frames: Tensor) -> NDArray[np.float32]:
        """Features ``(n, d)`` of one video, uint8 ``(T, H, W, 3)``; d is always the same."""

    def score(
        self,
        videos: Iterable[NDArray[np.float32]],
        reference: Iterable[NDArray[np.float32]],
    ) -> Estimate:
        """The number of the set; both iterables are read once, a video at a time.

        Raises InputError if there are too few videos for a number.
        """
