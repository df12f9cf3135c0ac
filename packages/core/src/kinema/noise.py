"""Random numbers of a run, and the scalings of networks that see noise: pure functions.

Sources: Karras et al. 2022 (EDM) for preconditioning, Stable Video Diffusion (Blattmann et al.
2023) for its v-type, Lipman et al. 2023 and Esser et al. 2024 for flow matching.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import torch
from torch import Tensor

from kinema.config import FlowTraining
from kinema.levels import FLOW_TIMES, Level

#: torch's global generator is one for all threads.
_GLOBAL_GENERATOR = threading.RLock()


@attrs.frozen
class Streams:
    """One seed and any number of purposes, each with random numbers of its own.

    Attributes:
        key: the seed, and whatever else tells one video or clip from another.
    """

    key: str = attrs.field(converter=str)

    def of(self, purpose: str) -> torch.Generator:
        """A new generator on the CPU, always in the same state for a key and a purpose."""
        digest = hashlib.blake2b(f"{self.key} {purpose}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's global generator as if it were at ``seed``, and leave it as it was.

    For libraries that initialise weights from the global generator. One thread at a time.
    """
    with _GLOBAL_GENERATOR:
        before = torch.random.get_rng_state()
        # Not torch.manual_seed, which sets the generators of all devices.
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.random.set_rng_state(before)


def unit_noise(
    shape: Sequence[int], generator: torch.Generator | Sequence[torch.Generator] | None
) -> Tensor:
    """Unit noise of ``shape`` ``(B, ...)``, drawn on the CPU in float32.

    With one generator for each of the B videos, the noise of a video does not depend on its batch.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return torch.randn(tuple(shape), generator=generator)
    return torch.stack([torch.randn(tuple(shape[1:]), generator=each) for each in generator])


def draw_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """The noise ``(B, T, C, h, w)`` that latents of ``shape`` start from, one seed per video.

    A video's noise is the same on every device and in every batch.
    """
    return unit_noise((len(seeds), *shape), [Streams(seed).of("noise") for seed in seeds])


@attrs.frozen(eq=False)
class Preconditioning:
    """``denoised = c_skip * x + c_out * network(c_in * x, c_noise)``."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def v_preconditioning(sigma: Tensor) -> Preconditioning:
    """The scalings of Stable Video Diffusion at noise level ``sigma`` (any shape)."""
    squared = sigma**2 + 1.0
    return Preconditioning(
        c_skip=1.0 / squared,
        c_out=-sigma / squared.sqrt(),
        c_in=1.0 / squared.sqrt(),
        c_noise=0.25 * sigma.log(),
    )


def v_loss_weight(sigma: Tensor) -> Tensor:
    """Weight of the squared error of the denoised latents at ``sigma``: (sigma^2 + 1) / sigma^2."""
    return (sigma**2 + 1.0) / sigma**2


def draw_sigma(
    count: int, generator: torch.Generator, mean: float = 0.7, std: float = 1.6
) -> Tensor:
    """Training noise levels ``(count,)``: ln(sigma) ~ N(mean, std^2), MotionPro's values."""
    return (mean + std * torch.randn(count, generator=generator)).exp()


def flow_loss_weight(sigma: Tensor) -> Tensor:
    """Weight of the squared error of the clean prediction in flow matching: ``1 / sigma^2``.

    With it the loss is the squared error of the velocity ``noise - clean``, for the clean
    prediction is ``noisy - sigma * velocity`` (Lipman et al. 2023).
    """
    return 1.0 / sigma**2


def draw_flow_sigma(count: int, generator: torch.Generator, config: FlowTraining) -> Tensor:
    """Training noise levels of flow matching ``(count,)``, float32, in (0, 1).

    Each is a quantile of the distribution that ``config`` names, so that one uniform number makes
    one level also where a range of levels is asked for. Nothing below a network's first time,
    1 / 1000, is drawn.

    ======================== ================================================================
    levels                   sigma
    ======================== ================================================================
    ``uniform``              u, uniform in (0, 1)
    ``shifted``              ``w(u) = shift * u / (1 + (shift - 1) * u)``
    ``logit-normal``         ``sigmoid(mean + std * n)``, n normal (Esser et al. 2024)
    ``shifted-logit-normal`` ``w`` of that
    ======================== ================================================================
    """
    shift = config.shift if config.levels.startswith("shifted") else 1.0
    normal = config.levels.endswith("logit-normal")
    mean, std = config.logit_mean, config.logit_std
    # The shares of the whole distribution that lie below the ends of the range.
    ends = torch.tensor([config.least_level, config.most_level], dtype=torch.float64)
    below = ends / (shift - (shift - 1.0) * ends)
    if normal:
        below = torch.special.ndtr((torch.logit(below) - mean) / std)
    u = torch.rand(count, generator=generator, dtype=torch.float64)
    u = below[0] + (below[1] - below[0]) * u
    if normal:
        u = torch.sigmoid(mean + std * torch.special.ndtri(u))
    sigma = shift * u / (1.0 + (shift - 1.0) * u)
    return sigma.clamp(1.0 / FLOW_TIMES, 1.0 - 1e-6).float()


def draw_flow_levels(
    config: FlowTraining, streams: Sequence[Streams], at: float | None = None
) -> tuple[Level, Tensor]:
    """The levels of a training step's clips and the weights of their errors; both ``(B,)``.

    Args:
        streams: of each clip; its level is drawn from the stream ``sigma``.
        at: for a validation: the level at which sigma / alpha is this, for all clips.
    """
    sigma = torch.cat([draw_flow_sigma(1, each.of("sigma"), config) for each in streams])
    if at is not None:
        sigma = torch.full_like(sigma, at / (1.0 + at))
    return Level.flow(sigma), flow_loss_weight(sigma)
