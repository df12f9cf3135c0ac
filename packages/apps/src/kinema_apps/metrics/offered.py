"""The metrics of this package as offers. Nothing here loads torch before one is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema.offers import MetricOffer, SetMetricOffer
from kinema_apps.metrics import configs

if TYPE_CHECKING:
    from kinema.interfaces import Metric, SetMetric


def of_one_video() -> Iterable[MetricOffer]:
    """Metrics of one video."""
    yield MetricOffer(
        name="trajectory-distance",
        summary="Mean distance in pixels between drawn and obtained paths, robust to lost points.",
        factory=_trajectory_distance,
        config=configs.TrajectoryDistanceConfig,
        unit="px",
        better="less",
        needs=("drags",),
        stands_in_for="MD-Vid",
    )
    yield MetricOffer(
        name="md-vid[dis]",
        summary="Mean distance of dragged points to their drags, as optical flow sees them.",
        factory=_md_vid_dis,
        config=configs.MdVidConfig,
        unit="px",
        better="less",
        needs=("drags",),
        stands_in_for="MD-Vid",
    )
    yield MetricOffer(
        name="md-vid",
        summary="MD-Vid of MotionPro: mean distance of dragged points, tracked by CoTracker3.",
        factory=_md_vid,
        config=configs.PublishedMdVidConfig,
        unit="px",
        better="less",
        needs=("drags",),
        published="MD-Vid",
    )
    yield MetricOffer(
        name="md-img[efficientnet-lite0]",
        summary="How far dragged points are from the drags' ends, found again by their features.",
        factory=_md_img_efficientnet,
        config=configs.MdImgConfig,
        unit="px",
        better="less",
        needs=("drags",),
        stands_in_for="MD-Img",
    )
    yield MetricOffer(
        name="frame-consistency[efficientnet-lite0]",
        summary="Mean cosine of the features of neighbouring frames.",
        factory=_consistency_efficientnet,
        better="more",
        stands_in_for="Frame consistency",
    )
    yield MetricOffer(
        name="flow-magnitude[dis]",
        summary="Mean length of the motion from frame to frame.",
        factory=_flow_magnitude,
        config=configs.DisConfig,
        unit="px",
        stands_in_for="Average flow magnitude",
    )
    yield MetricOffer(
        name="end-point-error[dis]",
        summary="How far the motion that is seen is from the true one, pixel by pixel.",
        factory=_end_point_error,
        config=configs.DisConfig,
        unit="px",
        better="less",
        needs=("truth-motion",),
        stands_in_for="EPE",
    )
    yield MetricOffer(
        name="camera-error[dis]",
        summary="Rotation (degrees) and translation (shares of the depth) off the camera's path.",
        factory=_camera_error,
        config=configs.DisConfig,
        better="less",
        needs=("camera", "truth-camera", "truth-depth"),
        stands_in_for="RotErr and TransErr",
    )
    yield MetricOffer(
        name="psnr",
        summary="Peak signal-to-noise ratio to the real video.",
        factory=_psnr,
        unit="dB",
        better="more",
        needs=("truth-frames",),
        published="PSNR",
    )
    yield MetricOffer(
        name="ssim",
        summary="Structural similarity to the real video.",
        factory=_ssim,
        better="more",
        needs=("truth-frames",),
        published="SSIM",
    )


def of_sets() -> Iterable[SetMetricOffer]:
    """Metrics of a set of videos."""
    yield SetMetricOffer(
        name="fid[efficientnet-lite0]",
        summary="Fréchet distance of frames to real ones, by the features of EfficientNet-Lite0.",
        factory=_fid_efficientnet,
        config=configs.FrechetConfig,
        better="less",
        needs=("reference",),
        stands_in_for="FID",
    )
    yield SetMetricOffer(
        name="motion-frechet[dis]",
        summary="Fréchet distance of histograms of velocity and acceleration to real ones.",
        factory=_motion_frechet,
        config=configs.DisConfig,
        better="less",
        needs=("reference",),
        stands_in_for="FVD",
    )


def _trajectory_distance(config: configs.TrajectoryDistanceConfig) -> Metric:
    from kinema_apps.metrics.trajectory_distance import TrajectoryDistance

    return TrajectoryDistance(config)


def _md_vid_dis(config: configs.MdVidConfig) -> Metric:
    from kinema_apps.metrics.md_vid import with_dis

    return with_dis(config)


def _md_vid(config: configs.PublishedMdVidConfig) -> Metric:
    from kinema_apps.metrics.md_vid import published

    return published(config)


def _md_img_efficientnet(config: configs.MdImgConfig) -> Metric:
    from kinema_apps.metrics.efficientnet import local_features, network
    from kinema_apps.metrics.image_features import MdImg

    network()
    return MdImg(config, "md-img[efficientnet-lite0]", local_features)


def _consistency_efficientnet(config: object) -> Metric:
    from kinema_apps.metrics.efficientnet import network, pooled_features
    from kinema_apps.metrics.image_features import FrameConsistency

    network()
    return FrameConsistency("frame-consistency[efficientnet-lite0]", pooled_features)


def _fid_efficientnet(config: configs.FrechetConfig) -> SetMetric:
    from kinema_apps.metrics.efficientnet import network, pooled_features
    from kinema_apps.metrics.image_features import ImageFrechet

    network()
    return ImageFrechet(config, pooled_features)


def _flow_magnitude(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.ground_truth import FlowMagnitude

    return FlowMagnitude(config)


def _end_point_error(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.ground_truth import EndPointError

    return EndPointError(config)


def _camera_error(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.camera_error import CameraError

    return CameraError(config)


def _psnr(config: object) -> Metric:
    from kinema_apps.metrics.ground_truth import PictureMetric, psnr

    return PictureMetric("psnr", psnr)


def _ssim(config: object) -> Metric:
    from kinema.extras import require
    from kinema_apps.metrics.ground_truth import PictureMetric, ssim

    require("kornia", "kinema-apps[metrics]", "The metric 'ssim'")
    return PictureMetric("ssim", ssim)


def _motion_frechet(config: configs.DisConfig) -> SetMetric:
    from kinema_apps.metrics.motion_frechet import MotionFrechet

    return MotionFrechet(config)
