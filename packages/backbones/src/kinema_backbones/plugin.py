"""What this package offers to kinema. Nothing here, or imported at module level, loads torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema import hookimpl, offers
from kinema_backbones.preview.config import PreviewConfig

if TYPE_CHECKING:
    from kinema.interfaces import Backbone


def _preview(config: PreviewConfig) -> Backbone:
    from kinema_backbones.preview.backbone import Preview

    return Preview(config)


@hookimpl
def kinema_backbones() -> Iterable[offers.BackboneOffer]:
    """The video models of this package."""
    yield offers.BackboneOffer(
        name="preview",
        summary="Warps the photo as the motion says; needs no weights and about a second.",
        config=PreviewConfig,
        factory=_preview,
        conditions=("layered-motion",),
    )
