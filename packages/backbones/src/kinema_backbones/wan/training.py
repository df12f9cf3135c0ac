"""What the backbone ``wan`` does beyond sampling, so that it can be trained with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import Adaptation, Controller, Drawn, Recomputable
from kinema.noise import Streams, draw_flow_levels
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
from kinema_backbones.svd.lora import lora_files
from kinema_backbones.wan.conditioning import NO_TEXT, PHOTO, TEXT, TOKENS, ConditioningSide
from kinema_backbones.wan.config import WanTraining
from kinema_backbones.wan.network import Network
from kinema_backbones.wan.weights import save_folder

#: What a training needs of the options, and why another choice cannot be trained.
_TRAINABLE = {"compile": "off", "memory": "default", "storage": "same", "cache": "off"}

#: Between the levels of the experts, so that rounding gives none to the other one.
_GAP = 1e-4


class CastNorm(nn.RMSNorm):
    """An RMSNorm that keeps its weight in float32 and computes in its input's type."""

    def forward(self, input: Tensor) -> Tensor:
        """``(..., D)`` to the same."""
        weight = self.weight.to(input.dtype)
        return nn.functional.rms_norm(input, self.normalized_shape, weight, self.eps)


class TrainingSide(ConditioningSide):
    """What the backbone ``wan`` does beyond sampling; see :class:`kinema.interfaces.Trainable`."""

    dtype: torch.dtype
    networks: dict[str, Network]
    _attached: Controller | None
    _adapted: Adapted | None

    @property
    def given_frames(self) -> int:
        """1 where the photo stands in for the first latent frame, else 0."""
        return int(self.first_frame)

    @property
    def trained_network(self) -> Network:
        """The only transformer, or the expert that a training adapts."""
        low = self.config.trained_expert == "low" and len(self.networks) > 1
        return self.networks["transformer_2" if low else "transformer"]

    @torch.no_grad()
    def encodings(
        self, image: Tensor, prompts: Sequence[str] = (), frames: int = 1
    ) -> Mapping[str, Tensor]:
        """Texts and photos as the network is told them.

        Returns:
            ``text`` ``(B, 512, D)``, ``no_text`` ``(B, n, D)`` of an empty caption without its
            padding, and ``photo_latents`` ``(B, T', C, h, w)`` in float16, T' = 1 of TI2V-5B;
            Wan2.1 has CLIP's ``tokens`` ``(B, 257, D)`` too.
        """
        photo = image.to(self.device, torch.float32)
        captions = list(prompts) or [""] * len(image)
        self._embed_texts([*captions, ""])
        empty = self.texts.rows("")
        found = {
            TEXT: self.texts(captions),
            NO_TEXT: empty.expand(len(image), -1, -1),
            PHOTO: self._encoded_photo(photo, None, frames).half(),
        }
        if self.family.tokens:
            found[TOKENS] = self._embedded(photo)
        return found

    def draw(
        self,
        config: WanTraining,
        streams: Sequence[Streams],
        motion_length: Tensor,
        at: float | None = None,
    ) -> Drawn:
        """Levels of flow matching, of A14B those of the expert that is trained; what is dropped.

        Raises:
            InputError: the levels asked for are all the other expert's.
        """

        def chance(purpose: str, share: float) -> Tensor:
            drawn = torch.cat([torch.rand(1, generator=each.of(purpose)) for each in streams])
            return (drawn < share) & (at is None)

        level, weight = draw_flow_levels(self._own_levels(config), streams, at)
        dropped = {
            "prompt": chance("drop prompt", config.drop_prompt),
            "image-latent": chance("drop image-latent", config.drop_image_latent),
        }
        return Drawn(level=level, weight=weight, dropped=dropped)

    def adapt(self, adaptation: Adaptation) -> nn.Module:
        """Make a transformer trainable until the controller is detached; without one, for good.

        What is trained, the controller too, is float32 whatever the ``dtype``.

        Raises:
            InputError: it is adapted already, the controller brings LoRA of its own, or an option
                does not go with training.
        """
        if self._adapted is not None:
            raise InputError(
                "The backbone 'wan' is adapted already: detach its controller before adapting it "
                "anew."
            )
        check_trainable("wan", self.config, _TRAINABLE, self._attached)
        network = self.trained_network
        self._adapted = adapt(network, self._attached, adaptation)
        module: nn.Module = network.transformer
        return module

    def adapter_files(self) -> Mapping[str, bytes]:
        """The LoRA that is trained, as a peft folder's files; empty without LoRA.

        Of A14B they lie in a folder named after their expert.
        """
        if self._adapted is None or self._adapted.adaptation.method != "lora":
            return {}
        network = self.trained_network
        files = lora_files(network.transformer, TRAINED)
        if len(self.networks) == 1:
            return files
        [expert] = [name for name, each in self.networks.items() if each is network]
        return {f"{expert}/{name}": data for name, data in files.items()}

    def save_weights(self, folder: Path) -> None:
        """Write the transformers, without LoRA, into an existing folder, as diffusers does.

        What is not trained stays where it was loaded from, and ``model_index.json`` says where;
        what came in its original form is written too.
        """
        states = {name: plain_state(network.transformer) for name, network in self.networks.items()}
        save_folder(folder, self.components, states)

    def _own_levels(self, config: WanTraining) -> WanTraining:
        boundary = self.family.boundary
        if boundary is None or len(self.networks) < 2:
            return config
        strong = self.config.trained_expert == "high"
        least = max(config.least_level, boundary + _GAP) if strong else config.least_level
        most = config.most_level if strong else min(config.most_level, boundary - _GAP)
        if least >= most:
            raise InputError(
                f"The expert {self.config.trained_expert!r} of {self.family.name} works at levels "
                f"{'above' if strong else 'below'} {boundary}, but the objective asks for "
                f"{config.least_level} to {config.most_level}. Choose the other trained_expert, or "
                "other levels."
            )
        return attrs.evolve(config, least_level=least, most_level=most)

    def _precision(self) -> contextlib.AbstractContextManager[None]:
        mixed = self._adapted is not None and self._adapted.adaptation.method == "full"
        return own_precision(self.device, self.dtype, mixed)


def adapt(network: Network, controller: Controller | None, adaptation: Adaptation) -> Adapted:
    """Make a transformer trainable as asked; the trained parameters are float32.

    Args:
        controller: the one attached, if any; it is made float32 too.
    """
    undo: list[Undo] = []
    transformer = network.transformer
    module: Any = controller
    if isinstance(module, nn.Module):
        module.float()
    if adaptation.method == "lora":
        undo.append(add_lora(transformer, adaptation))
    elif adaptation.method == "full":
        undo.append(free(transformer))
        undo.append(_in_float32(transformer.condition_embedder.time_embedder))
        undo.append(_cast_norms(transformer))
    if adaptation.checkpointing:
        undo.append(recompute(network.blocks(), network))
        if isinstance(module, Recomputable):
            undo.append(recompute(module.blocks()))

    def back() -> None:
        for step in reversed(undo):
            step()

    return Adapted(adaptation, back)


def _in_float32(module: nn.Module) -> Undo:
    """Keep autocast out of a module that tells levels apart by small differences."""
    forward: Callable[..., Tensor] = module.forward

    def exact(*inputs: Tensor) -> Tensor:
        device = inputs[0].device.type
        with torch.autocast(device if device in ("cpu", "cuda") else "cpu", enabled=False):
            return forward(*inputs)

    module.forward = exact

    def undo() -> None:
        del module.forward

    return undo


def _cast_norms(transformer: nn.Module) -> Undo:
    """Let the norms of queries and keys, whose weights are float32 now, keep their input's type."""
    norms = [module for module in transformer.modules() if type(module) is nn.RMSNorm]
    for norm in norms:
        norm.__class__ = CastNorm

    def undo() -> None:
        for norm in norms:
            norm.__class__ = nn.RMSNorm

    return undo
