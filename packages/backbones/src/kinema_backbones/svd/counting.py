"""Counting a run on the meta device: operations, kernels and activations, without a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary


class Counter(TorchDispatchMode):
    """Counts while it is active; a multiply-add is two operations.

    Attributes:
        operations: of matrix products, convolutions and attention.
        kernels: calls that compute something; views are free.
        peak: bytes of all tensors made inside, at their worst moment.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.kernels = 0
        self.live = 0
        self.peak = 0
        self._known = WeakIdKeyDictionary()

    def exclude(self, modules: Iterable[nn.Module]) -> None:
        """Leave the weights of these modules out of the memory."""
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                self._known[tensor.untyped_storage()] = 0

    def attend(self, query: Tensor, key: Tensor, value: Tensor, kernel: str) -> Tensor:
        """Attention that only makes its output: on meta the real one decomposes into more."""
        attended: Tensor = _Attention.apply(self, query, key, value)  # type: ignore[no-untyped-call]
        return attended

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in flop_registry:
            self.operations += flop_registry[packet](*args, **(kwargs or {}), out_val=result)
        made = 0
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                made += self._see(tensor)
        self.kernels += bool(made) or packet in flop_registry
        self.peak = max(self.peak, self.live)
        return result

    def _see(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return 0
        size = storage.nbytes()
        self._known[storage] = size
        self.live += size
        _on_death(storage, self, size)
        return 1


class _Attention(torch.autograd.Function):
    """Keeps what a flash kernel keeps for its backward pass, and counts that pass too."""

    @staticmethod
    def forward(ctx: Any, counter: Counter, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The operations of two matrix products."""
        batch, heads, length, size = query.shape
        ctx.counter = counter
        ctx.products = 2 * batch * heads * length * key.shape[2] * size
        counter.operations += 2 * ctx.products
        output = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Five products: a flash kernel computes the weights of attention again."""
        ctx.counter.operations += 5 * ctx.products
        query, key, value, _ = ctx.saved_tensors
        return (None, *(torch.empty_like(tensor) for tensor in (query, key, value)))


def _on_death(storage: Any, counter: Counter, size: int) -> None:
    import weakref

    def free() -> None:
        counter.live -= size

    weakref.finalize(storage, free).atexit = False
