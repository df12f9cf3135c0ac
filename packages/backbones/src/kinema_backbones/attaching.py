"""What every backbone here does first when a controller is attached."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kinema.errors import InputError
from kinema.interfaces import Adapter, BringsAdapters, Controller, FitsSites, Site


def readied(
    controller: Controller,
    attached: Controller | None,
    sites: Sequence[Site],
    device: torch.device,
    dtype: torch.dtype,
) -> Sequence[Adapter]:
    """Build a new controller for these sites where the network is, and say which LoRA it brings.

    Raises:
        InputError: another controller is attached, or this one does not fit the sites.
    """
    if attached is not None:
        raise InputError("A controller is attached already; detach it first.")
    if isinstance(controller, FitsSites):
        controller.prepare(sites)
    if isinstance(controller, nn.Module):
        controller.to(device, dtype)
    return controller.adapters if isinstance(controller, BringsAdapters) else ()
