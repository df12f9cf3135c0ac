"""How fast the offline metrics score videos, and how much memory they take.

Clips of 16 x 512x320 are made from a seed, one after another, and every offline companion measures
each; features of set metrics go to files as in an evaluation, and their numbers are computed at the
end. Prints clips per second (of the wall and of one core) and the peak of memory at 100 clips and
at the end, the speed of the first and of the last fifth, and the share of each metric:

    python benchmarks/evaluation_speed.py --clips 1000 --workers 2

With --truth, the metrics that compare with the real video are counted, too. Making the clips is
not part of the measure, and neither is reading them from a disk.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinema.evaluation.job import one_thread
from kinema.evaluation.measuring import write_features
from kinema.interfaces import Truth
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.offers import METRIC, SET_METRIC
from kinema.plugins import Plugins
from kinema.signals import Observation

SIZE, FRAMES = (512, 320), 16

#: Memory is printed at so many clips, beside the end.
EARLY = 100

OF_VIDEOS = (
    "md-vid[dis]",
    "md-img[efficientnet-lite0]",
    "frame-consistency[efficientnet-lite0]",
    "flow-magnitude[dis]",
)
OF_TRUTH = ("psnr", "ssim", "end-point-error[dis]")
OF_SETS = ("fid[efficientnet-lite0]", "motion-frechet[dis]")

MAKING = "(making the clip)"


def clip(number: int) -> tuple[torch.Tensor, Truth]:
    """A textured picture that slides, uint8 ``(T, H, W, 3)``, and what is known of it."""
    rng = np.random.default_rng(number)
    small = torch.from_numpy(rng.random((1, 3, 40, 64), dtype=np.float32))
    large = torch.nn.functional.interpolate(small, (SIZE[1], SIZE[0]), mode="bicubic")
    picture = (large[0].permute(1, 2, 0).clamp(0, 1) * 255).to(torch.uint8)
    x, y = (int(step) for step in rng.integers(-3, 4, 2))
    frames = torch.stack([picture.roll((t * y, t * x), (0, 1)) for t in range(FRAMES)])
    steps = torch.arange(FRAMES)[:, None, None, None] * torch.tensor([float(x), float(y)])
    moved = steps.expand(FRAMES, SIZE[1], SIZE[0], 2)
    seen = Observation(displacement=moved, visible=torch.ones(moved.shape[:3], dtype=torch.bool))
    return frames, Truth(frames=frames, observation=seen)


class Clock:
    """Seconds of processor time by what they went into."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def __call__(self, what: str, start: float) -> float:
        """Note what has passed since ``start``; the time now."""
        now = time.process_time()
        self.spent[what] += now - start
        return now

    @property
    def used(self) -> float:
        """Seconds of measuring."""
        return sum(seconds for what, seconds in self.spent.items() if what != MAKING)


def run(first: int, step: int, count: int, truth: bool = False) -> None:
    """Score every ``step``-th clip of ``count`` from ``first``, and print what it took."""
    plugins = Plugins.installed()
    names = [*OF_VIDEOS, *(OF_TRUTH if truth else ())]
    videos: dict[str, Any] = {name: plugins.build(METRIC, name) for name in names}
    sets: dict[str, Any] = {name: plugins.build(SET_METRIC, name) for name in OF_SETS}
    motion = Motion(canvas=SIZE, drags=[Drag([(200, 150), (240, 150)])])
    clock, begun, marks = Clock(), time.perf_counter(), [0.0]
    with tempfile.TemporaryDirectory() as folder, one_thread():
        for done, number in enumerate(range(first, count, step), 1):
            start = time.process_time()
            frames, known = clip(number)
            start = clock(MAKING, start)
            for name, metric in videos.items():
                if name in OF_TRUTH:
                    metric.compare(frames, motion, known)
                else:
                    metric.measure(frames, motion)
                start = clock(name, start)
            for name, metric in sets.items():
                write_features(Path(folder) / f"{name}-{number}.npy", metric.features(frames))
                start = clock(name, start)
            marks.append(clock.used)
            if done * step == EARLY:
                say(first, done, begun, clock)
        for name, metric in sets.items():
            paths = sorted(Path(folder).glob(f"{name.replace('[', '[[]')}-*.npy"))
            start = time.process_time()
            metric.score(features(paths), features(paths[::-1]))
            clock(f"{name}: the number", start)
    say(first, done, begun, clock)
    fifth = max(1, done // 5)
    early, late = marks[fifth] / fifth, (marks[-1] - marks[-1 - fifth]) / fifth
    print(f"  seconds a clip: {early:.3f} in the first fifth, {late:.3f} in the last", flush=True)
    total = sum(clock.spent.values())
    for name, seconds in clock.spent.items():
        print(f"  {name:40} {seconds / done:.3f} s per clip, {seconds / total:.0%}", flush=True)


def features(paths: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Of one video after another, as an evaluation reads them."""
    for path in paths:
        yield np.load(path, allow_pickle=False)


def say(worker: int, done: int, begun: float, clock: Clock) -> None:
    """Print the speed so far, and the most memory that was taken."""
    wall = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"worker {worker}: {done} clips, {done / wall:.2f} per second, "
        f"{done / clock.used:.2f} per second of one core, peak {peak:.0f} MiB",
        flush=True,
    )


def main() -> None:
    """Parse, share out, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--truth", action="store_true", help="metrics of the real video, too")
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=run, args=(number, chosen.workers, chosen.clips, chosen.truth))
        for number in range(chosen.workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
