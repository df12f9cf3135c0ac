"""A backbone without its published weights."""

from __future__ import annotations

from pathlib import Path

from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.sizes import NetworkSizes, build_components
from kinema_backbones.svd.weights import load_unet


def build_from_sizes(
    sizes: NetworkSizes,
    config: SvdConfig | None = None,
    seed: int = 0,
    unet: str | Path | None = None,
) -> SvdBackbone:
    """A backbone of these sizes with random weights, for tests, parity checks and benchmarks.

    Args:
        unet: diffusers folder whose U-Net weights are taken instead of random ones.

    Raises:
        WeightsError: that folder is absent, or its weights have other sizes.
    """
    components = build_components(sizes, seed)
    if unet is not None:
        load_unet(components.unet, Path(unet))
    return SvdBackbone(components, config)
