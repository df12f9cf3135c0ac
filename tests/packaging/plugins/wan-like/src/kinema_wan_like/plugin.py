"""What this package offers to kinema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import kinema
from kinema import offers
from kinema_wan_like.configs import WanLikeConfig, WanLikeSample, WanLikeTraining

if TYPE_CHECKING:
    from kinema.interfaces import Backbone, Controller


def _backbone(config: WanLikeConfig) -> Backbone:
    from kinema_wan_like.backbone import WanLike

    return WanLike(config)


def _copy(config: Any) -> Controller:
    from kinema_wan_like.copying import CopyAlongTracks

    return CopyAlongTracks()


@kinema.hookimpl
def kinema_backbones() -> Iterable[offers.BackboneOffer]:
    """The transformer."""
    yield offers.BackboneOffer(
        name="wan-like",
        summary="A small video transformer with random weights.",
        config=WanLikeConfig,
        factory=_backbone,
        sample=WanLikeSample,
        training=WanLikeTraining,
        native=offers.NativeForm(size=(96, 64), frames=9, fps=16.0, multiple=16),
        reads=("prompt", "negative-prompt", "last-image"),
        batches="close",
    )


@kinema.hookimpl
def kinema_controllers() -> Iterable[offers.ControllerOffer]:
    """Control without parameters."""
    yield offers.ControllerOffer(
        name="copy-along-tracks",
        summary="Copies the photo's latents along point tracks.",
        factory=_copy,
        conditions=("point-tracks",),
    )
