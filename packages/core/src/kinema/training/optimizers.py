"""The optimizers of a training: torch's AdamW, and Muon for networks that begin from nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.training.config import OptimizerConfig

#: Of the mean of the gradients, and the coefficients of one round that brings all singular values
#: towards 1 (Jordan et al., Muon, 2024).
MOMENTUM = 0.95
ROUNDS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315

#: A matrix narrower than this is stepped by AdamW.
NARROWEST = 8


def build_optimizer(
    trained: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The optimizer that a recipe names.

    Raises:
        InputError: it is ``muon`` and the weights are spread over processes.
    """
    options: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": (config.beta1, config.beta2),
        "eps": config.epsilon,
        "weight_decay": config.weight_decay,
    }
    kind = Muon if config.name == "muon" else torch.optim.AdamW
    return kind(list(trained), **options)


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for matrices (Jordan et al., Muon, 2024), AdamW's for all other weights.

    A convolution counts as a matrix of its outputs by all that each of them sees. Steps are scaled
    to the size of AdamW's (Liu et al., Muon is scalable for LLM training, 2025, section 2.2), so
    both kinds share one learning rate.

    Args:
        parameters: to be trained.
        lr: learning rate.
        betas: of AdamW.
        eps: of AdamW.
        weight_decay: decoupled, of both.

    Raises:
        InputError: a parameter is spread over processes, as FSDP2 does.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        if any(hasattr(parameter, "device_mesh") for parameter in parameters):
            raise InputError(
                "The optimizer 'muon' needs whole matrices, but these are spread over processes. "
                "Use 'adamw' with FSDP2, or plain data parallelism."
            )
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            trained = [p for p in group["params"] if p.grad is not None]
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in trained:
                if is_matrix(parameter):
                    alike.setdefault(tuple(parameter.flatten(1).shape), []).append(parameter)
                else:
                    self._update(parameter, self._scaled(parameter, group), group)
            # Small matrices of one shape are far faster together.
            for shape, parameters in alike.items():
                means = torch.stack([self._mean(parameter).flatten(1) for parameter in parameters])
                steps = orthogonal(means) * (0.2 * math.sqrt(max(shape)))
                for parameter, change in zip(parameters, steps, strict=True):
                    self._update(parameter, change.view_as(parameter), group)

    def _update(self, parameter: Tensor, change: Tensor, group: Mapping[str, Any]) -> None:
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(change.to(parameter.dtype), alpha=-group["lr"])

    def _mean(self, parameter: Tensor) -> Tensor:
        """The mean of the gradients so far, with the last one counted once more (Nesterov)."""
        gradient = parameter.grad
        assert gradient is not None
        mean: Tensor = self.state[parameter].setdefault("exp_avg", torch.zeros_like(gradient))
        mean.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(mean, MOMENTUM)

    def _scaled(self, parameter: Tensor, group: Mapping[str, Any]) -> Tensor:
        """AdamW's step."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        first, second = group["betas"]
        mean = state.setdefault("exp_avg", torch.zeros_like(gradient))
        square = state.setdefault("exp_avg_sq", torch.zeros_like(gradient))
        count = state.setdefault("step", torch.zeros((), device="cpu"))
        count += 1
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        deviation = (square / (1 - second ** count.item())).sqrt() + group["eps"]
        change: Tensor = mean / (1 - first ** count.item()) / deviation
        return change


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon takes orthogonal steps along it."""
    return parameter.ndim >= 2 and min(parameter.flatten(1).shape) >= NARROWEST


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest matrices ``(B, N, M)`` with orthonormal rows or columns, float32.

    Singular values end within about [0.7, 1.2] after five Newton-Schulz rounds in bfloat16.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = (x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)).bfloat16()
    for _ in range(ROUNDS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, polynomial, x, beta=_A)
    turned: Tensor = x.mT if tall else x
    return turned.float()
