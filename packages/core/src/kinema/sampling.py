"""The sampling loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kinema import solvers
from kinema.config import SampleConfig
from kinema.errors import Cancelled, InputError, NotFiniteError
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
        NotFiniteError: the network, an action or the solver gives a number that is not finite.
    """
    planned = backbone.schedule(config)
    first = max((act.first_of(planned) for act in at_step), default=0)
    schedule = planned.to(noise.device)
    guidance = backbone.guidance(config, schedule, noise.shape[1])
    solve = solver or _named(config.solver)
    watch = _Watch()

    def at(index: int) -> Step:
        return Step(index=index, schedule=schedule, noise=noise, planned=planned)

    def predict(latents: Tensor, level: Level, step: Step) -> Tensor:
        for act in at_input:
            latents = act(latents, step)
        terms = [term for term in guidance.terms_of(step.index) if term in embeddings]
        predictions = backbone.denoise(latents, level, [embeddings[term] for term in terms])
        for term, prediction in zip(terms, predictions, strict=True):
            watch.see(
                prediction,
                f"The network gave {{found}} in step {step.index + 1} of {step.count}, for the "
                f"{term} prediction",
            )
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
    watch.tell()
    if not latents.is_meta:
        check_finite(
            latents, "The solver or an action at its steps made {found} of finite predictions"
        )
    return latents


class _Watch:
    """Looks for numbers that are not finite without waiting for the device in every step.

    On the CPU they are refused at once. Elsewhere the looking is queued behind the work, and what
    was seen is read once, after the last step; tensors without numbers (meta) are let pass.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[Tensor, str, torch.dtype]] = []

    def see(self, values: Tensor, told: str) -> None:
        """Look at a tensor; see :func:`check_finite`."""
        if values.device.type == "cpu":
            check_finite(values, told)
        elif not values.is_meta and values.numel():
            finite = torch.stack(values.aminmax()).isfinite().all()
            self._seen.append((finite, told, values.dtype))

    def tell(self) -> None:
        """Refuse the first of the tensors that were not finite.

        Raises:
            NotFiniteError: there is one.
        """
        if not self._seen:
            return
        finite = torch.stack([each for each, _, _ in self._seen]).tolist()
        for fine, (_, told, dtype) in zip(finite, self._seen, strict=True):
            if not fine:
                raise _not_finite(told, "NaN or infinity", dtype)


def check_finite(values: Tensor, told: str) -> None:
    """Refuse numbers of which no picture can be made; one pass that keeps nothing.

    Args:
        told: what happened, as a clause that ends without a stop; ``{found}`` stands for what was
            found.

    Raises:
        NotFiniteError: one of ``values`` is NaN or infinite.
    """
    # NaN spreads to both ends, so these two tell of all.
    if not values.numel() or bool(torch.stack(values.aminmax()).isfinite().all()):
        return
    wrong = ~values.isfinite()
    what = "NaN" if bool(values.isnan().any()) else "infinity"
    raise _not_finite(
        told, f"{what} ({int(wrong.sum())} of {values.numel()} numbers)", values.dtype
    )


def _not_finite(told: str, what: str, dtype: torch.dtype) -> NotFiniteError:
    half = "Try dtype float32 (--dtype float32), or check" if dtype != torch.float32 else ""
    return NotFiniteError(
        f"{told.replace('{found}', what)}. {half or 'Check'} the weights and the controller's "
        "against their hashes (kinema weights check)."
    )


def _named(name: str) -> Solver:
    if name not in SOLVERS:
        raise InputError(
            f"Core has no solver {name!r}, only {', '.join(SOLVERS)}; a session builds those of "
            "plugins by name."
        )
    return SOLVERS[name]
