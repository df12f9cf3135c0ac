"""Solvers of the probability-flow ODE, one function each.

A solver takes latents from one level to the next. It is given the clean prediction at its level,
and may ask for further ones; one that remembers earlier steps is made anew for every run.
"""

from __future__ import annotations

from torch import Tensor

from kinema.interfaces.control import Predict, Step
from kinema.levels import Level


def euler(latents: Tensor, clean: Tensor, step: Step, predict: Predict) -> Tensor:
    """One Euler step, which is DDIM of the same levels (Song et al. 2021; Karras et al. 2022)."""
    return _moved(latents, clean, step.level, step.next)


def heun(latents: Tensor, clean: Tensor, step: Step, predict: Predict) -> Tensor:
    """One Heun step; the last one is Euler's.

    The trapezoidal rule for ``dx = clean dalpha + noise dsigma``. With alpha = 1 it is algorithm 1
    of Karras et al. (2022) without churn, in flow matching the mean of two velocities.
    """
    moved = _moved(latents, clean, step.level, step.next)
    if step.index + 1 == step.count:
        return moved
    again = predict(moved, step.next)
    noise = _noise(latents, clean, step.level) + _noise(moved, again, step.next)
    rise, fall = step.next.alpha - step.level.alpha, step.next.sigma - step.level.sigma
    return latents + fall * 0.5 * noise + rise * 0.5 * (clean + again)


def _noise(latents: Tensor, clean: Tensor, level: Level) -> Tensor:
    """What is noise in the latents if ``clean`` is what is clean in them."""
    return (latents - level.alpha * clean) / level.sigma


def _moved(latents: Tensor, clean: Tensor, level: Level, following: Level) -> Tensor:
    # Written so that a step to sigma 0 returns the clean prediction exactly.
    noise = (latents - level.alpha * clean) * (following.sigma / level.sigma)
    return following.alpha * clean + noise
