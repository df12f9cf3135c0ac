"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_conditions import configs, tracker_configs
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.synthetic_config import SyntheticSourceConfig

if TYPE_CHECKING:
    from kinema.interfaces import ClipSource, Condition, DepthEstimator, Tracker


def _region_trajectory(config: configs.RegionTrajectoryConfig) -> Condition:
    from kinema_conditions.region_trajectory import RegionTrajectory

    return RegionTrajectory(config)


def _motion_mask(config: configs.MotionMaskConfig) -> Condition:
    from kinema_conditions.motion_mask import MotionMask

    return MotionMask(config)


def _gaussian_trajectory(config: configs.GaussianTrajectoryConfig) -> Condition:
    from kinema_conditions.gaussian_trajectory import GaussianTrajectory

    return GaussianTrajectory(config)


def _camera_trajectory(config: configs.CameraTrajectoryConfig) -> Condition:
    from kinema_conditions.camera_trajectory import CameraTrajectory

    return CameraTrajectory(config)


def _dense_trajectory(config: configs.DenseTrajectoryConfig) -> Condition:
    from kinema_conditions.dense_trajectory import DenseTrajectory

    return DenseTrajectory(config)


def _point_tracks(config: configs.PointTracksConfig) -> Condition:
    from kinema_conditions.point_tracks import PointTracks

    return PointTracks(config)


def _layered_motion(config: LayeredMotionConfig) -> Condition:
    from kinema_conditions.layered_motion import LayeredMotion

    return LayeredMotion(config)


def _zoedepth(config: configs.ZoeDepthConfig) -> DepthEstimator:
    from kinema_conditions.depth.zoedepth import ZoeDepth

    return ZoeDepth(config)


def _depth_file(config: configs.DepthFileConfig) -> DepthEstimator:
    from kinema_conditions.depth.depth_file import DepthFile

    return DepthFile(config)


def _depth_files(config: configs.DepthFileConfig) -> Iterable[Path]:
    return [Path(config.path)] if config.path else []


def _zoedepth_files(config: configs.ZoeDepthConfig) -> Iterable[Path]:
    from kinema_conditions.depth.zoedepth import weight_files

    return weight_files(config)


def _plane_prior(config: configs.PlanePriorConfig) -> DepthEstimator:
    from kinema_conditions.depth.plane_prior import PlanePrior

    return PlanePrior(config)


def _dis(config: tracker_configs.DisConfig) -> Tracker:
    from kinema_conditions.trackers.dis import Dis

    return Dis(config)


def _cotracker3(config: tracker_configs.CoTracker3Config) -> Tracker:
    from kinema_conditions.trackers.cotracker3 import CoTracker3

    return CoTracker3(config)


def _dot(config: tracker_configs.DotConfig) -> Tracker:
    from kinema_conditions.trackers.dot import Dot

    return Dot(config)


def _ground_truth(config: tracker_configs.GroundTruthConfig) -> Tracker:
    from kinema_conditions.trackers.ground_truth import GroundTruth

    return GroundTruth(config)


def _synthetic(config: SyntheticSourceConfig) -> ClipSource:
    from kinema_conditions.synthetic.source import SyntheticSource

    return SyntheticSource(config)


@hookimpl
def kinema_conditions() -> Iterable[offers.ConditionOffer]:
    """The motion signals of MotionPro, its Gaussian baseline, and the dense layers of previews."""
    yield offers.ConditionOffer(
        name="region-trajectory",
        summary="Displacement of the block around each drag's start (MotionPro).",
        factory=_region_trajectory,
        config=configs.RegionTrajectoryConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="motion-mask",
        summary="Which pixels may move: brushed regions and the drags' blocks (MotionPro).",
        factory=_motion_mask,
        config=configs.MotionMaskConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="gaussian-trajectory",
        summary="Displacement of single points, spread by a large Gaussian (DragNUWA).",
        factory=_gaussian_trajectory,
        config=configs.GaussianTrajectoryConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="camera-trajectory",
        summary="Displacement that a camera path gives sparse regions of the photo (MotionPro).",
        factory=_camera_trajectory,
        config=configs.CameraTrajectoryConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="dense-trajectory",
        summary="Displacement of every pixel, and whether it is seen (MotionPro-Dense).",
        factory=_dense_trajectory,
        config=configs.DenseTrajectoryConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="point-tracks",
        summary="Points of the photo and where each is in every frame, as tracks.",
        factory=_point_tracks,
        config=configs.PointTracksConfig,
        plain=False,
    )
    yield offers.ConditionOffer(
        name="layered-motion",
        summary="Where every pixel of the photo goes, how deep, and what covers what.",
        factory=_layered_motion,
        config=LayeredMotionConfig,
        plain=False,
    )


@hookimpl
def kinema_depth_estimators() -> Iterable[offers.DepthEstimatorOffer]:
    """A network, a file, and a guess."""
    yield offers.DepthEstimatorOffer(
        name="zoedepth",
        summary="Metric depth of a photo by ZoeDepth; needs its weights.",
        factory=_zoedepth,
        config=configs.ZoeDepthConfig,
        files=_zoedepth_files,
        weights=(configs.ZOEDEPTH_WEIGHTS,),
    )
    yield offers.DepthEstimatorOffer(
        name="depth-file",
        summary="Depth read from a .npy file, a 16-bit PNG or a TIFF.",
        factory=_depth_file,
        config=configs.DepthFileConfig,
        files=_depth_files,
        path_option="path",
    )
    yield offers.DepthEstimatorOffer(
        name="plane-prior",
        summary="A receding ground plane: a prior without a unit, never a measurement.",
        factory=_plane_prior,
        config=configs.PlanePriorConfig,
        default=True,
    )


@hookimpl
def kinema_trackers() -> Iterable[offers.TrackerOffer]:
    """Optical flow, two networks that the user brings, and the truth about synthetic clips."""
    yield offers.TrackerOffer(
        name="dis",
        default=True,
        summary="Dense optical flow of OpenCV, chained and corrected; needs no weights.",
        factory=_dis,
        config=tracker_configs.DisConfig,
    )
    yield offers.TrackerOffer(
        name="cotracker3",
        summary="CoTracker3, where you have installed it; needs its weights (non-commercial).",
        factory=_cotracker3,
        config=tracker_configs.CoTracker3Config,
        weights=(tracker_configs.COTRACKER3_WEIGHTS,),
    )
    yield offers.TrackerOffer(
        name="dot",
        summary="Dense Optical Tracking, where you have installed it; needs its weights.",
        factory=_dot,
        config=tracker_configs.DotConfig,
        weights=tracker_configs.DOT_WEIGHTS,
    )
    yield offers.TrackerOffer(
        name="ground-truth",
        summary="What is known of a synthetic clip; refuses every other clip.",
        factory=_ground_truth,
        config=tracker_configs.GroundTruthConfig,
    )


@hookimpl
def kinema_clip_sources() -> Iterable[offers.ClipSourceOffer]:
    """Clips to train on without a single video."""
    yield offers.ClipSourceOffer(
        name="synthetic",
        summary="Endless clips of moving photo cuttings, whose motion is known exactly.",
        factory=_synthetic,
        config=SyntheticSourceConfig,
    )
