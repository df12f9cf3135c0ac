"""Networks made trainable, and made again what they were: what the backbones here share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import attrs
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kinema.errors import InputError
from kinema.interfaces import Adaptation, BringsAdapters, Controller
from kinema.noise import seeded
from kinema_backbones.svd.lora import inject_lora, remove_lora

Undo = Callable[[], None]

#: The LoRA that is trained, among those of the network.
TRAINED = "motion"


class Holds(Protocol):
    """A network whose modules read what it holds for the batch at hand."""

    @property
    def held(self) -> tuple[Any, Any] | None:
        """What is held, or None."""

    def hold(self, first: Any, second: Any, /) -> None:
        """Hold this from now on."""

    def release(self) -> None:
        """Let go of it."""


class Recomputed:
    """A block's ``forward`` whose activations are computed again in the backward pass.

    Args:
        forward: the block's own.
        network: whose sites the block reads, or None; what they held in the forward pass is put
            back before the block runs again.
    """

    def __init__(self, forward: Callable[..., Any], network: Holds | None = None) -> None:
        self._forward = forward
        self._network = network

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What ``forward`` returns."""
        if not torch.is_grad_enabled():
            return self._forward(*args, **kwargs)
        network = self._network
        held = network.held if network is not None else None

        def again(*inner: Any, **named: Any) -> Any:
            if network is None or held is None or network.held is not None:
                return self._forward(*inner, **named)
            network.hold(*held)
            try:
                return self._forward(*inner, **named)
            finally:
                network.release()

        return checkpoint(again, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


class CastLinear(nn.Linear):
    """A Linear without bias that keeps its weights in float32 and computes in its input's type."""

    def forward(self, input: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``, of the input's type."""
        return nn.functional.linear(input, self.weight.to(input.dtype))


@attrs.frozen(eq=False)
class Adapted:
    """A network that takes part in training.

    Attributes:
        adaptation: how.
        undo: makes the network bit for bit what it was.
    """

    adaptation: Adaptation
    undo: Undo


def recompute(parts: Iterable[nn.Module], network: Holds | None = None) -> Undo:
    """Recompute these blocks in the backward pass; the returned function ends it."""
    wrapped = list(parts)
    for block in wrapped:
        block.forward = Recomputed(block.forward, network)

    def undo() -> None:
        for block in wrapped:
            del block.forward

    return undo


@contextlib.contextmanager
def own_precision(device: torch.device, dtype: torch.dtype, mixed: bool) -> Iterator[None]:
    """Compute in the backbone's reduced type, whatever autocast an engine has around it.

    Autocast keeps the outputs of norms in float32, which a network whose weights are reduced
    already does not need; it needs it once all of them are trained (``mixed``) in float32.
    """
    if dtype == torch.float32 or device.type not in ("cpu", "cuda"):
        yield
        return
    with torch.autocast(device.type, dtype, enabled=mixed):
        yield


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights under diffusers' names, without LoRA, whatever is attached."""
    return {
        key.replace(".base_layer.", ".").replace(".inner.", "."): value.detach().contiguous()
        for key, value in network.state_dict().items()
        if ".lora_" not in key
    }


def check_trainable(
    name: str, config: Any, wanted: Mapping[str, Any], controller: Controller | None
) -> None:
    """Refuse what a backbone cannot be trained with.

    Args:
        name: of the backbone.
        wanted: the only choice of some options that can be trained.

    Raises:
        InputError: an option has another value, or the controller brings LoRA of its own.
    """
    wrong = {k: getattr(config, k) for k, v in wanted.items() if getattr(config, k) != v}
    if wrong:
        raise InputError(
            f"The backbone {name!r} cannot be trained with {wrong!r}. Set "
            f"{', '.join(f'{option} = {wanted[option]!r}' for option in wrong)}."
        )
    carrier: Any = controller
    if isinstance(carrier, BringsAdapters) and carrier.adapters:
        raise InputError(
            "The controller brings LoRA of its own, which is merged and cannot be trained further. "
            "Build it with lora = false and without adapters."
        )


def add_lora(network: nn.Module, adaptation: Adaptation) -> Undo:
    """Add LoRA that is trained in float32; the returned function takes it off again."""
    flags = {key: p.requires_grad for key, p in network.named_parameters()}
    # peft draws from the global state; a training starts the same however it was reached.
    with seeded(0):
        parameters = inject_lora(network, adaptation.targets, adaptation.rank, TRAINED)
    for parameter in parameters:
        parameter.data = parameter.data.float()
    for path, module in network.named_modules():
        if path.endswith((f".lora_A.{TRAINED}", f".lora_B.{TRAINED}")):
            module.__class__ = CastLinear
        if hasattr(module, "lora_A"):
            module.cast_input_dtype_enabled = False
    return lambda: remove_lora(network, flags)


def free(network: nn.Module) -> Undo:
    """Train all of a network in float32; the returned function brings it back bit for bit."""
    kept = {key: p.detach().cpu().clone() for key, p in network.named_parameters()}
    flags = {key: p.requires_grad for key, p in network.named_parameters()}
    network.requires_grad_(True)
    for parameter in network.parameters():
        parameter.data = parameter.data.float()

    def undo() -> None:
        for key, parameter in network.named_parameters():
            parameter.data = kept[key].to(parameter.device)
            parameter.grad = None
            parameter.requires_grad_(flags[key])

    return undo
