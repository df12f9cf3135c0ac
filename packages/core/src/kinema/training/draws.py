"""All randomness of a training: a pure function of the seed, the step and the clip's place in it.

Nothing else is random, so the result does not depend on the number of processes, and a training
goes on from a checkpoint as if it had never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor

from kinema.noise import draw_sigma
from kinema.training.config import TrainConfig

#: The noise of a validation is that of this step, which no training has.
VALIDATION = -1


@attrs.frozen(eq=False, kw_only=True)
class Draws:
    """What is random about a batch, drawn on the CPU.

    Attributes:
        sigma: noise level of each clip ``(B,)``.
        noise: unit noise ``(B, T, C, h, w)``.
        noise_aug: strength of the noise on each photo ``(B,)``.
        dropped: bool ``(B,)`` by name, as in :class:`kinema.interfaces.Request`.
        still: bool ``(B,)``: the clips whose motion is not told.
        conditions: a generator per clip, for ``Condition.from_observation``.
        photos: a generator per clip, for the noise on its photo.
    """

    sigma: Tensor
    noise: Tensor
    noise_aug: Tensor
    dropped: Mapping[str, Tensor]
    still: Tensor
    conditions: tuple[torch.Generator, ...]
    photos: tuple[torch.Generator, ...]


def generator(seed: int, step: int, index: int, purpose: str) -> torch.Generator:
    """The generator of one purpose of one clip: ``index`` counts the clips of the whole step."""
    digest = hashlib.blake2b(f"{seed} {step} {index} {purpose}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def draw(config: TrainConfig, step: int, indices: Sequence[int], shape: Sequence[int]) -> Draws:
    """The randomness of the clips ``indices`` of a step.

    Args:
        step: from 0.
        indices: places of the clips among all clips of the step, over processes and passes.
        shape: (T, C, h, w) of a clip's latents.
    """

    def of(purpose: str) -> tuple[torch.Generator, ...]:
        return tuple(generator(config.seed, step, index, purpose) for index in indices)

    def chance(purpose: str, share: float) -> Tensor:
        return torch.cat([torch.rand(1, generator=each) for each in of(purpose)]) < share

    noise, drop = config.noise, config.drop
    return Draws(
        sigma=torch.cat(
            [draw_sigma(1, each, noise.sigma_mean, noise.sigma_std) for each in of("sigma")]
        ),
        noise=torch.stack([torch.randn(tuple(shape), generator=each) for each in of("noise")]),
        noise_aug=torch.cat(
            [draw_sigma(1, each, noise.photo_mean, noise.photo_std) for each in of("noise_aug")]
        ),
        dropped={
            "image-embedding": chance("drop image-embedding", drop.image_embedding),
            "image-latent": chance("drop image-latent", drop.image_latent),
        },
        still=chance("drop motion", drop.motion),
        conditions=of("conditions"),
        photos=of("photo"),
    )
