"""What a network is told must be numbers: embeddings are looked through before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from torch import Tensor

from kinema.interfaces import Term
from kinema.sampling import check_finite


def check_embeddings(embeddings: Mapping[Term, Any]) -> None:
    """Refuse embeddings that hold NaN or infinity, with the place where.

    Raises:
        NotFiniteError: one does.
    """
    for term, embedding in embeddings.items():
        for place, values in _tensors(embedding, str(term)):
            check_finite(values, f"Before the first step, the embedding {place} holds {{found}}")


def _tensors(value: Any, place: str, depth: int = 3) -> Iterator[tuple[str, Tensor]]:
    """The tensors of floating point in records and collections, each with its place."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield place, value
    elif not depth:
        return
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _tensors(part, f"{place}.{name}", depth - 1)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _tensors(part, f"{place}[{number}]", depth - 1)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _tensors(getattr(value, field.name), f"{place}.{field.name}", depth - 1)
