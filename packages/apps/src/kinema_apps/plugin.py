"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_apps.benchmarks import offered as benchmarks
from kinema_apps.metrics import offered as metrics
from kinema_apps.sources import configs

if TYPE_CHECKING:
    from kinema.interfaces import ClipSource

#: The commands of this package and what they do, in the order of ``kinema --help``.
COMMANDS = {
    "animate": "Animate PHOTO; without PHOTO, one that comes along.",
    "rerun": "Make a video again from the MANIFEST beside it.",
    "render-motion": "Draw the motion on PHOTO: arrows, anchors, regions, and the camera's path.",
    "motion": "Check and convert motion files, and see the motion of a clip.",
    "condition": "Write what the condition NAME makes of a motion.",
    "weights": "List, fetch and check the weights that offers need.",
    "convert": "Convert the checkpoint FILE with IMPORTER, such as motionpro.",
    "prepare": "Cut, track, filter and encode videos into clips to train on.",
    "train": "Train what RECIPE.toml says.",
    "evaluate": "Evaluate models on a benchmark: make the videos, measure them, report.",
    "studio": "Open the studio: say what should move, see it move, render it.",
    "serve": "Serve jobs over HTTP, and keep them through restarts.",
    "warm-up": "Compile a backbone for videos of one size and length, and keep the artifacts.",
    "plugins": "List what is installed and where it comes from, and the plugins that are broken.",
    "show": "Show what NAME is, its options with their defaults, and where it comes from.",
    "doctor": "Say what works here: devices, attention kernels, codecs, weights, plugins.",
    "completion": "Print the completion script of SHELL.",
}


def _videos(config: configs.VideosConfig) -> ClipSource:
    from kinema_apps.sources.videos import VideosSource

    return VideosSource(config)


def _motionpro_folder(config: configs.MotionProFolderConfig) -> ClipSource:
    from kinema_apps.sources.motionpro_folder import MotionProFolderSource

    return MotionProFolderSource(config)


def _webdataset(config: configs.WebDatasetConfig) -> ClipSource:
    from kinema_apps.sources.webdataset import WebDatasetSource

    return WebDatasetSource(config)


def _command(name: str) -> Callable[[offers.NoConfig], offers.Command]:
    def build(_: offers.NoConfig) -> offers.Command:
        module = import_module(f"kinema_apps.commands.{name.replace('-', '_')}")
        command: offers.Command = module.command
        return command

    return build


@hookimpl
def kinema_commands() -> Iterable[offers.CommandOffer]:
    """What people type after ``kinema``; each lies in a file of its name."""
    for name, summary in COMMANDS.items():
        yield offers.CommandOffer(name=name, summary=summary, factory=_command(name))


@hookimpl
def kinema_clip_sources() -> Iterable[offers.ClipSourceOffer]:
    """The forms in which people have videos."""
    yield offers.ClipSourceOffer(
        name="videos",
        summary="A folder of videos, cut into clips where no scene ends.",
        factory=_videos,
        config=configs.VideosConfig,
    )
    yield offers.ClipSourceOffer(
        name="motionpro-folder",
        summary="Clips with their flow and visibility beside them (MotionPro).",
        factory=_motionpro_folder,
        config=configs.MotionProFolderConfig,
    )
    yield offers.ClipSourceOffer(
        name="webdataset",
        summary="Videos with captions in tar files; each gives one clip.",
        factory=_webdataset,
        config=configs.WebDatasetConfig,
    )


@hookimpl
def kinema_metrics() -> Iterable[offers.MetricOffer]:
    """How well a video does what was asked for."""
    yield from metrics.of_one_video()
    yield from metrics.published_of_one_video()


@hookimpl
def kinema_set_metrics() -> Iterable[offers.SetMetricOffer]:
    """How like real videos a set of videos is."""
    yield from metrics.of_sets()


@hookimpl
def kinema_benchmarks() -> Iterable[offers.BenchmarkOffer]:
    """The forms in which people have items to evaluate models on."""
    yield from benchmarks.offered()
