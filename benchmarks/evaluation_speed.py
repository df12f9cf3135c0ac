"""How fast the offline metrics score videos, and how much memory they take.

Clips of 16 x 512x320 are made from a seed, one after another, and every offline metric measures
each; features of set metrics go to files as in an evaluation. Prints clips per second (of the wall
and of one core), the share of each metric, and the peak of memory at 100 clips and at the end:

    python benchmarks/evaluation_speed.py --clips 1000 --workers 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from kinema.evaluation.job import one_thread, write_features
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.offers import METRIC, SET_METRIC
from kinema.plugins import Plugins

SIZE, FRAMES = (512, 320), 16

OF_VIDEOS = (
    "md-vid[dis]",
    "md-img[efficientnet-lite0]",
    "frame-consistency[efficientnet-lite0]",
    "flow-magnitude[dis]",
)
OF_SETS = ("fid[efficientnet-lite0]", "motion-frechet[dis]")


def clip(number: int) -> torch.Tensor:
    """A textured picture that slides and brightens, uint8 ``(T, H, W, 3)``."""
    rng = np.random.default_rng(number)
    small = torch.from_numpy(rng.random((1, 3, 40, 64), dtype=np.float32))
    large = torch.nn.functional.interpolate(small, (SIZE[1], SIZE[0]), mode="bicubic")
    picture = (large[0].permute(1, 2, 0).clamp(0, 1) * 255).to(torch.uint8)
    x, y = (int(step) for step in rng.integers(-3, 4, 2))
    return torch.stack([picture.roll((t * y, t * x), (0, 1)) for t in range(FRAMES)])


def run(first: int, step: int, count: int) -> None:
    """Score every ``step``-th clip of ``count`` from ``first``, and print what it took."""
    plugins = Plugins.installed()
    videos = {name: plugins.build(METRIC, name) for name in OF_VIDEOS}
    sets = {name: plugins.build(SET_METRIC, name) for name in OF_SETS}
    motion = Motion(canvas=SIZE, drags=[Drag([(200, 150), (240, 150)])])
    spent: dict[str, float] = defaultdict(float)
    begun, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, one_thread():
        for done, number in enumerate(range(first, count, step), 1):
            start = time.process_time()
            frames = clip(number)
            spent["(making the clip)"] += time.process_time() - start
            for name, metric in {**videos, **sets}.items():
                start = time.process_time()
                if name in videos:
                    metric.measure(frames, motion)
                else:
                    write_features(Path(folder) / f"{name}-{number}.npy", metric.features(frames))
                spent[name] += time.process_time() - start
            if done * step in (100, count) or number + step >= count:
                wall = time.perf_counter() - begun
                used = time.process_time() - cpu - spent["(making the clip)"]
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"worker {first}: {done} clips, {done / wall:.2f} per second, "
                    f"{done / used:.2f} per second of one core, peak {peak:.0f} MiB",
                    flush=True,
                )
    total = sum(spent.values())
    for name, seconds in spent.items():
        print(f"  {name:40} {seconds / done:.3f} s per clip, {seconds / total:.0%}", flush=True)


def main() -> None:
    """Parse, share out, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=run, args=(number, chosen.workers, chosen.clips))
        for number in range(chosen.workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
