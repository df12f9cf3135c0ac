"""Self-attention of the U-Net by a chosen kernel per shape."""

from __future__ import annotations

import contextlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from kinema.errors import InputError

#: Batch, heads, length, head size of queries ``(batch, heads, length, size)``.
Shape = tuple[int, int, int, int]

#: From here on, batch times heads no longer fits a CUDA grid dimension in several kernels.
GRID_LIMIT = 65_536

_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}


def installed_kernels(device: torch.device) -> tuple[str, ...]:
    """Names of the kernels that ``auto`` chooses from on this device."""
    if device.type != "cuda":
        return ("sdpa",)
    extra = ("xformers",) if importlib.util.find_spec("xformers") else ()
    return ("sdpa", "flash", "cudnn", "efficient", *extra)


def check_kernel(name: str, device: torch.device) -> None:
    """Refuse a kernel that cannot run here.

    Raises:
        InputError: xformers is not installed, or the device is not CUDA.
    """
    if name == "xformers" and not importlib.util.find_spec("xformers"):
        raise InputError(
            "attention 'xformers' needs the package xformers: install kinema-backbones[xformers], "
            "or choose attention 'auto' or 'sdpa'."
        )
    if name in ("xformers", "cudnn", "efficient") and device.type != "cuda":
        raise InputError(
            f"attention {name!r} runs on CUDA only, and the device is {str(device)!r}. Choose "
            "attention 'auto' or 'sdpa'."
        )


def attend(query: Tensor, key: Tensor, value: Tensor, kernel: str = "sdpa") -> Tensor:
    """Softmax attention of ``(batch, heads, length, size)`` tensors, in chunks below the limit."""
    batch, heads = query.shape[:2]
    if batch * heads < GRID_LIMIT:
        return _attend(query, key, value, kernel)
    size = max((GRID_LIMIT - 1) // heads, 1)
    parts = zip(query.split(size), key.split(size), value.split(size), strict=True)
    return torch.cat([_attend(*part, kernel) for part in parts])


def _attend(query: Tensor, key: Tensor, value: Tensor, kernel: str) -> Tensor:
    if kernel == "xformers":
        from xformers.ops import memory_efficient_attention

        swapped = (tensor.transpose(1, 2) for tensor in (query, key, value))
        attended: Tensor = memory_efficient_attention(*swapped)
        return attended.transpose(1, 2)
    if kernel == "sdpa":
        return nn.functional.scaled_dot_product_attention(query, key, value)
    with sdpa_kernel(_BACKENDS[kernel]):
        return nn.functional.scaled_dot_product_attention(query, key, value)


class KernelAttention:
    """A diffusers attention processor that looks its kernel up by shape.

    Attributes:
        kernel: for shapes that the plan does not name.
        plan: kernel per :func:`shape_name`.
    """

    def __init__(self, kernel: str = "sdpa", plan: Mapping[str, str] | None = None) -> None:
        self.kernel = kernel
        self.plan = dict(plan or {})
        self.attend: Callable[[Tensor, Tensor, Tensor, str], Tensor] = attend

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Attend from ``(batch, length, channels)`` to itself or to the context."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            project(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for project, states in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        kernel = self.plan.get(shape_name(query.shape), self.kernel)
        attended = self.attend(query, key, value, kernel)
        projected: Tensor = attn.to_out[0](attended.transpose(1, 2).flatten(2))
        return projected

    def measure(
        self,
        shapes: Iterable[Shape],
        device: torch.device,
        dtype: torch.dtype,
        kernels: Iterable[str],
    ) -> None:
        """Plan the fastest kernel for each shape that has none yet."""
        for shape in sorted(shapes):
            name = shape_name(shape)
            if name not in self.plan:
                self.plan[name] = fastest(shape, device, dtype, tuple(kernels))


def shape_name(shape: Iterable[int]) -> str:
    """``batch x heads x length x size``, as it stands in a manifest."""
    return "x".join(str(number) for number in shape)


def attention_shapes(unet: Any, videos: int, frames: int, width: int, height: int) -> set[Shape]:
    """Shapes of all self-attentions of the U-Net, for latents of this size.

    Args:
        videos: B times the guidance terms evaluated together.
    """
    channels, heads = unet.config.block_out_channels, unet.config.num_attention_heads
    shapes: set[Shape] = set()
    for level, (width_of, count) in enumerate(zip(channels, heads, strict=True)):
        scale = 2**level
        pixels = -(-height // scale) * -(-width // scale)
        size = width_of // count
        shapes.add((videos * frames, count, pixels, size))
        shapes.add((videos * pixels, count, frames, size))
    return shapes


def fastest(
    shape: Shape, device: torch.device, dtype: torch.dtype, kernels: Iterable[str], rounds: int = 5
) -> str:
    """The kernel with the lowest median time for one shape; ones that refuse it are left out.

    Raises:
        InputError: no kernel can run the shape.
    """
    own = torch.Generator(device).manual_seed(0)
    query, key, value = (
        torch.randn(shape, device=device, dtype=dtype, generator=own) for _ in range(3)
    )
    times: dict[str, float] = {}
    for kernel in kernels:
        with contextlib.suppress(RuntimeError, NotImplementedError, ValueError):
            attend(query, key, value, kernel)
            times[kernel] = statistics.median(_times(query, key, value, kernel, rounds))
    if not times:
        raise InputError(f"No attention kernel can run the shape {shape_name(shape)} on {device}.")
    return min(times, key=lambda name: times[name])


def _times(query: Tensor, key: Tensor, value: Tensor, kernel: str, rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        _synchronise(query.device)
        start = time.perf_counter()
        for _ in range(4):
            attend(query, key, value, kernel)
        _synchronise(query.device)
        yield time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
