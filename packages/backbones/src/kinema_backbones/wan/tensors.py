"""Files of tensors, read one tensor at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from kinema.errors import WeightsError
from kinema.files import check_weights, torch_reason


class TensorFile(Protocol):
    """An open file of tensors."""

    def names(self) -> Iterable[str]:
        """Names of its tensors."""

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a tensor, which need not be read for it."""

    def read(self, key: str) -> Tensor:
        """A tensor, on the CPU."""


class _Safe:
    def __init__(self, file: Any) -> None:
        self._file = file

    def names(self) -> Iterable[str]:
        found: Iterable[str] = self._file.keys()
        return found

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._file.get_slice(key).get_shape())

    def read(self, key: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(key)
        return tensor


class _Pickled:
    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state

    def names(self) -> Iterable[str]:
        return self._state.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._state[key].shape)

    def read(self, key: str) -> Tensor:
        return self._state[key]


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """A .safetensors file, or a pickle of tensors alone, which is mapped and not read.

    Raises:
        WeightsError: it is absent or damaged, or holds anything but tensors.
    """
    check_weights(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                yield _Safe(file)
            return
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {str(path)!r} cannot be read: {error}.") from None
    yield _Pickled(_unpickled(path))


def _unpickled(path: Path) -> Mapping[str, Tensor]:
    try:
        # The older form of pickles is no archive, and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        raise WeightsError(f"The weights {str(path)!r} cannot be read: {error}.") from None
    except Exception as error:  # pickle has errors of many kinds
        raise WeightsError(
            f"The weights {str(path)!r} cannot be read as tensors alone: {torch_reason(error)}."
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"The weights {str(path)!r} hold something else than tensors.")
    return state
