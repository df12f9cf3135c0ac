"""Weights of the published metrics: what they are called, and how a user's file is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema.files import check_weights, sha256_of_file, torch_reason
from kinema.offers import WeightFile


def absent(metric: str, path: str, records: tuple[WeightFile, ...]) -> WeightsError:
    """The error for weights that are not where ``path`` says; says where they come from."""
    where = f"{path!r} does not hold them" if path else "its option 'path' is not set"
    files = ", ".join(f"{record.path} (licence {record.licence})" for record in records)
    return WeightsError(
        f"The metric {metric!r} needs weights that are not on this machine: {where}. It needs "
        f"{files} from {records[0].hub}; fetch them yourself and name "
        f"{'the file' if len(records) == 1 else 'their folder'} with the option 'path'. "
        "Nothing is downloaded without you. Its offline companions need none."
    )


def read_state(metric: str, file: Path, record: WeightFile) -> dict[str, Tensor]:
    """The tensors of a checkpoint, ``.safetensors`` or of torch; nothing in it is run.

    Raises:
        WeightsError: the file is absent, damaged, holds more than tensors, or is another one than
            its name says.
    """
    if not file.is_file():
        raise absent(metric, str(file), (record,))
    check_weights(file)
    _check_digest(metric, file, record)
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle has errors of many kinds
        raise WeightsError(
            f"The weights {str(file)!r} of {metric!r} cannot be loaded: {torch_reason(error)}."
        ) from None
    if not (isinstance(state, Mapping) and all(isinstance(v, Tensor) for v in state.values())):
        raise WeightsError(
            f"The weights {str(file)!r} of {metric!r} are no mapping of names to tensors, but "
            f"{type(state).__name__}."
        )
    return dict(state)


def _check_digest(metric: str, file: Path, record: WeightFile) -> None:
    """Compare with the digest that is known, or that the published file name begins."""
    begins = record.sha256 or record.path.rpartition("-")[2].partition(".")[0]
    looks = len(begins) in (8, 64) and all(c in "0123456789abcdef" for c in begins)
    if file.name != record.path or not looks:
        return
    digest = sha256_of_file(file)
    if not digest.startswith(begins):
        raise WeightsError(
            f"The weights {str(file)!r} of {metric!r} are not the published ones: their sha256 is "
            f"{digest}, and should begin with {begins}. Is the download complete?"
        )


def load_into(network: nn.Module, state: Mapping[str, Tensor], metric: str, file: Path) -> None:
    """Fill a network; tensors that it does not have are left out.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    needed = network.state_dict()
    wrong = sorted(
        name
        for name, value in needed.items()
        if not name.endswith("num_batches_tracked")
        and (name not in state or state[name].shape != value.shape)
    )
    if wrong:
        raise WeightsError(
            f"The weights {str(file)!r} of {metric!r} are of another network: {len(wrong)} of "
            f"{len(needed)} tensors are missing or have another shape, the first is {wrong[0]!r}."
        )
    network.load_state_dict({name: state[name] for name in needed if name in state}, strict=False)
    network.eval().requires_grad_(False)
