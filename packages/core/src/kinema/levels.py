"""Noise levels and schedules of them: pure functions of tensors.

A noisy latent is ``alpha * clean + sigma * noise``. Variance-exploding models such as Stable Video
Diffusion have ``alpha = 1`` (Karras et al. 2022); flow matching has ``alpha = 1 - sigma`` with
sigma from 1 down to 0 (Lipman et al. 2023).
"""

from __future__ import annotations

from typing import Literal, get_args

import attrs
import numpy as np
import torch
from torch import Tensor

from kinema.errors import InputError, suggestion

#: How the levels of flow matching are spaced; see :func:`flow_schedule`.
Spacing = Literal["unipc", "unipc-published", "euler"]

#: Network times of a flow model per unit of sigma.
FLOW_TIMES = 1000

#: A level of pure noise as UniPC takes it: its steps divide by alpha.
_ALMOST_ONE = 1.0 - 1e-6


@attrs.frozen(eq=False)
class Level:
    """A noise level.

    Attributes:
        alpha: signal scale, a 0-d tensor, or ``(B,)`` in training.
        sigma: noise scale, of the same shape.
        time: what the network is told of it, where the schedule has times of its own (some
            published ones round them); None leaves it to the backbone.
    """

    alpha: Tensor
    sigma: Tensor
    time: Tensor | None = None

    @classmethod
    def exploding(cls, sigma: Tensor) -> Level:
        """The level of a variance-exploding model: ``clean + sigma * noise``."""
        return cls(torch.ones_like(sigma), sigma)

    @classmethod
    def flow(cls, sigma: Tensor) -> Level:
        """The level of flow matching: ``(1 - sigma) * clean + sigma * noise``, sigma in [0, 1]."""
        return cls(1.0 - sigma, sigma)

    def noisy(self, clean: Tensor, noise: Tensor) -> Tensor:
        """``alpha * clean + sigma * noise`` for ``(B, T, C, h, w)``, on the device of ``clean``."""
        alpha, sigma = (_over(scale, clean) for scale in (self.alpha, self.sigma))
        return alpha * clean + sigma * noise

    def to(self, device: torch.device | str) -> Level:
        """The same level on another device."""
        return Level(
            self.alpha.to(device),
            self.sigma.to(device),
            None if self.time is None else self.time.to(device),
        )


def _over(scale: Tensor, latents: Tensor) -> Tensor:
    shaped = scale.view(-1, *[1] * (latents.ndim - 1)) if scale.ndim else scale
    return shaped.to(latents.device, latents.dtype)


@attrs.frozen(eq=False)
class Schedule:
    """The levels of a sampling, from noise to clean.

    Attributes:
        alphas, sigmas: float32 ``(S + 1,)`` for S steps; the last level is clean: sigma 0.
        times: float32 ``(S + 1,)``, or None; see :attr:`Level.time`.

    Raises:
        InputError: the shapes differ, there is no step, or the last level is not clean.
    """

    alphas: Tensor
    sigmas: Tensor
    times: Tensor | None = None

    def __attrs_post_init__(self) -> None:
        shapes = {tuple(t.shape) for t in (self.alphas, self.sigmas, self.times) if t is not None}
        if len(shapes) != 1 or self.sigmas.ndim != 1 or len(self.sigmas) < 2:
            raise InputError(
                f"A schedule needs at least 2 levels, one alpha and one sigma each; got the shapes "
                f"{sorted(shapes)!r}."
            )
        # Elsewhere than on the CPU, reading a number would wait for the device.
        if self.sigmas.device.type == "cpu" and float(self.sigmas[-1]) != 0.0:
            raise InputError(
                f"A schedule ends at sigma 0, the clean latents; this one ends at "
                f"{float(self.sigmas[-1])!r}."
            )

    @classmethod
    def exploding(cls, sigmas: Tensor) -> Schedule:
        """The schedule of a variance-exploding model with these ``(S + 1,)`` sigmas."""
        return cls(torch.ones_like(sigmas), sigmas)

    @property
    def steps(self) -> int:
        """S."""
        return len(self.sigmas) - 1

    def __getitem__(self, index: int) -> Level:
        """Level ``index``; S is the clean one."""
        time = None if self.times is None else self.times[index]
        return Level(self.alphas[index], self.sigmas[index], time)

    def to(self, device: torch.device | str) -> Schedule:
        """The same schedule on another device."""
        times = None if self.times is None else self.times.to(device)
        return Schedule(self.alphas.to(device), self.sigmas.to(device), times)


def edm_schedule(
    steps: int, sigma_max: float = 700.0, sigma_min: float = 0.002, rho: float = 7.0
) -> Tensor:
    """Sigmas from ``sigma_max`` down to ``sigma_min``, then 0: float32 ``(steps + 1,)``.

    Karras et al. 2022, equation 5.
    """
    ramp = torch.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def flow_schedule(steps: int, shift: float = 1.0, spacing: str = "unipc") -> Schedule:
    """The levels of flow matching, in a spacing by name.

    ``w(u) = shift * u / (1 + (shift - 1) * u)`` moves the levels towards noise (Esser et al. 2024).

    ========================= ======================================== ==========================
    spacing                   u before the shift                       network times
    ========================= ======================================== ==========================
    ``unipc``                 linear from 1 to 0.001; sigma 1 is taken whole numbers, 1000 sigma cut
                              as 1 - 1e-6 (diffusers from 0.37 on)
    ``unipc-published``       linear from 0.999 to 0 (the published    whole numbers, 1000 sigma cut
                              code of Wan, diffusers up to 0.36)
    ``euler``                 linear from 1 to w(0.001), ends included 1000 sigma
    ========================= ======================================== ==========================

    Raises:
        InputError: fewer than 1 step, a shift that is not positive, or an unknown spacing.
    """
    if steps < 1 or not shift > 0:
        raise InputError(
            f"A flow schedule needs at least 1 step and a positive shift; got {steps!r} and "
            f"{shift!r}."
        )
    if spacing == "unipc":
        shifted = _shifted(np.linspace(1.0, 1.0 / FLOW_TIMES, steps + 1)[:-1], shift)
        sigmas = np.minimum(shifted, _ALMOST_ONE)
    elif spacing == "unipc-published":
        sigmas = _shifted(np.linspace(1.0 - 1.0 / FLOW_TIMES, 0.0, steps + 1)[:-1], shift)
    elif spacing == "euler":
        last = float(_shifted(np.array(1.0 / FLOW_TIMES), shift))
        sigmas = _shifted(np.linspace(1.0, last, steps), shift)
    else:
        names = get_args(Spacing)
        raise InputError(
            f"Unknown spacing {spacing!r}.{suggestion(spacing, names)} Choose one of: "
            f"{', '.join(names)}."
        )
    times = sigmas * FLOW_TIMES
    if spacing != "euler":
        # Rounding alone must not cut a whole number to the one below it.
        times = np.floor(times.astype(np.float32))
    ended = np.append(sigmas, 0.0)
    return Schedule(
        alphas=torch.from_numpy(1.0 - ended).float(),
        sigmas=torch.from_numpy(ended).float(),
        times=torch.from_numpy(np.append(times, 0.0)).float(),
    )


def _shifted(
    u: np.ndarray[tuple[int, ...], np.dtype[np.float64]], shift: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return shift * u / (1.0 + (shift - 1.0) * u)
