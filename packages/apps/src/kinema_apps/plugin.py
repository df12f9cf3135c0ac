"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_apps.metrics.configs import TrajectoryDistanceConfig
from kinema_apps.sources import configs

if TYPE_CHECKING:
    from kinema.interfaces import ClipSource, Metric


def _videos(config: configs.VideosConfig) -> ClipSource:
    from kinema_apps.sources.videos import VideosSource

    return VideosSource(config)


def _motionpro_folder(config: configs.MotionProFolderConfig) -> ClipSource:
    from kinema_apps.sources.motionpro_folder import MotionProFolderSource

    return MotionProFolderSource(config)


def _webdataset(config: configs.WebDatasetConfig) -> ClipSource:
    from kinema_apps.sources.webdataset import WebDatasetSource

    return WebDatasetSource(config)


def _trajectory_distance(config: TrajectoryDistanceConfig) -> Metric:
    from kinema_apps.metrics.trajectory_distance import TrajectoryDistance

    return TrajectoryDistance(config)


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
    """How well a video follows its motion."""
    yield offers.MetricOffer(
        name="trajectory-distance",
        summary="Mean distance in pixels between drawn and obtained paths (MD-Vid of MotionPro).",
        factory=_trajectory_distance,
        config=TrajectoryDistanceConfig,
    )
