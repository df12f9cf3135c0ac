"""Texts as the network reads them: UMT5's last layer, kept once per text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

#: Rows of every embedding, zero after the text; cross-attention beside CLIP's tokens counts on it.
LENGTH = 512

#: How many texts' embeddings are kept.
KEPT = 64


class Texts:
    """Embeds texts, each once.

    Args:
        load: the tokenizer and the UMT5 encoder, when they are first needed.
        place: ``resident``, ``offload``, ``cpu`` or ``released``; see ``WanConfig.text_encoder``.
        device: where the network computes.
    """

    def __init__(
        self, load: Callable[[], tuple[Any, Any]], place: str, device: torch.device
    ) -> None:
        self._load = load
        self._place = place
        self._device = device
        self._loaded: tuple[Any, Any] | None = None
        self._known: dict[str, Tensor] = {}

    @property
    def loaded(self) -> bool:
        """Whether the encoder is in memory."""
        return self._loaded is not None

    def missing(self, texts: Sequence[str]) -> bool:
        """Whether the encoder is needed for any of these."""
        return any(cleaned(text) not in self._known for text in texts)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Embeddings ``(B, 512, D)``, on the CPU, of the type that the encoder computes in.

        Raises:
            WeightsError: a text is new, and the encoder is absent.
        """
        wanted = [cleaned(text) for text in texts]
        new = [text for text in dict.fromkeys(wanted) if text not in self._known]
        if new:
            self._embed(new)
        # What was asked for last is kept longest; a data set has more captions than memory holds.
        rows = [self._known.setdefault(text, self._known.pop(text)) for text in wanted]
        for text in list(self._known)[: -max(KEPT, len(wanted))]:
            del self._known[text]
        return padded(rows)

    def rows(self, text: str) -> Tensor:
        """The embedding of a text without the rows after it, ``(n, D)``."""
        self([text])
        return self._known[cleaned(text)]

    @torch.no_grad()
    def _embed(self, texts: Sequence[str]) -> None:
        if self._loaded is None:
            self._loaded = self._load()
        tokenizer, encoder = self._loaded
        device = torch.device("cpu") if self._place == "cpu" else self._device
        encoder.to(device)
        for text in texts:
            told = tokenizer(
                [text],
                padding="max_length",
                max_length=LENGTH,
                truncation=True,
                add_special_tokens=True,
                return_attention_mask=True,
                return_tensors="pt",
            )
            ids, mask = told.input_ids.to(device), told.attention_mask.to(device)
            states = encoder(ids, mask).last_hidden_state[0]
            self._known[text] = states[: int(mask.sum())].cpu()
        if self._place == "offload":
            encoder.to("cpu")
        elif self._place == "released":
            self._loaded = None


def padded(rows: Sequence[Tensor]) -> Tensor:
    """Embeddings ``(n, D)`` of several lengths as ``(B, 512, D)``, zero after each."""
    embeddings = rows[0].new_zeros(len(rows), LENGTH, rows[0].shape[-1])
    for place, row in enumerate(rows):
        embeddings[place, : len(row)] = row
    return embeddings


def cleaned(text: str) -> str:
    """A text as the published code cleans it: mended letters, no entities, single spaces."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return re.sub(r"\s+", " ", text).strip()
