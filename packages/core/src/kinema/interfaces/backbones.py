"""What backbones must do, and what they do beyond that to be trained.

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

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces.control import Actions, Controller, Site
from kinema.motion.canvas import Size
from kinema.signals import MotionSignal

#: Names of guidance terms. ``unconditional`` drops the photo but keeps the motion (MotionPro);
#: ``motion-free`` keeps the photo and has the zero signal.
Term = Literal["conditional", "unconditional", "motion-free"]


@attrs.frozen(eq=False, kw_only=True)
class Request:
    """Everything a backbone embeds once per video.

    Attributes:
        image: float32 ``(B, 3, H, W)`` in [0, 1], or the backbone's own cached encodings of it.
        size: (width, height).
        frames: T.
        fps: frames per second of the video.
        terms: the actions of each guidance term; the same object where two terms share them.
        signal: what the conditions named by the backbone's own offer produced, or None.
        generator: for random parts of the embedding, such as noise augmentation; one for each video
            makes those parts independent of the batch.
        cached: what :meth:`Trainable.encodings` made of the photos earlier, ``(B, ...)`` by name;
            the backbone then does not compute it again.
        noise_aug: strength of the noise on each photo ``(B,)``, in [-1, 1] units; None leaves it to
            the backbone.
        motion_bucket: how much motion each video is asked for ``(B,)``; None leaves it to the
            backbone.
        dropped: bool ``(B,)`` by name (``image-embedding``, ``image-latent``): the videos whose
            photo is not told in that way, for classifier-free guidance.
    """

    image: Any
    size: Size
    frames: int
    fps: float
    terms: Mapping[Term, Actions]
    signal: MotionSignal | None = None
    generator: torch.Generator | Sequence[torch.Generator] | None = None
    cached: Mapping[str, Tensor] = attrs.field(factory=dict)
    noise_aug: Tensor | None = None
    motion_bucket: Tensor | None = None
    dropped: Mapping[str, Tensor] = attrs.field(factory=dict)


Detach = Callable[[], None]


@runtime_checkable
class Backbone(Protocol):
    """An adapter around a video model. Latents are ``(B, T, C, h, w)``."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where controllers may act. Plain attributes will do for these three."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""

    def check(self, size: Size, frames: int) -> None:
        """Raise InputError, naming the nearest valid values, if this size or T cannot be made."""

    def attach(self, controller: Controller) -> Detach:
        """Make the sites that ``controller`` acts on active (and load its LoRA, if it has one).

        Returns a function that restores the model bit for bit. Only one controller at a time.
        """

    def embed(self, request: Request) -> Mapping[Term, Any]:
        """One embedding per term of ``request``: all that does not depend on the noise level."""

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T, C, h, w) of one video's latents."""

    def schedule(self, config: SampleConfig) -> Tensor:
        """Noise levels, decreasing, S + 1 of them, the last one 0."""

    def denoise(self, latents: Tensor, sigma: Tensor, embeddings: Sequence[Any]) -> Tensor:
        """The denoised prediction of each guidance term, ``(G, B, T, C, h, w)``, in one batch.

        ``latents`` are clean latents + ``sigma`` times noise; ``sigma`` is 0-d, or ``(B,)``
        in training.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Frames of latents, float ``(B, T, 3, H, W)`` in [0, 1]."""

    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames ``(B, T, 3, H, W)`` in [0, 1], for training."""

    def choices(self) -> Mapping[str, Any]:
        """What was decided at run time and changes the numbers (kernels, decode chunk, ...)."""


@attrs.frozen(kw_only=True)
class Adaptation:
    """How a backbone's own network takes part in training.

    Attributes:
        method: ``none`` freezes it, ``lora`` adds LoRA to it, ``full`` trains all of it.
        targets: which Linear layers get LoRA: those of attention (the MotionPro paper), or all
            (its published weights).
        rank: of LoRA.
        checkpointing: recompute whole blocks, the temporal ones too, in the backward pass instead
            of keeping their activations.

    Raises:
        InputError: a value is out of range.
    """

    method: Literal["none", "lora", "full"] = "lora"
    targets: Literal["attention", "all-linear"] = "attention"
    rank: int = 32
    checkpointing: bool = False

    def __attrs_post_init__(self) -> None:
        if self.method not in ("none", "lora", "full"):
            raise InputError(
                f"Unknown method {self.method!r} of adaptation. Choose one of: none, lora, full."
            )
        if self.targets not in ("attention", "all-linear") or self.rank < 1:
            raise InputError(
                f"LoRA needs a rank of at least 1 and targets out of attention, all-linear; got "
                f"{self.rank!r} and {self.targets!r}."
            )


@runtime_checkable
class Trainable(Protocol):
    """What a backbone does beyond :class:`Backbone` so that it can be trained with."""

    def encodings(self, image: Tensor) -> Mapping[str, Tensor]:
        """What :meth:`Backbone.embed` needs of photos ``(B, 3, H, W)`` in [0, 1] and can be cached.

        ``(B, ...)`` by name; nothing in it is random.
        """

    def adapt(self, adaptation: Adaptation) -> torch.nn.Module:
        """Make the network trainable; call it after ``attach``.

        Returns the module whose parameters with ``requires_grad`` are to be trained, for the
        optimizer and for wrapping by an engine. ``denoise`` must run through that very module.
        """

    def adapter_files(self) -> Mapping[str, bytes]:
        """The LoRA as files of a peft folder, by name; empty without LoRA."""

    def save_weights(self, folder: Path) -> None:
        """Write all weights into an existing folder, such that ``weights=folder`` loads them."""
