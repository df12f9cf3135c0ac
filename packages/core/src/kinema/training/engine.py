"""Processes, devices and precision, through accelerate: one process or many, as it was launched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kinema.training.config import TrainConfig
from kinema.training.optimizers import build_optimizer


class Engine:
    """One process of a training; the processes agree on everything that they report.

    Args:
        accelerator: of accelerate.
        precision: ``no``, ``bf16`` or ``fp16``.
    """

    def __init__(self, accelerator: Any, precision: str) -> None:
        self.accelerator = accelerator
        self.precision = precision
        self.model: Callable[..., Tensor]
        self.optimizer: Any
        self._clip = math.inf

    @property
    def device(self) -> torch.device:
        """Of this process."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def rank(self) -> int:
        """Of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        """How many processes."""
        return int(self.accelerator.num_processes)

    @property
    def main(self) -> bool:
        """Whether this process writes files and calls observers."""
        return self.rank == 0

    def prepare(
        self, objective: nn.Module, trained: Sequence[nn.Parameter], config: TrainConfig
    ) -> None:
        """Wrap the objective for all processes and make its optimizer."""
        optimizer = build_optimizer(trained, config.optimizer)
        self.model, self.optimizer = self.accelerator.prepare(objective, optimizer)
        self._clip = config.optimizer.clip or math.inf

    @property
    def trained(self) -> list[nn.Parameter]:
        """What the optimizer changes."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def losses(self, *inputs: Any) -> Tensor:
        """The model's loss of each clip, with its backward pass."""
        with self.accelerator.accumulate(self.model):
            losses = self.model(*inputs)
            self.accelerator.backward(losses.mean())
        return losses.detach()

    def step(self, rate: float) -> float:
        """Update the weights with the gradients so far; returns the norm that these had.

        Without a finite norm nothing is updated.
        """
        norm = self.accelerator.clip_grad_norm_(self.trained, self._clip)
        length = math.nan if norm is None else float(whole(norm))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # The scaler of fp16 looks itself for what is not finite, and has to be told of every step.
        if math.isfinite(length) or self.precision == "fp16":
            self.optimizer.step()
        self.optimizer.zero_grad()
        return length

    def forget(self) -> None:
        """Drop the gradients so far."""
        if self.precision == "fp16":
            self.optimizer.step()
        self.optimizer.zero_grad()

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean over all processes."""
        if self.world == 1:
            return dict(values)
        together = torch.tensor(list(values.values()), dtype=torch.float64, device="cpu")
        if self.device.type == "mps":
            together = together.float()
        reduced = self.accelerator.reduce(together.to(self.device), "mean")
        return dict(zip(values, reduced.tolist(), strict=True))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Every process holds all parameters as plain tensors while the body runs."""
        spread = [m for m in self._modules() if hasattr(m, "unshard") and hasattr(m, "reshard")]
        for module in spread:
            module.unshard()
        try:
            yield
        finally:
            for module in spread:
                module.reshard()

    @property
    def spread(self) -> bool:
        """Whether the model is in pieces, so that every process must take part in each use."""
        return any(hasattr(module, "unshard") for module in self._modules())

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of training, for what does not go through the model."""
        context: AbstractContextManager[None] = self.accelerator.autocast()
        return context

    def wait(self) -> None:
        """Wait for all processes."""
        self.accelerator.wait_for_everyone()

    def optimizer_tensors(self) -> list[dict[str, Tensor]]:
        """The optimizer's tensors of each of :attr:`trained`, gathered from all processes."""
        kept = self.optimizer.state_dict()["state"]
        return [
            {key: whole(value) for key, value in kept.get(index, {}).items()}
            for index in range(len(self.trained))
        ]

    def set_optimizer_tensors(self, tensors: Sequence[Mapping[str, Tensor]]) -> None:
        """Put back what :meth:`optimizer_tensors` returned, once the weights are in place."""
        kept: dict[int, dict[str, Tensor]] = {}
        for index, (parameter, found) in enumerate(zip(self.trained, tensors, strict=True)):
            for key, tensor in found.items():
                fits = tensor.shape == parameter.shape and key != "step"
                placed = spread_like(parameter, tensor) if fits else tensor
                kept.setdefault(index, {})[key] = placed
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": kept})

    def scaler(self) -> dict[str, float]:
        """State of the scaler of fp16; empty without."""
        scaler = self.accelerator.scaler
        return {} if scaler is None else dict(scaler.state_dict())

    def set_scaler(self, state: Mapping[str, float]) -> None:
        """Put back what :meth:`scaler` returned."""
        if state and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(dict(state))

    def _modules(self) -> list[Any]:
        return list(self.model.modules()) if isinstance(self.model, nn.Module) else []


def whole(tensor: Any) -> Any:
    """A tensor that is spread over processes, gathered; any other as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def spread_like(parameter: Any, tensor: Tensor) -> Tensor:
    """``tensor`` on the device of ``parameter``, and spread over processes as that is."""
    placed = tensor.to(parameter.device)
    if not hasattr(parameter, "device_mesh"):
        return placed
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(placed, parameter.device_mesh, parameter.placements)
