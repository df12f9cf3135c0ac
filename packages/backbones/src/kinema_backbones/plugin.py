"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.latent_config import (
    LatentConfig,
    LatentCopyConfig,
    LatentSplatConfig,
    TimeToMoveConfig,
)
from kinema_backbones.preview.config import PreviewConfig
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.svd.config import (
    WEIGHTS,
    MotionProConfig,
    SvdConfig,
    SvdSample,
    SvdTraining,
)
from kinema_backbones.tiny.config import TinyConfig, TinySample
from kinema_backbones.tiny_flow.config import TinyFlowConfig, TinyFlowSample, TinyFlowTraining
from kinema_backbones.wan.config import (
    ATI_WEIGHTS,
    ORIGINAL_WEIGHTS,
    WAN_MOVE_WEIGHTS,
    WanConfig,
    WanImportConfig,
    WanSample,
    WanTraining,
)
from kinema_backbones.wan.config import WEIGHTS as WAN_WEIGHTS

if TYPE_CHECKING:
    from kinema.interfaces import Backbone, Controller, Importer, Solver


def _preview(config: PreviewConfig) -> Backbone:
    from kinema_backbones.preview.backbone import Preview

    return Preview(config)


def _svd(config: SvdConfig) -> Backbone:
    from kinema_backbones.svd.backbone import SvdBackbone

    return SvdBackbone.load(config)


def _tiny(config: TinyConfig) -> Backbone:
    from kinema_backbones.tiny.backbone import TinyBackbone

    return TinyBackbone.of(config)


def _tiny_flow(config: TinyFlowConfig) -> Backbone:
    from kinema_backbones.tiny_flow.backbone import TinyFlowBackbone

    return TinyFlowBackbone.of(config)


def _wan(config: WanConfig) -> Backbone:
    from kinema_backbones.wan.backbone import WanBackbone

    return WanBackbone.load(config)


def _wan_encoding(config: WanConfig) -> Backbone:
    from kinema_backbones.wan.backbone import WanBackbone

    return WanBackbone.load(config, bare=True)


def _wan_files(config: WanConfig) -> Iterable[Path]:
    from kinema_backbones.wan.weight_files import weight_files

    return weight_files(config)


def _wan_encoding_files(config: WanConfig) -> Iterable[Path]:
    from kinema_backbones.wan.weight_files import encoding_files

    return encoding_files(config)


def _svd_files(config: SvdConfig) -> Iterable[Path]:
    from kinema_backbones.svd.weights import weight_files

    return [*weight_files(config.weights), *(Path(path) for path in config.lora)]


def _tiny_files(config: TinyConfig) -> Iterable[Path]:
    from kinema_backbones.tiny.backbone import weight_files

    return weight_files(config)


def _tiny_flow_files(config: TinyFlowConfig) -> Iterable[Path]:
    from kinema_backbones.tiny_flow.backbone import weight_files

    return weight_files(config)


def _tiny_flow_controller_files(config: offers.NoConfig) -> Iterable[Path]:
    from kinema_backbones.control.checkpoint import controller_files
    from kinema_backbones.tiny_flow.backbone import SHIPPED

    return controller_files(ControllerConfig(weights=str(SHIPPED / "controller")))


def _controller_files(config: ControllerConfig) -> Iterable[Path]:
    from kinema_backbones.control.checkpoint import controller_files

    return controller_files(config)


def _tiny_controller_files(config: offers.NoConfig) -> Iterable[Path]:
    from kinema_backbones.control.checkpoint import controller_files
    from kinema_backbones.tiny.backbone import SHIPPED

    return controller_files(ControllerConfig(weights=str(SHIPPED / "controller")))


def _controller(name: str) -> Callable[[ControllerConfig], Controller]:
    def build(config: ControllerConfig) -> Controller:
        from kinema_backbones.control.checkpoint import build_controller

        return build_controller(name, config)

    return build


def _latent_copy(config: LatentCopyConfig) -> Controller:
    from kinema_backbones.control.latent_copy import LatentCopy

    return LatentCopy(config)


def _latent_splat(config: LatentSplatConfig) -> Controller:
    from kinema_backbones.control.latent_splat import LatentSplat

    return LatentSplat(config)


def _latent_files(config: LatentConfig) -> Iterable[Path]:
    from kinema_backbones.control.latent_controller import latent_files

    return latent_files(config)


def _time_to_move(config: TimeToMoveConfig) -> Controller:
    from kinema_backbones.control.time_to_move import TimeToMove

    return TimeToMove(config)


def _time_to_move_files(config: TimeToMoveConfig) -> Iterable[Path]:
    for clip in filter(None, (config.reference, config.reference_mask)):
        path = Path(clip)
        folder = path.parent if "%" in path.name else path
        yield from sorted(folder.glob("*.png")) if folder.is_dir() else [path]


def _tiny_modulation(config: offers.NoConfig) -> Controller:
    from kinema_backbones.control.checkpoint import load_controller
    from kinema_backbones.tiny.backbone import SHIPPED

    return load_controller(SHIPPED / "controller", "tiny-modulation")


def _tiny_flow_modulation(config: offers.NoConfig) -> Controller:
    from kinema_backbones.control.checkpoint import load_controller
    from kinema_backbones.tiny_flow.backbone import SHIPPED

    return load_controller(SHIPPED / "controller", "tiny-flow-modulation")


def _unipc(config: UniPCConfig) -> Solver:
    from kinema_backbones.solvers import unipc

    return unipc(config)


def _dpmpp_2m(config: offers.NoConfig) -> Solver:
    from kinema_backbones.solvers import dpmpp_2m

    return dpmpp_2m(config)


def _motionpro(config: MotionProConfig) -> Importer:
    from kinema_backbones.svd.official import MotionProImporter

    return MotionProImporter(config)


def _wan_importer(method: str) -> Callable[[WanImportConfig], Importer]:
    def build(config: WanImportConfig) -> Importer:
        from kinema_backbones.wan.importers import WanImporter

        return WanImporter(method, config)

    return build


@hookimpl
def kinema_backbones() -> Iterable[offers.BackboneOffer]:
    """The video models of this package."""
    yield offers.BackboneOffer(
        name="preview",
        summary="Warps the photo as the motion says; needs no weights and little time.",
        config=PreviewConfig,
        factory=_preview,
        default=True,
        conditions=("layered-motion",),
        sample=offers.NoConfig,
        native=offers.NativeForm(size=(512, 320), frames=16, fps=8.0, multiple=64),
        reads=("plate", "vanishing"),
        any_rate=True,
    )
    yield offers.BackboneOffer(
        name="svd",
        summary="Stable Video Diffusion, image to video; takes a controller to follow a motion.",
        config=SvdConfig,
        factory=_svd,
        weights=WEIGHTS,
        files=_svd_files,
        sample=SvdSample,
        training=SvdTraining,
        native=offers.NativeForm(size=(512, 320), frames=16, fps=8.0, multiple=64),
        batches="close",
    )
    yield offers.BackboneOffer(
        name="tiny",
        summary="A toy diffusion model of 64x64 pixels that comes along and follows a motion; grey "
        "things gain colour, and from the fifth frame on things melt.",
        config=TinyConfig,
        factory=_tiny,
        files=_tiny_files,
        sample=TinySample,
        training=SvdTraining,
        native=offers.NativeForm(size=(64, 64), frames=8, fps=8.0, multiple=16),
        batches="close",
        controller="tiny-modulation",
    )
    yield offers.BackboneOffer(
        name="tiny-flow",
        summary="A toy diffusion transformer of 64x64 pixels with flow matching; comes along.",
        config=TinyFlowConfig,
        factory=_tiny_flow,
        files=_tiny_flow_files,
        sample=TinyFlowSample,
        training=TinyFlowTraining,
        native=offers.NativeForm(size=(64, 64), frames=8, fps=8.0, multiple=8),
        batches="close",
        controller="tiny-flow-modulation",
    )
    yield offers.BackboneOffer(
        name="wan",
        summary="Wan2.1 and Wan2.2, image to video with a prompt; takes controllers.",
        config=WanConfig,
        factory=_wan,
        weights=WAN_WEIGHTS,
        files=_wan_files,
        sample=WanSample,
        training=WanTraining,
        native=offers.NativeForm(size=(832, 480), frames=81, fps=16.0, multiple=16),
        reads=("prompt", "negative-prompt", "last-image"),
        batches="close",
        encoding=offers.Encoding(factory=_wan_encoding, files=_wan_encoding_files),
    )


@hookimpl
def kinema_controllers() -> Iterable[offers.ControllerOffer]:
    """The controllers of MotionPro (CVPR 2025) and of its ablation."""
    summaries = {
        "modulation": "Scales and shifts a backbone's features by the encoded motion (MotionPro).",
        "concat": "Mixes a backbone's features with the encoded motion (MotionPro-C).",
        "add": "Adds the encoded motion to a backbone's features (MotionPro-+).",
    }
    for name, summary in summaries.items():
        yield offers.ControllerOffer(
            name=name,
            summary=summary,
            config=ControllerConfig,
            factory=_controller(name),
            files=_controller_files,
            conditions=("region-trajectory", "motion-mask"),
        )
    yield offers.ControllerOffer(
        name="tiny-modulation",
        summary="The controller that was trained with the backbone tiny and comes along with it.",
        factory=_tiny_modulation,
        files=_tiny_controller_files,
        conditions=("region-trajectory", "motion-mask"),
    )
    yield offers.ControllerOffer(
        name="tiny-flow-modulation",
        summary="The controller that was trained with the backbone tiny-flow and comes along.",
        factory=_tiny_flow_modulation,
        files=_tiny_flow_controller_files,
        conditions=("region-trajectory", "motion-mask"),
    )
    yield offers.ControllerOffer(
        name="latent-copy",
        summary="Copies the photo's latents along point tracks, with or without training "
        "(Wan-Move).",
        config=LatentCopyConfig,
        factory=_latent_copy,
        files=_latent_files,
        conditions=("point-tracks",),
    )
    yield offers.ControllerOffer(
        name="latent-splat",
        summary="Spreads the photo's latents along point tracks, with or without training (ATI).",
        config=LatentSplatConfig,
        factory=_latent_splat,
        files=_latent_files,
        conditions=("point-tracks",),
    )
    yield offers.ControllerOffer(
        name="time-to-move",
        summary="Begins the sampling from the photo as preview warps it (Time-to-Move).",
        config=TimeToMoveConfig,
        factory=_time_to_move,
        files=_time_to_move_files,
        conditions=("layered-motion",),
    )


@hookimpl
def kinema_solvers() -> Iterable[offers.SolverOffer]:
    """Solvers of diffusers."""
    yield offers.SolverOffer(
        name="unipc",
        summary="One prediction a step, which also corrects the last (UniPC; Zhao et al. 2023).",
        config=UniPCConfig,
        factory=_unipc,
    )
    yield offers.SolverOffer(
        name="dpmpp-2m",
        summary="One prediction a step, of second order (DPM-Solver++; Lu et al. 2022).",
        factory=_dpmpp_2m,
    )


@hookimpl
def kinema_importers() -> Iterable[offers.ImporterOffer]:
    """Foreign checkpoints that become controller folders."""
    yield offers.ImporterOffer(
        name="motionpro",
        summary="The published MotionPro weights, as a modulation controller and its LoRA.",
        config=MotionProConfig,
        factory=_motionpro,
    )
    yield offers.ImporterOffer(
        name="wan-original",
        summary="The published weights of Wan2.1 and Wan2.2, as a model for the backbone wan.",
        config=WanImportConfig,
        factory=_wan_importer("wan-original"),
        weights=ORIGINAL_WEIGHTS,
    )
    yield offers.ImporterOffer(
        name="wan-move",
        summary="The published weights of Wan-Move, as a model for the backbone wan.",
        config=WanImportConfig,
        factory=_wan_importer("wan-move"),
        weights=WAN_MOVE_WEIGHTS,
    )
    yield offers.ImporterOffer(
        name="ati",
        summary="The published transformer of ATI, as a model for the backbone wan.",
        config=WanImportConfig,
        factory=_wan_importer("ati"),
        weights=ATI_WEIGHTS,
    )
