"""How the predictions of a step's guidance terms become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor

from kinema.interfaces.control import Term

#: Scale of classifier-free guidance in a step: a number, or one that broadcasts against
#: ``(B, T, C, h, w)``; None leaves the step unguided.
Scale = Tensor | float | None


@attrs.frozen(eq=False)
class Guidance:
    """Classifier-free and motion guidance, step by step.

    Classifier-free guidance moves from ``unconditional`` to ``conditional`` by the step's scale
    (Ho and Salimans 2022). Motion guidance adds ``(motion - 1)`` times the way from
    ``motion-free`` to ``conditional``. A subclass may combine otherwise.

    Attributes:
        scales: one per step of the schedule.
        motion: scale of the motion against the zero signal; 1 is off.
    """

    scales: Sequence[Scale]
    motion: float = 1.0

    @classmethod
    def none(cls, steps: int) -> Guidance:
        """The conditional prediction alone, in all steps."""
        return cls([None] * steps)

    @classmethod
    def constant(cls, scale: float, steps: int, motion: float = 1.0) -> Guidance:
        """One scale for all steps; 1 is none."""
        return cls([None if scale == 1.0 else scale] * steps, motion)

    @classmethod
    def over(
        cls, scale: Scale, steps: int, start: float = 0.0, stop: float = 1.0, motion: float = 1.0
    ) -> Guidance:
        """One scale in the steps from fraction ``start`` to before ``stop`` of the schedule."""
        within = [start <= index / steps < stop for index in range(steps)]
        return cls([scale if inside else None for inside in within], motion)

    @property
    def terms(self) -> tuple[Term, ...]:
        """All terms that any step needs, the conditional one first."""
        needed = {term for index in range(len(self.scales)) for term in self.terms_of(index)}
        order: tuple[Term, ...] = ("conditional", "unconditional", "motion-free")
        return tuple(term for term in order if term in needed)

    def terms_of(self, step: int) -> tuple[Term, ...]:
        """The terms that step ``step`` (from 0) needs."""
        terms: list[Term] = ["conditional"]
        if self.scales[step] is not None:
            terms.append("unconditional")
        if self.motion != 1.0:
            terms.append("motion-free")
        return tuple(terms)

    def combine(self, predictions: Mapping[Term, Tensor], step: int) -> Tensor:
        """One clean prediction ``(B, T, C, h, w)`` of those of the step's terms."""
        conditional = predictions["conditional"]
        guided, scale = conditional, self.scales[step]
        if scale is not None and "unconditional" in predictions:
            unconditional = predictions["unconditional"]
            if isinstance(scale, Tensor):
                scale = scale.to(unconditional.device)
            guided = unconditional + scale * (conditional - unconditional)
        if "motion-free" in predictions:
            guided = guided + (self.motion - 1.0) * (conditional - predictions["motion-free"])
        return guided


def frame_guidance(frames: int, first: float, last: float) -> Tensor:
    """A guidance scale per frame ``(1, T, 1, 1, 1)``, linear from ``first`` to ``last``."""
    return torch.linspace(first, last, frames).view(1, frames, 1, 1, 1)
