"""The benchmarks of this package as offers. Nothing here loads torch before one is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema.offers import BenchmarkOffer
from kinema_apps.benchmarks import configs

if TYPE_CHECKING:
    from kinema.interfaces import Benchmark

#: Offline companions that ask for drags, and those that ask for nothing.
OF_DRAGS = ("md-vid[dis]", "md-img[efficientnet-lite0]")
OF_ALL = ("frame-consistency[efficientnet-lite0]", "flow-magnitude[dis]")
OF_REAL = ("psnr", "ssim", "end-point-error[dis]")
OF_SETS = ("fid[efficientnet-lite0]", "motion-frechet[dis]")


def offered() -> Iterable[BenchmarkOffer]:
    """The forms in which people have items to evaluate models on."""
    yield BenchmarkOffer(
        name="folder",
        summary="Any photos with a motion beside each, or folders of MC-Bench's form.",
        factory=_folder,
        config=configs.FolderConfig,
        metrics=(*OF_DRAGS, *OF_ALL),
    )
    yield BenchmarkOffer(
        name="mc-bench",
        summary="MC-Bench of MotionPro: 460 fine-grained and 680 object-level drags.",
        factory=_mc_bench,
        config=configs.McBenchConfig,
        metrics=(*OF_DRAGS, *OF_ALL),
    )
    yield BenchmarkOffer(
        name="videos",
        summary="Clips of any videos, moved again by what a tracker sees in them (WebVid-10M).",
        factory=_videos,
        config=configs.VideosBenchmarkConfig,
        metrics=(*OF_REAL, *OF_ALL, *OF_SETS),
    )
    yield BenchmarkOffer(
        name="movebench",
        summary="MoveBench of Wan-Move: clips with tracks of one object or several, and captions.",
        factory=_movebench,
        config=configs.MoveBenchConfig,
        metrics=(*OF_REAL, *OF_ALL, *OF_SETS),
    )
    yield BenchmarkOffer(
        name="camera",
        summary="Your photos with camera paths, such as those of RealEstate10K.",
        factory=_camera,
        config=configs.CameraBenchmarkConfig,
        metrics=("camera-error[dis]", *OF_ALL),
    )


def _folder(config: configs.FolderConfig) -> Benchmark:
    from kinema_apps.benchmarks.folder import FolderBenchmark

    return FolderBenchmark(config)


def _mc_bench(config: configs.McBenchConfig) -> Benchmark:
    from kinema_apps.benchmarks.mc_bench import McBench

    return McBench(config)


def _videos(config: configs.VideosBenchmarkConfig) -> Benchmark:
    from kinema_apps.benchmarks.videos import VideosBenchmark

    return VideosBenchmark(config)


def _movebench(config: configs.MoveBenchConfig) -> Benchmark:
    from kinema_apps.benchmarks.movebench import MoveBench

    return MoveBench(config)


def _camera(config: configs.CameraBenchmarkConfig) -> Benchmark:
    from kinema_apps.benchmarks.camera import CameraBenchmark

    return CameraBenchmark(config)
