"""The solvers ``unipc`` and ``dpmpp-2m``.

They run in the variables of flow matching, ``latents / (alpha + sigma)`` at
``sigma / (alpha + sigma)``, to which every level can be brought: both methods depend on the ratio
of signal and noise alone, so a variance-exploding model gives what it would give in its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from kinema.interfaces import Predict, Step
from kinema.levels import Schedule
from kinema_backbones.solver_configs import UniPCConfig

#: The methods take the logarithm of alpha, which a level of noise alone does not have.
LARGEST = 1.0 - 1e-6


class Delegated:
    """A scheduler of diffusers as a solver; it remembers its steps, so it serves one run.

    Args:
        scheduler: of flow matching (``use_flow_sigmas``), that takes clean predictions.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._begun = False

    def __call__(self, latents: Tensor, clean: Tensor, step: Step, predict: Predict) -> Tensor:
        """The latents ``(B, T', C, h, w)`` at ``step.next``."""
        if not self._begun:
            self._begin(step.schedule, step.index)
        here, there = step.level, step.next
        time = self._scheduler.timesteps[step.index]
        moved = self._scheduler.step(
            clean.float(), time, latents.float() / (here.alpha + here.sigma), return_dict=False
        )[0]
        result: Tensor = moved * (there.alpha + there.sigma)
        return result.to(latents.dtype)

    def _begin(self, schedule: Schedule, first: int) -> None:
        # A table of its own that flow matching does not use; as a tensor it draws a warning.
        self._scheduler.alphas_cumprod = self._scheduler.alphas_cumprod.numpy()
        self._scheduler.set_timesteps(schedule.steps)
        alphas, sigmas = schedule.alphas.double().cpu(), schedule.sigmas.double().cpu()
        flow = (sigmas / (alphas + sigmas)).clamp_max(LARGEST).float()
        self._scheduler.sigmas = flow
        self._scheduler.timesteps = flow[:-1] * self._scheduler.config.num_train_timesteps
        self._scheduler.set_begin_index(first)
        self._begun = True


class UniPC:
    """UniPC with clean predictions and B(h) = e^h - 1 (Zhao et al. 2023), for one run.

    The same as that of diffusers, but all coefficients are numbers on the host: theirs solves for
    them on the device and waits for it in every step.

    What an action makes of the sample reaches it through the network alone: its corrector works
    from the sample it kept itself.

    Args:
        order: steps that a prediction is made of; the last steps of a run use fewer.
        corrector: whether each step corrects the one before it by the new prediction.
    """

    def __init__(self, order: int = 2, corrector: bool = True) -> None:
        self._order = order
        self._corrector = corrector
        self._sigmas: list[float] = []
        self._alphas: list[float] = []
        self._first = 0
        self._kept: Tensor | None = None
        self._used = 0
        self._clean: list[Tensor] = []

    def __call__(self, latents: Tensor, clean: Tensor, step: Step, predict: Predict) -> Tensor:
        """The latents ``(B, T', C, h, w)`` at ``step.next``."""
        if not self._sigmas:
            self._begin(step.planned or step.schedule, step.index)
        here, there, index = step.level, step.next, step.index
        prediction = clean.float()
        sample = latents.float() / (here.alpha + here.sigma)
        if self._corrector and self._kept is not None:
            sample = self._moved(self._kept, index - 1, index, self._used, prediction)
        self._clean = [*self._clean, prediction][-self._order :]
        done = index - self._first + 1
        self._used = min(self._order, len(self._sigmas) - 1 - index, done)
        self._kept = sample
        moved = self._moved(sample, index, index + 1, self._used, None)
        result: Tensor = moved * (there.alpha + there.sigma)
        return result.to(latents.dtype)

    def _begin(self, schedule: Schedule, first: int) -> None:
        alphas, sigmas = schedule.alphas.double().cpu(), schedule.sigmas.double().cpu()
        flow = (sigmas / (alphas + sigmas)).clamp_max(LARGEST).float()
        self._sigmas, self._alphas = flow.tolist(), (1 - flow).tolist()
        self._first = first

    def _log_ratio(self, index: int) -> float:
        sigma = self._sigmas[index]
        return math.log(self._alphas[index] / sigma) if sigma > 0 else math.inf

    def _moved(
        self, sample: Tensor, start: int, stop: int, order: int, corrected: Tensor | None
    ) -> Tensor:
        """The sample at level ``stop`` from that at ``start``.

        Args:
            order: how many clean predictions count, the last of them that at ``start``.
            corrected: the one at ``stop``, for the corrector.
        """
        step = self._log_ratio(stop) - self._log_ratio(start)
        change = math.expm1(-step)  # phi_1 times -h, and B(h) as well
        latest = self._clean[-1]
        moved = self._sigmas[stop] / self._sigmas[start] * sample
        moved = moved - self._alphas[stop] * change * latest
        earlier = [
            (self._log_ratio(start - back) - self._log_ratio(start)) / step
            for back in range(1, order)
        ]
        places = [*earlier, 1.0]
        differences = [
            (self._clean[-1 - back] - latest) / place for back, place in enumerate(earlier, start=1)
        ]
        if corrected is not None:
            weights = _weights(places, step)
            differences.append(corrected - latest)
        else:
            weights = _weights(earlier, step)
        for weight, difference in zip(weights, differences, strict=True):
            moved = moved - self._alphas[stop] * change * weight * difference
        return moved


def _weights(places: Sequence[float], step: float) -> list[float]:
    """The weights of the differences at these places, in units of the step (equation 5)."""
    if len(places) < 2:
        # Exact to first order for the first of them, and what is published.
        return [0.5] * len(places)
    change = math.expm1(-step)
    phi = change / -step - 1
    rows, values, factorial = [], [], 1
    for power in range(len(places)):
        rows.append([place**power for place in places])
        values.append(phi * factorial / change)
        factorial *= power + 2
        phi = phi / -step - 1 / factorial
    solved: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return solved


def unipc(config: UniPCConfig) -> UniPC:
    """UniPC for one run."""
    return UniPC(config.order, config.corrector)


def dpmpp_2m(config: Any) -> Delegated:
    """DPM-Solver++ (2M) with clean predictions (Lu et al. 2022), for one run."""
    from diffusers import DPMSolverMultistepScheduler

    return Delegated(
        DPMSolverMultistepScheduler(
            solver_order=2,
            prediction_type="sample",
            algorithm_type="dpmsolver++",
            use_flow_sigmas=True,
        )
    )
