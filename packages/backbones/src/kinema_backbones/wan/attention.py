"""Attention of the transformer by a chosen kernel per shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from kinema_backbones.svd.attention import check_kernel, fastest, installed_kernels, shape_name
from kinema_backbones.wan.config import WanConfig

#: What diffusers calls the kernels.
_BACKENDS = {
    "sdpa": "native",
    "flash": "_native_flash",
    "cudnn": "_native_cudnn",
    "efficient": "_native_efficient",
    "math": "_native_math",
    "xformers": "xformers",
}


class Kernels:
    """Sets the kernel of every attention of the transformers.

    Attributes:
        kernel: for shapes that the plan does not name, and for cross-attention.
        plan: kernel per shape, as a manifest records it.
    """

    def __init__(
        self, transformers: Sequence[Any], config: WanConfig, device: torch.device
    ) -> None:
        self._transformers = transformers
        self._device = device
        self._auto = config.attention == "auto"
        if not self._auto:
            check_kernel(config.attention, device)
        self.kernel = "sdpa" if self._auto else config.attention
        self.plan = dict(config.attention_plan)
        self._set(self.kernel, self.kernel)

    def plan_for(self, count: int, grid: tuple[int, int, int], dtype: torch.dtype) -> None:
        """Choose the kernel of self-attention for B videos of a grid of tokens."""
        config = self._transformers[0].config
        shape = (count, config.num_attention_heads, math.prod(grid), config.attention_head_dim)
        name = shape_name(shape)
        kernels = installed_kernels(self._device)
        if self._auto and name not in self.plan and len(kernels) > 1:
            self.plan[name] = fastest(shape, self._device, dtype, kernels)
        self._set(self.plan.get(name, self.kernel), self.kernel)

    def _set(self, own: str, cross: str) -> None:
        from diffusers.models.attention_dispatch import AttentionBackendName

        for transformer in self._transformers:
            for path, module in transformer.named_modules():
                if path.endswith((".attn1", ".attn2")):
                    kernel = own if path.endswith(".attn1") else cross
                    backend = AttentionBackendName(_BACKENDS[kernel])
                    module.processor._attention_backend = backend
