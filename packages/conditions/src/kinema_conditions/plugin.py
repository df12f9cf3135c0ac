"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_conditions import configs
from kinema_conditions.layered_config import LayeredMotionConfig

if TYPE_CHECKING:
    from kinema.interfaces import Condition, DepthEstimator


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


def _layered_motion(config: LayeredMotionConfig) -> Condition:
    from kinema_conditions.layered_motion import LayeredMotion

    return LayeredMotion(config)


def _zoedepth(config: configs.ZoeDepthConfig) -> DepthEstimator:
    from kinema_conditions.depth.zoedepth import ZoeDepth

    return ZoeDepth(config)


def _depth_file(config: configs.DepthFileConfig) -> DepthEstimator:
    from kinema_conditions.depth.depth_file import DepthFile

    return DepthFile(config)


def _plane_prior(config: configs.PlanePriorConfig) -> DepthEstimator:
    from kinema_conditions.depth.plane_prior import PlanePrior

    return PlanePrior(config)


@hookimpl
def kinema_conditions() -> Iterable[offers.ConditionOffer]:
    """The motion signals of MotionPro, its Gaussian baseline, and the dense layers of previews."""
    yield offers.ConditionOffer(
        name="region-trajectory",
        summary="Displacement of the block around each drag's start (MotionPro).",
        factory=_region_trajectory,
        config=configs.RegionTrajectoryConfig,
    )
    yield offers.ConditionOffer(
        name="motion-mask",
        summary="Which pixels may move: brushed regions and the drags' blocks (MotionPro).",
        factory=_motion_mask,
        config=configs.MotionMaskConfig,
    )
    yield offers.ConditionOffer(
        name="gaussian-trajectory",
        summary="Displacement of single points, spread by a large Gaussian (DragNUWA).",
        factory=_gaussian_trajectory,
        config=configs.GaussianTrajectoryConfig,
    )
    yield offers.ConditionOffer(
        name="camera-trajectory",
        summary="Displacement that a camera path gives sparse regions of the photo (MotionPro).",
        factory=_camera_trajectory,
        config=configs.CameraTrajectoryConfig,
    )
    yield offers.ConditionOffer(
        name="layered-motion",
        summary="Where every pixel of the photo goes, how deep, and what covers what.",
        factory=_layered_motion,
        config=LayeredMotionConfig,
    )


@hookimpl
def kinema_depth_estimators() -> Iterable[offers.DepthEstimatorOffer]:
    """A network, a file, and a guess."""
    yield offers.DepthEstimatorOffer(
        name="zoedepth",
        summary="Metric depth of a photo by ZoeDepth; needs its weights.",
        factory=_zoedepth,
        config=configs.ZoeDepthConfig,
        weights=(configs.ZOEDEPTH_WEIGHTS,),
    )
    yield offers.DepthEstimatorOffer(
        name="depth-file",
        summary="Depth read from a .npy file, a 16-bit PNG or a TIFF.",
        factory=_depth_file,
        config=configs.DepthFileConfig,
    )
    yield offers.DepthEstimatorOffer(
        name="plane-prior",
        summary="A receding ground plane: a prior without a unit, never a measurement.",
        factory=_plane_prior,
        config=configs.PlanePriorConfig,
    )
