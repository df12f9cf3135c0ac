"""Which of the three networks is on the device, and when."""

from __future__ import annotations

from typing import Any

import torch

from kinema_backbones.svd.sizes import Components


class Residence:
    """Keeps the networks where the memory mode says.

    ``default`` all on the device; ``offload`` only the one at work; ``minimal`` the U-Net layer by
    layer and the other two only while at work.

    Args:
        mode: ``default``, ``offload`` or ``minimal``.
    """

    def __init__(self, components: Components, device: torch.device, mode: str) -> None:
        self._parts = components.all()
        self._device = device
        self._mode = mode
        self._grouped = False
        self._at_work = ""

    def start(self) -> None:
        """Put the networks where they wait."""
        for part in self._parts.values():
            part.to(self._device if self._mode == "default" else "cpu")

    def enter(self, name: str) -> None:
        """One of ``unet``, ``vae``, ``image_encoder`` is about to work."""
        if self._mode == "default" or name == self._at_work:
            return
        self._at_work = name
        for other, part in self._parts.items():
            if other != name and not (other == "unet" and self._grouped):
                part.to("cpu")
        if name == "unet" and self._mode == "minimal":
            self._group()
        else:
            self._parts[name].to(self._device)

    def release(self) -> None:
        """Take the layer-by-layer hooks off the U-Net, so that its modules may be changed."""
        self._at_work = ""
        if not self._grouped:
            return
        from diffusers.hooks import HookRegistry

        for module in self._parts["unet"].modules():
            registry: Any = getattr(module, "_diffusers_hook", None)
            if isinstance(registry, HookRegistry):
                for hook in list(registry.hooks):
                    registry.remove_hook(hook, recurse=False)
        self._parts["unet"].to("cpu")
        self._grouped = False

    def _group(self) -> None:
        if self._grouped:
            return
        from diffusers.hooks import apply_group_offloading

        apply_group_offloading(
            self._parts["unet"],
            onload_device=self._device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=self._device.type == "cuda",
        )
        self._grouped = True
