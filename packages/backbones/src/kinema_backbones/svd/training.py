"""The ``svd`` network made trainable, and made again what it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import Adaptation, Controller, Drawn, Recomputable
from kinema.levels import Level
from kinema.noise import Streams, draw_sigma, v_loss_weight
from kinema_backbones.adaptation import (
    TRAINED,
    Adapted,
    Undo,
    add_lora,
    check_trainable,
    free,
    own_precision,
    plain_state,
    recompute,
)
from kinema_backbones.svd import images
from kinema_backbones.svd.conditioning import MOTION_BUCKET, NOISE_AUG
from kinema_backbones.svd.config import SvdConfig, SvdTraining
from kinema_backbones.svd.lora import lora_files
from kinema_backbones.svd.memory import Residence
from kinema_backbones.svd.network import Network
from kinema_backbones.svd.sizes import Components
from kinema_backbones.svd.weights import write_components

#: What a training needs of the options, and why another choice cannot be trained.
_TRAINABLE = {"compile": "off", "memory": "default", "feature_cache": 1}


class TrainingSide:
    """What the backbone ``svd`` does beyond sampling; see :class:`kinema.interfaces.Trainable`."""

    config: SvdConfig
    components: Components
    device: torch.device
    dtype: torch.dtype
    network: Network
    residence: Residence
    _attached: Controller | None
    _adapted: Adapted | None

    @torch.no_grad()
    def encodings(
        self, image: Tensor, prompts: Sequence[str] = (), frames: int = 1
    ) -> Mapping[str, Tensor]:
        """``image_embeds`` ``(B, 1, D)``, float32, of photos ``(B, 3, H, W)`` in [0, 1]."""
        self.residence.enter("image_encoder")
        with self._precision():
            embeds = images.embed_image(self.components.image_encoder, image.to(self.device))
        return {"image_embeds": embeds.float()}

    def draw(
        self,
        config: SvdTraining,
        streams: Sequence[Streams],
        motion_length: Tensor,
        at: float | None = None,
    ) -> Drawn:
        """Noise levels, noise on the photo and what is not told, as MotionPro draws them."""
        return draw(config, streams, motion_length, at)

    def adapt(self, adaptation: Adaptation) -> nn.Module:
        """Make the U-Net trainable until the controller is detached; without one, for good.

        What is trained, the controller too, is float32 whatever the ``dtype``. Parameters that a
        folded cross-attention does not read stay frozen.

        Raises:
            InputError: it is adapted already, the controller brings LoRA of its own, or an option
                does not go with training.
        """
        if self._adapted is not None:
            raise InputError(
                "The backbone 'svd' is adapted already: detach its controller before adapting it "
                "anew."
            )
        self._adapted = adapt(self.network, self._attached, adaptation, self.config)
        unet: nn.Module = self.components.unet
        return unet

    def adapter_files(self) -> Mapping[str, bytes]:
        """The LoRA that is trained, all of it, as a peft folder's files; empty without LoRA."""
        if self._adapted is None or self._adapted.adaptation.method != "lora":
            return {}
        return lora_files(self.components.unet, TRAINED)

    def save_weights(self, folder: Path) -> None:
        """Write the three networks, without LoRA, into an existing folder, as diffusers does."""
        write_components(self.components, folder, plain_state(self.components.unet))

    def _precision(self) -> contextlib.AbstractContextManager[None]:
        mixed = self._adapted is not None and self._adapted.adaptation.method == "full"
        return own_precision(self.device, self.dtype, mixed)


def draw(
    config: SvdTraining, streams: Sequence[Streams], motion_length: Tensor, at: float | None
) -> Drawn:
    """What is random about the clips of a training step; see ``Trainable.draw``.

    ln(sigma) and the ln of the strength of the noise on the photo are normal, and each clip's
    squared error weighs (sigma^2 + 1) / sigma^2 (MotionPro; Stable Video Diffusion).
    """

    def lognormal(purpose: str, mean: float, std: float) -> Tensor:
        return torch.cat([draw_sigma(1, each.of(purpose), mean, std) for each in streams])

    def chance(purpose: str, share: float) -> Tensor:
        drawn = torch.cat([torch.rand(1, generator=each.of(purpose)) for each in streams])
        return (drawn < share) & (at is None)

    sigma = lognormal("sigma", config.sigma_mean, config.sigma_std)
    if at is not None:
        sigma = torch.full_like(sigma, at)
    bucket = motion_length
    if config.motion_bucket is not None:
        bucket = torch.full_like(motion_length, config.motion_bucket)
    return Drawn(
        level=Level.exploding(sigma),
        weight=v_loss_weight(sigma),
        dropped={
            "image-embedding": chance("drop image-embedding", config.drop_image_embedding),
            "image-latent": chance("drop image-latent", config.drop_image_latent),
        },
        told={
            NOISE_AUG: lognormal("noise_aug", config.photo_mean, config.photo_std),
            MOTION_BUCKET: bucket,
        },
    )


def adapt(
    network: Network, controller: Controller | None, adaptation: Adaptation, config: SvdConfig
) -> Adapted:
    """Make the U-Net trainable as asked; the trained parameters are float32 whatever its type.

    Args:
        controller: the one attached, if any; it is made float32 too.

    Raises:
        InputError: an option or the controller's own LoRA stands in the way.
    """
    check_trainable("svd", config, _TRAINABLE, controller)
    undo: list[Undo] = []
    unet = network.unet
    module: Any = controller
    if isinstance(module, nn.Module):
        module.float()
    if adaptation.method == "lora":
        undo.append(add_lora(unet, adaptation))
    elif adaptation.method == "full":
        undo.append(free(unet))
    for parameter in network.unread():
        parameter.requires_grad_(False)
    if adaptation.checkpointing:
        undo.append(recompute(blocks(unet), network))
        if isinstance(module, Recomputable):
            undo.append(recompute(module.blocks()))

    def back() -> None:
        for step in reversed(undo):
            step()

    return Adapted(adaptation, back)


def blocks(unet: nn.Module) -> Iterator[nn.Module]:
    """The residual and transformer blocks of a U-Net, each with its temporal half."""
    from diffusers.models.resnet import SpatioTemporalResBlock
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    for module in unet.modules():
        if isinstance(module, SpatioTemporalResBlock | TransformerSpatioTemporalModel):
            yield module
