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
    """One Heun step (Karras et al. 2022, algorithm 1 without churn); the last one is Euler's.

    In the variables ``latents / alpha`` and ``sigma / alpha``, which a level of pure noise has not:
    from there it is an Euler step too.
    """
    moved = _moved(latents, clean, step.level, step.next)
    if step.index + 1 == step.count or step.pure_noise:
        return moved
    here, there = step.level.sigma / step.level.alpha, step.next.sigma / step.next.alpha
    start, guess = latents / step.level.alpha, moved / step.next.alpha
    slope = (start - clean) / here
    corrected = (guess - predict(moved, step.next)) / there
    return (start + (there - here) * 0.5 * (slope + corrected)) * step.next.alpha


def _moved(latents: Tensor, clean: Tensor, level: Level, following: Level) -> Tensor:
    # Written so that a step to sigma 0 returns the clean prediction exactly.
    noise = (latents - level.alpha * clean) * (following.sigma / level.sigma)
    return following.alpha * clean + noise
