"""DeepSpeed's ZeRO stages 1 and 2: optimizer state, and gradients, in pieces on the processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.training.config import TrainConfig
from kinema.training.engine import Engine
from kinema.training.optimizers import build_optimizer

STAGES = (1, 2)

#: AdamW's tensors that have the shape of their parameter.
MOMENTS = ("exp_avg", "exp_avg_sq")


class ZeroEngine(Engine):
    """An engine whose updates DeepSpeed makes (Rajbhandari et al., ZeRO, 2020).

    Weights stay whole and in float32 on every process, and the recipe decides on precision, batch,
    accumulation and clipping, whatever DeepSpeed's own configuration says. Checkpoints hold what
    those of any other engine hold.

    Args:
        accelerator: of accelerate, with a DeepSpeed plugin.
        precision: ``no`` or ``bf16``.

    Raises:
        InputError: the stage or the precision is another.
    """

    def __init__(self, accelerator: Any, precision: str) -> None:
        super().__init__(accelerator, precision)
        stage = accelerator.state.deepspeed_plugin.zero_stage
        if stage not in STAGES:
            raise InputError(
                f"DeepSpeed was asked for ZeRO stage {stage!r}; kinema trains with stage 1 or 2. "
                "To spread the weights as well, choose FSDP2 in accelerate's configuration."
            )
        if precision == "fp16":
            raise InputError("DeepSpeed needs precision = 'bf16' or 'no', got 'fp16'.")
        self._whole: list[nn.Parameter] = []
        self._passes = 0
        self._accumulation = 1
        self._zero: Any

    @property
    def trained(self) -> list[nn.Parameter]:
        """What is trained; the optimizer itself only sees flat pieces of it."""
        return self._whole

    @property
    def _linked(self) -> Sequence[Any]:
        """The same, each with DeepSpeed's methods that reach its piece of the optimizer's state."""
        return self._whole

    def prepare(
        self, objective: nn.Module, trained: Sequence[nn.Parameter], config: TrainConfig
    ) -> None:
        """Hand objective and optimizer over to DeepSpeed.

        Raises:
            InputError: the optimizer is ``muon``.
        """
        if config.optimizer.name != "adamw":
            raise InputError(
                f"The optimizer {config.optimizer.name!r} needs whole matrices, which DeepSpeed "
                "flattens. Use 'adamw' with DeepSpeed, or plain data parallelism."
            )
        self._whole, self._accumulation = list(trained), config.accumulation
        self.accelerator.state.deepspeed_plugin.deepspeed_config.update(
            train_micro_batch_size_per_gpu=config.batch // self.world,
            gradient_accumulation_steps=config.accumulation,
            train_batch_size=config.batch * config.accumulation,
            gradient_clipping=config.optimizer.clip,
            bf16={"enabled": False},
            fp16={"enabled": False},
        )
        optimizer = build_optimizer(trained, config.optimizer)
        self._zero, self.optimizer = self.accelerator.prepare(objective, optimizer)
        self.model = self._forward

    def _forward(self, *inputs: Any) -> Tensor:
        with self.autocast():
            losses: Tensor = self._zero(*inputs)
        return losses.float()

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of training."""
        context: AbstractContextManager[None] = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bf16"
        )
        return context

    def losses(self, *inputs: Any) -> Tensor:
        """The model's loss of each clip, with its backward pass."""
        losses = self.model(*inputs)
        self._passes += 1
        self._zero.set_gradient_accumulation_boundary(self._passes % self._accumulation == 0)
        self._zero.backward(losses.mean())
        return losses.detach()

    def step(self, rate: float) -> float:
        """Update the weights with the gradients so far; returns the norm that these had.

        Without a finite norm DeepSpeed updates nothing.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._zero.step()
        norm = float(self._zero.get_global_grad_norm())
        return norm if math.isfinite(norm) else math.nan

    def forget(self) -> None:
        """Drop the gradients so far."""
        self.step(0.0)

    def optimizer_tensors(self) -> list[dict[str, Tensor]]:
        """The optimizer's tensors of each of :attr:`trained`, gathered from all processes."""
        counts = [state["step"] for state in self._zero.optimizer.optimizer.state.values()]
        if not counts:
            return [{} for _ in self.trained]
        return [
            {key: parameter.get_full_hp_param(key) for key in MOMENTS} | {"step": counts[0].clone()}
            for parameter in self._linked
        ]

    def set_optimizer_tensors(self, tensors: Sequence[Mapping[str, Tensor]]) -> None:
        """Put back what an engine's ``optimizer_tensors`` returned, and take up the weights."""
        zero = self._zero.optimizer
        zero.refresh_fp32_params()
        counts = [found["step"] for found in tensors if "step" in found]
        if not counts:
            return
        for group in zero.optimizer.param_groups:
            for piece in group["params"]:
                moments = {key: torch.zeros_like(piece) for key in MOMENTS}
                zero.optimizer.state[piece] = {"step": counts[0].clone(), **moments}
        # Else DeepSpeed would do so within its first step, too late to put anything there.
        zero._lazy_init_hp_params_optimizer_state()
        for parameter, found in zip(self._linked, tensors, strict=True):
            for key in MOMENTS:
                parameter.set_full_hp_param(found[key].to(parameter.device), key)
