"""Weights that the user brings: found by path, and loaded without running what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema.files import check_weights, torch_reason
from kinema.offers import WeightFile


def absent(tracker: str, path: str, records: tuple[WeightFile, ...]) -> WeightsError:
    """The error for weights that are not where ``path`` says; says where they come from."""
    where = f"{path!r} does not hold them" if path else "its option 'path' is not set"
    parts = [
        f"{record.path}"
        + (f" ({record.bytes / 1e6:.0f} MB, " if record.bytes else " (")
        + f"licence {record.licence})"
        for record in records
    ]
    return WeightsError(
        f"{tracker} needs weights that are not on this machine: {where}. It needs "
        f"{', '.join(parts)} from {records[0].hub}; fetch them yourself and name "
        f"{'the file' if len(records) == 1 else 'their folder'} with the option 'path'. "
        "Nothing is downloaded without you."
    )


def load_into(network: nn.Module, file: Path, tracker: str) -> None:
    """Load a checkpoint of plain tensors, which may lie under the key ``model``.

    Raises:
        WeightsError: the file cannot be read, holds more than tensors, or lacks a parameter of the
            network or has it in another shape.
    """
    check_weights(file)
    try:
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle has errors of many kinds
        raise WeightsError(
            f"The {tracker} weights {str(file)!r} cannot be loaded: {torch_reason(error)}."
        ) from None
    if isinstance(state, Mapping) and isinstance(state.get("model"), Mapping):
        state = state["model"]
    if not (isinstance(state, Mapping) and all(isinstance(v, Tensor) for v in state.values())):
        raise WeightsError(
            f"The {tracker} weights {str(file)!r} are no mapping of names to tensors, but "
            f"{type(state).__name__}."
        )
    needed = dict(network.named_parameters())
    missing = sorted(
        name
        for name, value in needed.items()
        if name not in state or state[name].shape != value.shape
    )
    if missing:
        raise WeightsError(
            f"The {tracker} weights {str(file)!r} are of another network: {len(missing)} of "
            f"{len(needed)} tensors are missing or have another shape, the first is {missing[0]!r}."
        )
    network.load_state_dict(dict(state), strict=False)
