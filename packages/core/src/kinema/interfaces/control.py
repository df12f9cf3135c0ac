"""Sites, the actions at them, and the controllers that hand those out.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor, nn

from kinema.interfaces.conditions import Scene
from kinema.levels import Level, Schedule
from kinema.signals import MotionSignal

#: Names of guidance terms. What ``unconditional`` leaves out belongs to the backbone: MotionPro's
#: drops the photo and keeps the motion, others have the negative prompt there. ``motion-free``
#: keeps all but the motion, whose signal is zero.
Term = Literal["conditional", "unconditional", "motion-free"]

SiteKind = Literal[
    "feature",
    "image-latent",
    "image-mask",
    "noise",
    "network-input",
    "sampler-step",
    "extra-channels",
]


@attrs.frozen(kw_only=True)
class Site:
    """A named place in a backbone where a controller may act.

    ================== ============================================= ===========================
    kind               what the action is given                      when
    ================== ============================================= ===========================
    ``feature``        the output ``(B * T', C, h, w)`` of a module  in every network call
    ``image-latent``   the latent ``(B, T', C, h, w)`` that the      once per video, one for each
                       network is conditioned on, frame by frame     guidance term
    ``image-mask``     the mask channels beside it, alike            the same
    ``extra-channels`` zeros ``(B, T', C, h, w)``, to be filled: a    the same
                       control signal beside the network's input
    ``noise``          the initial unit noise ``(B, T', C, h, w)``   once per video
    ``sampler-step``   the sample ``(B, T', C, h, w)`` that the       before every step, and at
                       solver keeps, and the :class:`Step`           the end
    ``network-input``  what the network sees of it, and the step     in every network call
    ================== ============================================= ===========================

    Attributes:
        name: what controllers call it.
        kind: one of the above.
        channels: C of the tensor there.
        stride: canvas pixels per pixel of that tensor.
        temporal_stride: frames per T' of that tensor: the first frame alone, then groups of so many
            (:meth:`kinema.MotionSignal.folded` brings a signal there).
        module: path of the module whose output is acted on; empty unless ``feature``.
    """

    name: str
    kind: SiteKind
    channels: int
    stride: int
    temporal_stride: int = 1
    module: str = ""


@attrs.frozen(eq=False, kw_only=True)
class Step:
    """One step of a sampling, as solvers and actions see it.

    Attributes:
        index: from 0; ``count`` once all steps are done.
        schedule: the levels of all steps, on the device.
        noise: the run's unit noise ``(B, T', C, h, w)``.
        planned: the same schedule on the CPU, whose numbers can be read without waiting for the
            device; None where there is none beside ``schedule``.
    """

    index: int
    schedule: Schedule
    noise: Tensor
    planned: Schedule | None = None

    @property
    def count(self) -> int:
        """How many steps there are."""
        return self.schedule.steps

    @property
    def level(self) -> Level:
        """The level of the latents before this step."""
        return self.schedule[self.index]

    @property
    def next(self) -> Level:
        """The level after it; the clean one has none after it and is its own."""
        return self.schedule[min(self.index + 1, self.count)]


#: Asks the network again within a step: (latents, their level) to the clean prediction, guided as
#: the step is.
Predict = Callable[[Tensor, Level], Tensor]


@runtime_checkable
class Solver(Protocol):
    """Takes latents from a step's level to the next. One that has a memory lives for one run."""

    def __call__(self, latents: Tensor, clean: Tensor, step: Step, predict: Predict) -> Tensor:
        """The latents ``(B, T', C, h, w)`` at ``step.next``.

        Args:
            latents: at ``step.level``.
            clean: the clean prediction for them.
            predict: for solvers that need more predictions within a step.
        """


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


@attrs.frozen(eq=False)
class StepAction:
    """The action at a ``sampler-step`` site; a plain function is one that begins at step 0.

    Attributes:
        act: the latents ``(B, T', C, h, w)`` and the :class:`Step` to the latents.
        first: the step at which sampling begins; the action then makes the latents of its level.
        begins: finds that step in a run's schedule, which is on the CPU; called once before the run
            begins. None means ``first``.
    """

    act: Callable[[Tensor, Step], Tensor]
    first: int = 0
    begins: Callable[[Schedule], int] | None = None

    def first_of(self, schedule: Schedule) -> int:
        """The step of a schedule at which sampling begins."""
        return self.first if self.begins is None else self.begins(schedule)

    def __call__(self, latents: Tensor, step: Step) -> Tensor:
        """Act on the latents before ``step``."""
        return self.act(latents, step)


#: What a controller hands to a site: a Modulation, a StepAction, or any function of what
#: :class:`Site` says of its kind, to a tensor of the same shape and type.
Action = Callable[..., Tensor]

#: One action per site name.
Actions = Mapping[str, Action]


@runtime_checkable
class Controller(Protocol):
    """Turns a MotionSignal into one action per site it uses. Usually a ``torch.nn.Module``.

    What one may do beyond that: :class:`FitsSites`, :class:`BringsAdapters`, :class:`ActsInTerms`,
    :class:`SharesSites`, :class:`Recomputable` and :class:`SavedController`.
    """

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        """Actions for the ``sites`` of a backbone, keyed by site name.

        Args:
            signal: has the channels of the conditions that the controller's offer names, in that
                order, with or without a batch dimension.
            scenes: one per video of the batch: its photo and what can be known of it. Those of
                training have neither depth nor ``encode``.

        Raises:
            InputError: a needed site is missing, or the signal has not what is needed.
        """


@attrs.frozen
class Adapter:
    """A LoRA folder, in peft's form, and its weight."""

    folder: Path
    weight: float = 1.0


@runtime_checkable
class ActsInTerms(Protocol):
    """A controller that acts in some guidance terms only; others act in all of them."""

    @property
    def acts_in(self) -> Sequence[Term]:
        """Their names. A plain attribute will do."""


@runtime_checkable
class SharesSites(Protocol):
    """A controller that may act at a site where another one acts before or after it."""

    @property
    def shares(self) -> Sequence[str]:
        """Names of those sites. A plain attribute will do."""


@runtime_checkable
class FitsSites(Protocol):
    """A controller whose form depends on the backbone that it is attached to."""

    def prepare(self, sites: Sequence[Site]) -> None:
        """Build itself for these sites, or check that they fit; called by ``attach``.

        Raises:
            InputError: they do not fit.
        """


@runtime_checkable
class BringsAdapters(Protocol):
    """A controller that comes with LoRA for the backbone's network."""

    @property
    def adapters(self) -> Sequence[Adapter]:
        """Loaded by ``attach``, in order. A plain attribute will do."""


@runtime_checkable
class Recomputable(Protocol):
    """A controller whose activations need not be kept for a backward pass."""

    def blocks(self) -> Iterable[nn.Module]:
        """The parts whose ``forward`` is worth running again instead."""


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
