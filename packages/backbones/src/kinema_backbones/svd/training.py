"""The ``svd`` network made trainable, and made again what it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kinema.errors import InputError
from kinema.interfaces import Adaptation, BringsAdapters, Controller, Drawn, Recomputable
from kinema.levels import Level
from kinema.noise import Streams, draw_sigma, seeded, v_loss_weight
from kinema_backbones.svd import images
from kinema_backbones.svd.conditioning import MOTION_BUCKET, NOISE_AUG
from kinema_backbones.svd.config import SvdConfig, SvdTraining
from kinema_backbones.svd.lora import inject_lora, lora_files, remove_lora
from kinema_backbones.svd.memory import Residence
from kinema_backbones.svd.network import Network
from kinema_backbones.svd.sizes import Components
from kinema_backbones.svd.weights import write_components

Undo = Callable[[], None]

#: The LoRA that is trained, among those of the network.
_NAME = "motion"

#: What a training needs of the options, and why another choice cannot be trained.
_TRAINABLE = {"compile": "off", "memory": "default", "feature_cache": 1}


class Recomputed:
    """A block's ``forward`` whose activations are computed again in the backward pass.

    Args:
        forward: the block's own.
        network: whose sites and folded attentions the block reads, or None; what they held in the
            forward pass is put back before the block runs again.
    """

    def __init__(self, forward: Callable[..., Any], network: Network | None = None) -> None:
        self._forward = forward
        self._network = network

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``forward`` returns."""
        if not torch.is_grad_enabled():
            return self._forward(*args, **kwargs)
        network = self._network
        held = network.held if network is not None else None

        def again(*inner: Any, **named: Any) -> Any:
            if network is None or held is None or network.held is not None:
                return self._forward(*inner, **named)
            network.hold(*held)
            try:
                return self._forward(*inner, **named)
            finally:
                network.release()

        return checkpoint(again, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


class CastLinear(nn.Linear):
    """A Linear without bias that keeps its weights in float32 and computes in its input's type."""

    def forward(self, input: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``, of the input's type."""
        return nn.functional.linear(input, self.weight.to(input.dtype))


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
    def encodings(self, image: Tensor, prompts: Sequence[str] = ()) -> Mapping[str, Tensor]:
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
        return lora_files(self.components.unet, _NAME)

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


@attrs.frozen(eq=False)
class Adapted:
    """A network that takes part in training.

    Attributes:
        adaptation: how.
        undo: makes the network bit for bit what it was.
    """

    adaptation: Adaptation
    undo: Undo


def adapt(
    network: Network, controller: Controller | None, adaptation: Adaptation, config: SvdConfig
) -> Adapted:
    """Make the U-Net trainable as asked; the trained parameters are float32 whatever its type.

    Args:
        controller: the one attached, if any; it is made float32 too.

    Raises:
        InputError: an option or the controller's own LoRA stands in the way.
    """
    _check(config, controller)
    undo: list[Undo] = []
    unet = network.unet
    module: Any = controller
    if isinstance(module, nn.Module):
        module.float()
    if adaptation.method == "lora":
        undo.append(_add_lora(unet, adaptation))
    elif adaptation.method == "full":
        undo.append(_free(unet))
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


def recompute(parts: Iterable[nn.Module], network: Network | None = None) -> Undo:
    """Recompute these blocks in the backward pass; the returned function ends it."""
    wrapped = list(parts)
    for block in wrapped:
        block.forward = Recomputed(block.forward, network)

    def undo() -> None:
        for block in wrapped:
            del block.forward

    return undo


@contextlib.contextmanager
def own_precision(device: torch.device, dtype: torch.dtype, mixed: bool) -> Iterator[None]:
    """Compute in the backbone's reduced type, whatever autocast an engine has around it.

    Autocast keeps the outputs of norms in float32, which a network whose weights are reduced
    already does not need; it needs it once all of them are trained (``mixed``) in float32.
    """
    if dtype == torch.float32 or device.type not in ("cpu", "cuda"):
        yield
        return
    with torch.autocast(device.type, dtype, enabled=mixed):
        yield


def plain_state(unet: nn.Module) -> dict[str, Tensor]:
    """The U-Net's weights under diffusers' names, without LoRA, whatever is attached."""
    return {
        key.replace(".base_layer.", ".").replace(".inner.", "."): value.detach().contiguous()
        for key, value in unet.state_dict().items()
        if ".lora_" not in key
    }


def _check(config: SvdConfig, controller: Controller | None) -> None:
    wrong = {k: getattr(config, k) for k, v in _TRAINABLE.items() if getattr(config, k) != v}
    if wrong:
        raise InputError(
            f"The backbone 'svd' cannot be trained with {wrong!r}. Set "
            f"{', '.join(f'{name} = {_TRAINABLE[name]!r}' for name in wrong)}."
        )
    carrier: Any = controller
    if isinstance(carrier, BringsAdapters) and carrier.adapters:
        raise InputError(
            "The controller brings LoRA of its own, which is merged and cannot be trained further. "
            "Build it with lora = false and without adapters."
        )


def _add_lora(unet: nn.Module, adaptation: Adaptation) -> Undo:
    flags = {key: p.requires_grad for key, p in unet.named_parameters()}
    # peft draws from the global state; a training starts the same however it was reached.
    with seeded(0):
        parameters = inject_lora(unet, adaptation.targets, adaptation.rank, _NAME)
    for parameter in parameters:
        parameter.data = parameter.data.float()
    for path, module in unet.named_modules():
        if path.endswith((f".lora_A.{_NAME}", f".lora_B.{_NAME}")):
            module.__class__ = CastLinear
        if hasattr(module, "lora_A"):
            module.cast_input_dtype_enabled = False
    return lambda: remove_lora(unet, flags)


def _free(unet: nn.Module) -> Undo:
    kept = {key: p.detach().cpu().clone() for key, p in unet.named_parameters()}
    flags = {key: p.requires_grad for key, p in unet.named_parameters()}
    unet.requires_grad_(True)
    for parameter in unet.parameters():
        parameter.data = parameter.data.float()

    def undo() -> None:
        for key, parameter in unet.named_parameters():
            parameter.data = kept[key].to(parameter.device)
            parameter.grad = None
            parameter.requires_grad_(flags[key])

    return undo


def blocks(unet: nn.Module) -> Iterator[nn.Module]:
    """The residual and transformer blocks of a U-Net, each with its temporal half."""
    from diffusers.models.resnet import SpatioTemporalResBlock
    from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel

    for module in unet.modules():
        if isinstance(module, SpatioTemporalResBlock | TransformerSpatioTemporalModel):
            yield module
