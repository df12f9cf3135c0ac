"""The sampling loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kinema import solvers
from kinema.config import SampleConfig
from kinema.errors import Cancelled, InputError
from kinema.interfaces import Backbone, Solver, Step, StepAction, Term
from kinema.levels import Level

#: Called after each step with the step, the latents (B, T, C, h, w) and the clean prediction.
AfterStep = Callable[[Step, Tensor, Tensor], None]

#: Core's own; plugins offer more, which a session builds by name.
SOLVERS: Mapping[str, Solver] = {"euler": solvers.euler, "heun": solvers.heun}


@torch.no_grad()
def sample(
    backbone: Backbone,
    embeddings: Mapping[Term, Any],
    noise: Tensor,
    config: SampleConfig,
    *,
    solver: Solver | None = None,
    at_step: Sequence[StepAction] = (),
    at_input: Sequence[StepAction] = (),
    after_step: AfterStep | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Tensor:
    """Denoise unit ``noise`` ``(B, T, C, h, w)`` into clean latents of the same shape.

    Each step evaluates all its guidance terms at once. Levels, start and guidance are the
    backbone's own.

    Args:
        embeddings: one per term of the backbone's guidance.
        config: of the backbone's own class, or a plain one.
        solver: made for this run; the one that ``config`` names unless given.
        at_step: the actions at ``sampler-step`` sites, in order: they act on the sample that the
            solver keeps, at every level, the clean one at the end too. Sampling begins at the
            latest of their first steps.
        at_input: the actions at ``network-input`` sites: they act on what the network sees.
        after_step: called after every step.
        cancel: asked before every step; True ends the run.

    Raises:
        Cancelled: ``cancel`` said so.
        InputError: ``config`` names a solver that core does not have.
    """
    planned = backbone.schedule(config)
    first = max((act.first_of(planned) for act in at_step), default=0)
    schedule = planned.to(noise.device)
    guidance = backbone.guidance(config, schedule, noise.shape[1])
    solve = solver or _named(config.solver)

    def at(index: int) -> Step:
        return Step(index=index, schedule=schedule, noise=noise, planned=planned)

    def predict(latents: Tensor, level: Level, step: Step) -> Tensor:
        for act in at_input:
            latents = act(latents, step)
        terms = [term for term in guidance.terms_of(step.index) if term in embeddings]
        predictions = backbone.denoise(latents, level, [embeddings[term] for term in terms])
        return guidance.combine(dict(zip(terms, predictions, strict=True)), step.index)

    latents = backbone.start(noise, schedule[0])
    for index in range(first, schedule.steps):
        if cancel is not None and cancel():
            raise Cancelled(f"The run was cancelled after {index} of {schedule.steps} steps.")
        step = at(index)
        for act in at_step:
            latents = act(latents, step)
        clean = predict(latents, step.level, step)
        latents = solve(latents, clean, step, partial(predict, step=step))
        if after_step is not None:
            after_step(step, latents, clean)
    for act in at_step:
        latents = act(latents, at(schedule.steps))
    return latents


def _named(name: str) -> Solver:
    if name not in SOLVERS:
        raise InputError(
            f"Core has no solver {name!r}, only {', '.join(SOLVERS)}; a session builds those of "
            "plugins by name."
        )
    return SOLVERS[name]
