"""Noise levels, preconditioning, loss weights and guidance: pure functions of tensors.

Sources: Karras et al. 2022 (EDM) for the schedule, Stable Video Diffusion (Blattmann et al. 2023)
for the v-type preconditioning and the guidance that grows over the frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor

from kinema.interfaces import Term


def edm_schedule(
    steps: int, sigma_max: float = 700.0, sigma_min: float = 0.002, rho: float = 7.0
) -> Tensor:
    """Noise levels from ``sigma_max`` down to ``sigma_min``, then 0: float32 ``(steps + 1,)``.

    Karras et al. 2022, equation 5.
    """
    ramp = torch.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


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


def unit_noise(
    shape: Sequence[int], generator: torch.Generator | Sequence[torch.Generator] | None
) -> Tensor:
    """Unit noise of ``shape`` ``(B, ...)``, drawn on the CPU in float32.

    With one generator for each of the B videos, the noise of a video does not depend on its batch.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return torch.randn(tuple(shape), generator=generator)
    return torch.stack([torch.randn(tuple(shape[1:]), generator=each) for each in generator])


def frame_guidance(frames: int, first: float, last: float) -> Tensor:
    """A guidance scale per frame ``(1, T, 1, 1, 1)``, linear from ``first`` to ``last``."""
    return torch.linspace(first, last, frames).view(1, frames, 1, 1, 1)


def guide(predictions: Mapping[Term, Tensor], scale: Tensor, motion_scale: float = 1.0) -> Tensor:
    """Combine the denoised predictions ``(B, T, C, h, w)`` of the guidance terms.

    Classifier-free guidance moves from ``unconditional`` to ``conditional`` by ``scale``
    (Ho and Salimans 2022). Motion guidance adds ``(motion_scale - 1)`` times the way from
    ``motion-free`` to ``conditional``. A term that is absent has no effect.
    """
    conditional = predictions["conditional"]
    guided = conditional
    if "unconditional" in predictions:
        unconditional = predictions["unconditional"]
        guided = unconditional + scale * (conditional - unconditional)
    if "motion-free" in predictions:
        guided = guided + (motion_scale - 1.0) * (conditional - predictions["motion-free"])
    return guided
