"""Which of the networks is on the device, and when; and in how many bytes its weights wait."""

from __future__ import annotations

from typing import Any

import torch

from kinema_backbones.wan.weights import Components


class Residence:
    """Keeps the networks where the memory mode says.

    ``default`` all on the device; ``offload`` only the one at work; ``minimal`` the transformers
    block by block (the group offload of diffusers) and the others only while at work.

    Args:
        mode: ``default``, ``offload`` or ``minimal``.
    """

    def __init__(self, components: Components, device: torch.device, mode: str) -> None:
        self._parts = components.all()
        self._experts = set(components.experts())
        self._device = device
        self._mode = mode
        self._grouped: set[str] = set()
        self._at_work = ""

    def start(self) -> None:
        """Put the networks where they wait."""
        for part in self._parts.values():
            part.to(self._device if self._mode == "default" else "cpu")

    def enter(self, name: str) -> None:
        """One of the networks, or ``text``, is about to work."""
        if self._mode == "default" or name == self._at_work:
            return
        self._at_work = name
        for other, part in self._parts.items():
            if other != name and other not in self._grouped:
                part.to("cpu")
        if name in self._experts and self._mode == "minimal":
            self._group(name)
        elif name in self._parts:
            self._parts[name].to(self._device)

    def release(self) -> None:
        """Take the block-by-block hooks off, so that modules may be changed."""
        self._at_work = ""
        from diffusers.hooks import HookRegistry

        for name in self._grouped:
            for module in self._parts[name].modules():
                registry: Any = getattr(module, "_diffusers_hook", None)
                if isinstance(registry, HookRegistry):
                    for hook in [h for h in registry.hooks if "group_offloading" in h]:
                        registry.remove_hook(hook, recurse=False)
            self._parts[name].to("cpu")
        self._grouped.clear()

    def _group(self, name: str) -> None:
        if name in self._grouped:
            return
        from diffusers.hooks import apply_group_offloading

        apply_group_offloading(
            self._parts[name],
            onload_device=self._device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=self._device.type == "cuda",
        )
        self._grouped.add(name)


def store_in_float8(transformer: Any, dtype: torch.dtype) -> None:
    """Keep the weights of the blocks in 8 bits and cast each for its use (diffusers).

    What is as sensitive as it is small stays as it is: embeddings, norms, and the tables of scale
    and shift.
    """
    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
