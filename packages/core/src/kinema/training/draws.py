"""All randomness of a training: a pure function of the seed, the step and the clip's place in it.

Nothing else is random, so the result does not depend on the number of processes, and a training
goes on from a checkpoint as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.interfaces import Drawn, Trainable
from kinema.noise import Streams
from kinema.training.config import TrainConfig

#: The noise of a validation is that of this step, which no training has.
VALIDATION = -1


@attrs.frozen(eq=False, kw_only=True)
class Draws:
    """What is random about a batch, drawn on the CPU.

    Attributes:
        streams: of each clip, for all that is drawn later.
        noise: unit noise ``(B, T', C, h, w)``.
        still: bool ``(B,)``: the clips whose motion is not told.
        drawn: what the backbone drew.
    """

    streams: tuple[Streams, ...]
    noise: Tensor
    still: Tensor
    drawn: Drawn


def draw(
    config: TrainConfig,
    backbone: Trainable,
    options: Any,
    step: int,
    indices: Sequence[int],
    shape: Sequence[int],
    motion_length: Tensor,
    at: float | None = None,
) -> Draws:
    """The randomness of the clips ``indices`` of a step.

    Args:
        options: the backbone's options of training.
        step: from 0.
        indices: places of the clips among all clips of the step, over processes and passes.
        shape: (T', C, h, w) of a clip's latents.
        motion_length: of each clip, ``(B,)``.
        at: the level of a validation, as sigma / alpha; every clip is then told everything.
    """
    streams = tuple(Streams(f"{config.seed} {step} {index}") for index in indices)
    chances = [torch.rand(1, generator=each.of("drop motion")) for each in streams]
    return Draws(
        streams=streams,
        noise=torch.stack([torch.randn(tuple(shape), generator=s.of("noise")) for s in streams]),
        still=(torch.cat(chances) < config.drop_motion) & (at is None),
        drawn=backbone.draw(options, streams, motion_length, at),
    )
