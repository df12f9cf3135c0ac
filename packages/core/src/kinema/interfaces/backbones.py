"""What backbones must do, and what they do beyond that to be trained.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W). ``T'`` are
the frames of latents: T, or fewer where a backbone folds time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor

from kinema.errors import FormError, InputError
from kinema.interfaces.control import Actions, Controller, Site, Term
from kinema.interfaces.guidance import Guidance
from kinema.levels import Level, Schedule
from kinema.motion.canvas import Size
from kinema.noise import Streams
from kinema.offers import NativeForm
from kinema.signals import MotionSignal


@attrs.frozen(eq=False, kw_only=True)
class Request:
    """Everything a backbone embeds once per video, for B videos of one form.

    Attributes:
        image: float32 ``(B, 3, H, W)`` in [0, 1], or the backbone's own cached encodings of it.
        size: (width, height).
        frames: T.
        fps: frames per second of the videos.
        terms: the actions of each guidance term; the same object where two terms share them.
        signal: what the conditions named by the backbone's own offer produced, or None.
        streams: of each video, for random parts of the embedding such as noise on the photo; a
            purpose of a video is then independent of the batch. Empty draws afresh.
        prompts: what is to be seen, one text per video, or empty.
        negative_prompts: what is not to be seen, one per video, or empty; None leaves one
            to the backbone.
        last_image: float32 ``(B, 3, H, W)``, the frame to end at, or None.
        references: further pictures, each ``(B, 3, H, W)``.
        plate: float32 ``(B, 3, H, W)``, what is behind all that moves, or None.
        cached: what :meth:`Trainable.encodings` made earlier, ``(B, ...)`` by name; the backbone
            then does not compute it again.
        dropped: bool ``(B,)`` by the backbone's own names (``prompt``, ``image-latent``, ...): the
            videos that are not told that, for classifier-free guidance.
        drawn: what :meth:`Trainable.draw` drew for these videos, ``(B, ...)`` by name.
    """

    image: Any
    size: Size
    frames: int
    fps: float
    terms: Mapping[Term, Actions]
    signal: MotionSignal | None = None
    streams: Sequence[Streams] = ()
    prompts: Sequence[str] = ()
    negative_prompts: Sequence[str | None] = ()
    last_image: Tensor | None = None
    references: Sequence[Tensor] = ()
    plate: Tensor | None = None
    cached: Mapping[str, Tensor] = attrs.field(factory=dict)
    dropped: Mapping[str, Tensor] = attrs.field(factory=dict)
    drawn: Mapping[str, Tensor] = attrs.field(factory=dict)

    def generators(self, purpose: str) -> Sequence[torch.Generator] | None:
        """One generator per video for a random purpose, or None to draw afresh."""
        return [streams.of(purpose) for streams in self.streams] or None


Detach = Callable[[], None]


@runtime_checkable
class Backbone(Protocol):
    """An adapter around a video model. Latents are ``(B, T', C, h, w)``.

    It keeps nothing of a run between calls: what belongs to a video is in its embeddings.
    """

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where controllers may act. Plain attributes will do for these three."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """The size and T it can make that are nearest to these: these themselves if it can.

        Whoever asks by name for a form it cannot make is told this one.
        """

    def attach(self, controller: Controller) -> Detach:
        """Make the sites that ``controller`` acts on active (and load its LoRA, if it has one).

        Returns a function that restores the model bit for bit. Only one controller at a time.
        """

    def embed(self, request: Request) -> Mapping[Term, Any]:
        """One embedding per term of ``request``: all that does not depend on the noise level."""

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T', C, h, w) of one video's latents."""

    def schedule(self, config: Any) -> Schedule:
        """The levels of a sampling.

        ``config`` is of the class that its offer names, or a plain
        :class:`~kinema.config.SampleConfig`, whose other options are then that class's defaults.
        """

    def guidance(self, config: Any, schedule: Schedule, frames: int) -> Guidance:
        """Which terms each step needs and how they combine, for latents of ``frames`` = T'."""

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """The latents at the first level, from unit noise ``(B, T', C, h, w)``."""

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        """The clean prediction of each guidance term, ``(G, B, T', C, h, w)``, in one batch.

        ``latents`` are ``level.alpha`` times clean latents + ``level.sigma`` times noise; the two
        scales are 0-d, or ``(B,)`` in training.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Frames of latents, float ``(B, T, 3, H, W)`` in [0, 1]."""

    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames ``(B, T, 3, H, W)`` in [0, 1], for training."""

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """What was decided at run time for the videos of these embeddings, and changes the numbers.

        Kernels, decode chunk, compiled or not, ...; plain data.
        """


def check_form(backbone: Backbone, name: str, size: Size, frames: int) -> None:
    """Refuse a size or T that a backbone cannot make.

    Raises:
        FormError: naming the nearest that it can make.
    """
    near_size, near_frames = backbone.nearest(size, frames)
    if (near_size, near_frames) != (size, frames):
        raise FormError(name, (size, frames), (near_size, near_frames))


#: No layer of a network is as wide.
MOST_RANK = 8192


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
        if self.targets not in ("attention", "all-linear") or not 1 <= self.rank <= MOST_RANK:
            raise InputError(
                f"LoRA needs a rank from 1 to {MOST_RANK} and targets out of attention, "
                f"all-linear; got "
                f"{self.rank!r} and {self.targets!r}."
            )


@attrs.frozen(eq=False, kw_only=True)
class Drawn:
    """What is random about B clips of a training step, as the backbone wants it.

    Attributes:
        level: of the noise on each clip's latents: alpha and sigma ``(B,)``.
        weight: of each clip's squared error of the clean prediction ``(B,)``.
        dropped, told: become :attr:`Request.dropped` and :attr:`Request.drawn`.
    """

    level: Level
    weight: Tensor
    dropped: Mapping[str, Tensor] = attrs.field(factory=dict)
    told: Mapping[str, Tensor] = attrs.field(factory=dict)


@runtime_checkable
class Completes(Protocol):
    """A backbone whose sampling options have defaults that depend on its weights."""

    def completed(self, config: Any) -> Any:
        """The options with a number for everything that was left open, as manifests record them."""


@runtime_checkable
class HasNativeForm(Protocol):
    """A backbone whose native form depends on its weights; it wins over its offer's."""

    @property
    def native(self) -> NativeForm:
        """The form that it makes best. A plain attribute will do."""


@runtime_checkable
class GivesFrames(Protocol):
    """A backbone that is given its first latent frames clean, so that nothing is learned there."""

    @property
    def given_frames(self) -> int:
        """How many; the loss of a training leaves them out. A plain attribute will do."""


@runtime_checkable
class Rehearses(Protocol):
    """A backbone that is faster once it has been compiled for videos of one form."""

    def warm_up(self, request: Request) -> None:
        """Compile for videos like these, and keep what was compiled if so configured."""


@runtime_checkable
class Renders(Protocol):
    """A backbone without a network: its frames follow from what it embedded.

    A run asks for them one after another instead of sampling latents, so that the video is never
    held in floating point; nothing acts in between. :meth:`Backbone.denoise` and
    :meth:`Backbone.decode` give the same frames.
    """

    def rendered(self, embedding: Any) -> Iterator[Tensor]:
        """The frames of B videos one by one, ``(B, 3, H, W)``: float in [0, 1], or uint8 levels."""


@runtime_checkable
class Trainable(Protocol):
    """What a backbone does beyond :class:`Backbone` so that it can be trained with."""

    def encodings(self, image: Tensor, prompts: Sequence[str], frames: int) -> Mapping[str, Tensor]:
        """What :meth:`Backbone.embed` needs of photos and texts and can be cached.

        Args:
            image: ``(B, 3, H, W)`` in [0, 1].
            prompts: B texts; a backbone that reads none leaves them aside.
            frames: T of the clips.

        Returns:
            ``(B, ...)`` by name; nothing in it is random.
        """

    def draw(
        self, config: Any, streams: Sequence[Streams], motion_length: Tensor, at: float | None
    ) -> Drawn:
        """What is random about the clips of a training step.

        Args:
            config: of the class that its offer names as ``training``.
            streams: one per clip; the draws of a clip depend on nothing else.
            motion_length: ``(B,)``, mean displacement of each clip, in pixels.
            at: for a validation: the level at which sigma / alpha is this; then nothing is dropped.
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
