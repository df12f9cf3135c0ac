"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_backbones.control.config import ControllerConfig
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


def _svd_files(config: SvdConfig) -> Iterable[Path]:
    from kinema_backbones.svd.weights import weight_files

    return weight_files(config.weights)


def _tiny_files(config: TinyConfig) -> Iterable[Path]:
    from kinema_backbones.tiny.backbone import weight_files

    return weight_files(config)


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


def _tiny_modulation(config: offers.NoConfig) -> Controller:
    from kinema_backbones.control.checkpoint import load_controller
    from kinema_backbones.tiny.backbone import SHIPPED

    return load_controller(SHIPPED / "controller", "tiny-modulation")


def _unipc(config: UniPCConfig) -> Solver:
    from kinema_backbones.solvers import unipc

    return unipc(config)


def _dpmpp_2m(config: offers.NoConfig) -> Solver:
    from kinema_backbones.solvers import dpmpp_2m

    return dpmpp_2m(config)


def _motionpro(config: MotionProConfig) -> Importer:
    from kinema_backbones.svd.official import MotionProImporter

    return MotionProImporter(config)


@hookimpl
def kinema_backbones() -> Iterable[offers.BackboneOffer]:
    """The video models of this package."""
    yield offers.BackboneOffer(
        name="preview",
        summary="Warps the photo as the motion says; needs no weights and about a second.",
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
