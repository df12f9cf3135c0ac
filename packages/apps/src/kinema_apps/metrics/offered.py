"""The metrics of this package as offers. Nothing here loads torch before one is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema.offers import MetricOffer, SetMetricOffer
from kinema_apps.metrics import configs, records

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
        name="camera-error[poses]",
        summary="Rotation (degrees) and translation (shares of the path) of poses that you found.",
        factory=_camera_error_of_poses,
        config=configs.PosesConfig,
        better="less",
        needs=("camera", "truth-camera"),
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


def published_of_one_video() -> Iterable[MetricOffer]:
    """Metrics of one video exactly as published; the user brings their weights."""
    yield MetricOffer(
        name="md-vid",
        summary="MD-Vid of MotionPro: mean distance of dragged points, tracked by CoTracker3.",
        factory=_md_vid,
        config=configs.PublishedMdVidConfig,
        weights=(records.COTRACKER3,),
        unit="px",
        better="less",
        needs=("drags",),
        published="MD-Vid",
    )
    yield MetricOffer(
        name="md-img",
        summary="MD-Img: dragged points found again by DIFT features of Stable Diffusion 2.1.",
        factory=_md_img,
        config=configs.DiftConfig,
        weights=records.STABLE_DIFFUSION,
        unit="px",
        better="less",
        needs=("drags",),
        published="MD-Img",
    )
    yield MetricOffer(
        name="frame-consistency",
        summary="Mean cosine of CLIP's embeddings of neighbouring frames.",
        factory=_consistency,
        config=configs.PublishedConfig,
        weights=(records.CLIP,),
        better="more",
        published="Frame consistency",
    )
    yield MetricOffer(
        name="lpips",
        summary="LPIPS to the real video, with AlexNet.",
        factory=_lpips,
        config=configs.PublishedConfig,
        weights=records.LPIPS,
        better="less",
        needs=("truth-frames",),
        published="LPIPS",
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
        name="fid",
        summary="FID: distance of frames to real ones, by the features of Inception (2015).",
        factory=_fid,
        config=configs.PublishedFrechetConfig,
        weights=(records.INCEPTION,),
        better="less",
        needs=("reference",),
        published="FID",
    )
    yield SetMetricOffer(
        name="fvd",
        summary="FVD: distance of videos to real ones, by the logits of I3D.",
        factory=_fvd,
        config=configs.PublishedConfig,
        weights=(records.I3D,),
        better="less",
        needs=("reference",),
        published="FVD",
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
    return ImageFrechet(config.frames, pooled_features)


def _flow_magnitude(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.ground_truth import FlowMagnitude

    return FlowMagnitude(config)


def _end_point_error(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.ground_truth import EndPointError

    return EndPointError(config)


def _camera_error(config: configs.DisConfig) -> Metric:
    from kinema_apps.metrics.camera_error import CameraError

    return CameraError(config)


def _camera_error_of_poses(config: configs.PosesConfig) -> Metric:
    from kinema_apps.metrics.camera_poses import CameraErrorOfPoses

    return CameraErrorOfPoses(config)


def _psnr(config: object) -> Metric:
    from kinema_apps.metrics.ground_truth import PictureMetric, psnr

    return PictureMetric("psnr", psnr)


def _ssim(config: object) -> Metric:
    from kinema.extras import require
    from kinema_apps.metrics.ground_truth import PictureMetric, ssim

    require("kornia", "kinema-apps[metrics]", "The metric 'ssim'")
    return PictureMetric("ssim", ssim)


def _md_img(config: configs.DiftConfig) -> Metric:
    from kinema_apps.metrics.dift import DiftFeatures
    from kinema_apps.metrics.image_features import MdImg

    return MdImg(config, "md-img", DiftFeatures(config))


def _consistency(config: configs.PublishedConfig) -> Metric:
    from kinema_apps.metrics.clip import ClipFeatures
    from kinema_apps.metrics.image_features import FrameConsistency

    name = "frame-consistency"
    return FrameConsistency(name, ClipFeatures(config.path, name, config.device))


def _lpips(config: configs.PublishedConfig) -> Metric:
    from kinema_apps.metrics.lpips import Lpips

    return Lpips(config.path, config.device)


def _fid(config: configs.PublishedFrechetConfig) -> SetMetric:
    from kinema_apps.metrics.image_features import ImageFrechet
    from kinema_apps.metrics.inception import InceptionFeatures

    return ImageFrechet(config.frames, InceptionFeatures(config.path, "fid", config.device))


def _fvd(config: configs.PublishedConfig) -> SetMetric:
    from kinema_apps.metrics.i3d import InflatedInceptionFeatures
    from kinema_apps.metrics.image_features import VideoFrechet

    return VideoFrechet(InflatedInceptionFeatures(config.path, "fvd", config.device))


def _motion_frechet(config: configs.DisConfig) -> SetMetric:
    from kinema_apps.metrics.motion_frechet import MotionFrechet

    return MotionFrechet(config)
