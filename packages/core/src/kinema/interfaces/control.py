"""Sites, the actions at them, and the controllers that hand those out.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor

from kinema.signals import MotionSignal

SiteKind = Literal["feature", "image-latent", "noise", "extra-channels", "sampler-step"]


@attrs.frozen(kw_only=True)
class Site:
    """A named place in a backbone where a controller may act.

    Attributes:
        name: what controllers call it.
        kind: ``feature`` inside the network, ``image-latent`` the per-frame latent it is
            conditioned on, ``noise`` the initial noise, ``extra-channels`` tokens or channels
            beside the input, ``sampler-step`` the latents before a step.
        channels: C of the tensor there.
        stride: canvas pixels per pixel of that tensor.
        module: path of the module whose output is acted on; empty unless ``feature``.
    """

    name: str
    kind: SiteKind
    channels: int
    stride: int
    module: str = ""


@attrs.frozen(eq=False, kw_only=True)
class Modulation:
    """The tensor action at a feature site: ``h + GroupNorm(h) * scale + bias``.

    MotionPro, equation of adaptive feature modulation; the norm's own weight and bias are folded
    into ``scale`` and ``bias``.

    Attributes:
        scale, bias: ``(B * T, C, h, w)``, or broadcastable to it.
        groups: of the parameter-free GroupNorm; 0 leaves ``h`` as it is.
        eps: of that GroupNorm.
    """

    scale: Tensor
    bias: Tensor
    groups: int = 32
    eps: float = 1e-5

    def __call__(self, h: Tensor) -> Tensor:
        """Act on ``h`` ``(B * T, C, h, w)``."""
        normed = torch.nn.functional.group_norm(h, self.groups, eps=self.eps) if self.groups else h
        return h + normed * self.scale + self.bias


#: What a controller hands to a site: a Modulation, or any function of the tensor there.
#: ``feature``: h (B*T, C, h, w). ``image-latent``: (B, T, C, h, w). ``noise``: (B, T, C, h, w).
#: ``sampler-step``: the latents (B, T, C, h, w).
Action = Callable[[Tensor], Tensor]

#: One action per site name.
Actions = Mapping[str, Action]


@runtime_checkable
class Controller(Protocol):
    """Turns a MotionSignal into one action per site it uses. Usually a ``torch.nn.Module``."""

    def actions(self, signal: MotionSignal, sites: Sequence[Site]) -> Actions:
        """Actions for the ``sites`` of a backbone, keyed by site name.

        ``signal`` has the channels of the conditions that the controller's offer names, in that
        order, with or without a batch dimension. Raises InputError if a needed site is missing.
        """


@runtime_checkable
class SavedController(Protocol):
    """What a controller does beyond :class:`Controller` so that it can be trained."""

    def save(
        self,
        folder: Path,
        *,
        conditions: Mapping[str, Mapping[str, Any]],
        manifest: Mapping[str, Any],
        lora: Mapping[str, bytes],
    ) -> Path:
        """Write a controller folder, which the option ``weights`` of its offer loads.

        Args:
            conditions: those it was trained on, in channel order, each with its options.
            manifest: how the weights came to be.
            lora: the files of :meth:`Trainable.adapter_files`, for the sub-folder ``lora``.
        """
