"""The solvers ``unipc`` and ``dpmpp-2m``: schedulers of diffusers behind kinema's protocol.

They run in the variables of flow matching, ``latents / (alpha + sigma)`` at
``sigma / (alpha + sigma)``, to which every level can be brought: both methods depend on the ratio
of signal and noise alone, so a variance-exploding model gives what it would give in its own.
"""

from __future__ import annotations

from typing import Any

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


def unipc(config: UniPCConfig) -> Delegated:
    """UniPC with clean predictions and B(h) = e^h - 1 (Zhao et al. 2023), for one run.

    What an action makes of the sample reaches it through the network alone: its corrector works
    from the sample it kept itself.
    """
    from diffusers import UniPCMultistepScheduler

    return Delegated(
        UniPCMultistepScheduler(
            solver_order=config.order,
            prediction_type="sample",
            predict_x0=True,
            solver_type="bh2",
            use_flow_sigmas=True,
            disable_corrector=[] if config.corrector else list(range(10_000)),
        )
    )


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
