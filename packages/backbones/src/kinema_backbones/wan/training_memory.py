"""What a training step with Wan needs on the device, counted on the meta device."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import attrs
import torch
from torch import nn

from kinema.interfaces import Actions, Adaptation
from kinema.motion.canvas import Size
from kinema.signals import MotionSignal
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import CONTROLLERS, EncodedController
from kinema_backbones.svd.counting import Counter
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.counting import PHOTO_TOKENS, attending, weight_bytes
from kinema_backbones.wan.families import family_of
from kinema_backbones.wan.network import Embedding
from kinema_backbones.wan.schedule import PlannedLevel
from kinema_backbones.wan.sizes import TRANSFORMERS, WIDE_VAE
from kinema_backbones.wan.text import LENGTH
from kinema_backbones.wan.weights import Components

#: Parameters of CLIP's image encoder, which waits on the device beside Wan2.1.
_CLIP = 632_076_800


@attrs.frozen(kw_only=True)
class StepCount:
    """What one training step costs.

    Attributes:
        weights: bytes of all that lies on the device beside what is trained: transformers, VAE,
            CLIP.
        trained: parameters that are trained.
        state: bytes of these, of AdamW's two moments, and of the copies in bfloat16 that autocast
            makes of a controller's.
        kept: bytes that the forward pass keeps for the backward pass.
        work: bytes of activations and gradients at their worst moment.
        operations: of matrix products, convolutions and attention; a multiply-add is two.
    """

    weights: int
    trained: int
    state: int
    kept: int
    work: int
    operations: int

    @property
    def peak(self) -> int:
        """All together, in bytes."""
        return self.weights + self.state + self.work


def count_training(
    model: str | Mapping[str, Any],
    *,
    size: Size,
    frames: int,
    adaptation: Adaptation,
    controller: str = "",
    batch: int = 1,
) -> StepCount:
    """One step in bfloat16 with float32 weights of what is trained, all else cached.

    Args:
        model: a name of :data:`kinema_backbones.wan.sizes.TRANSFORMERS`, or a config of diffusers.
        frames: T.
        controller: ``modulation``, ``concat`` or ``add``; empty, or one without parameters, counts
            the network alone.
    """
    backbone = _on_meta(TRANSFORMERS[model] if isinstance(model, str) else model)
    made: EncodedController | None = None
    with torch.device("meta"):
        if controller in CONTROLLERS:
            made = CONTROLLERS[controller](ControllerConfig())
            backbone.attach(made)
        network = backbone.adapt(adaptation)
    modules = [network, *([made] if made is not None else [])]
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = sum(map(weight_bytes, backbone.components.all().values()))
    weights -= sum(p.nbytes for p in network.parameters() if p.requires_grad)
    if backbone.family.tokens:
        weights += 2 * _CLIP
    state = sum(3 * p.nbytes for p in trained)
    if made is not None:
        # As autocast computes it; its gradients are float32 all the same.
        state += sum(p.nbytes for p in made.parameters())
        made.bfloat16()
    kept, work, operations = _step(backbone, made, size, frames, batch)
    return StepCount(
        weights=weights,
        trained=sum(p.numel() for p in trained),
        state=state,
        kept=kept,
        work=work,
        operations=operations,
    )


def _step(
    backbone: WanBackbone, controller: EncodedController | None, size: Size, frames: int, batch: int
) -> tuple[int, int, int]:
    """Bytes kept, bytes at most, and operations."""
    counter = Counter()
    counter.exclude([backbone.components.transformer, *([controller] if controller else [])])
    shape = backbone.latent_shape(size, frames)
    with torch.device("meta"):
        latents = torch.empty(batch, *shape)
        # Of A14B the expert of strong noise: meta tensors cannot tell whose level it is.
        level = PlannedLevel(torch.empty(batch), torch.empty(batch), strong=True)
        with attending(counter), counter:
            embedding = _embedding(backbone, _actions(backbone, controller, size, shape[0], batch),
                                   shape, batch)  # fmt: skip
            clean = backbone.denoise(latents, level, [embedding])[0]
            loss = (clean - latents)[:, backbone.given_frames :].square().mean()
            kept = counter.live
            loss.backward()
    gc.collect()
    return kept, counter.peak, counter.operations


def _actions(
    backbone: WanBackbone, controller: EncodedController | None, size: Size, folded: int, batch: int
) -> Actions:
    if controller is None:
        return {}
    width, height = size
    maps = torch.empty(batch, folded, controller.config.channels, height, width)
    # A real MotionSignal asks whether its maps are finite, which meta tensors cannot tell.
    told = SimpleNamespace(dense=lambda: maps, channels=("dx", "dy", "mask"))
    told.folded = lambda stride: told
    return controller.actions(cast(MotionSignal, told), backbone.sites)


def _embedding(
    backbone: WanBackbone, actions: Actions, shape: tuple[int, int, int, int], batch: int
) -> Embedding:
    frames, channels, height, width = shape
    config = backbone.components.transformer.config
    told, given = (channels, 1) if backbone.first_frame else (4 + channels, frames)
    tokens = None
    if backbone.family.tokens:
        tokens = torch.empty(batch, PHOTO_TOKENS, config.image_dim, dtype=backbone.dtype)
    return Embedding(
        condition=torch.empty(batch, told, given, height, width),
        text=torch.empty(batch, LENGTH, config.text_dim, dtype=backbone.dtype),
        tokens=tokens,
        actions=actions,
        shape=shape,
    )


def _on_meta(config: Mapping[str, Any]) -> WanBackbone:
    """A model whose weights take no memory; of A14B both experts."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    wide = config["in_channels"] == config["out_channels"]
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    with torch.device("meta"):
        vae = AutoencoderKLWan(**(WIDE_VAE if wide else {}))
        nets: list[nn.Module] = [WanTransformer3DModel(**known)]
        family = family_of(config, {}, vae.config.z_dim)
        if family.boundary is not None:
            nets.append(WanTransformer3DModel(**known))
    parts = Components(
        family=family,
        transformer=nets[0],
        transformer_2=nets[1] if len(nets) > 1 else None,
        vae=vae,
        texts=lambda: (None, None),
    )
    return WanBackbone(parts, WanConfig(device="meta", dtype="bfloat16", attention="sdpa"))
