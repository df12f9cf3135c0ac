"""A moving average of the trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """Exponential moving average (Polyak averaging) of parameters, in float32.

    Args:
        parameters: by name; they start the average.
        decay: of each update; smaller at first, so that the start is forgotten.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay = decay
        self.values = {name: p.detach().clone() for name, p in self._parameters.items()}

    def update(self, step: int) -> None:
        """Take in the parameters after ``step`` updates (from 1)."""
        # AveragedModel would copy the whole module, frozen backbone included, and fix the decay.
        average = get_ema_multi_avg_fn(min(self._decay, (1 + step) / (10 + step)))
        average(list(self.values.values()), list(self._parameters.values()), step)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters are the averages while the body runs."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        with torch.no_grad():
            self._copy(self.values)
        try:
            yield
        finally:
            with torch.no_grad():
                self._copy(kept)

    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
