"""What the core itself offers, through the hooks of any plugin; every look-up knows it.

Nothing here, or imported at module level, loads torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinema.hooks import hookimpl
from kinema.offers import NoConfig, SolverOffer

if TYPE_CHECKING:
    from kinema.interfaces import Solver


def _euler(config: NoConfig) -> Solver:
    from kinema.solvers import euler

    return euler


def _heun(config: NoConfig) -> Solver:
    from kinema.solvers import heun

    return heun


@hookimpl
def kinema_solvers() -> Iterable[SolverOffer]:
    """The two of Karras et al. 2022."""
    yield SolverOffer(
        name="euler",
        summary="One prediction a step; DDIM of the same levels.",
        factory=_euler,
    )
    yield SolverOffer(
        name="heun",
        summary="Two predictions a step, of second order (Karras et al. 2022, algorithm 1).",
        factory=_heun,
    )
