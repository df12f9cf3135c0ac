"""A tiny Wan2.2-TI2V with random weights, to try things out with: its videos are noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinema.files import write_atomically
from kinema.noise import seeded
from kinema_backbones.wan.families import TI2V
from kinema_backbones.wan.sizes import TRANSFORMERS, WIDE_VAE
from kinema_backbones.wan.weights import write_index

#: Text width of the tiny encoder.
_WIDTH = 16

_TRANSFORMER: dict[str, Any] = {
    **TRANSFORMERS["wan2.2-ti2v-5b"],
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "num_layers": 2,
    "ffn_dim": 32,
    "text_dim": _WIDTH,
    "freq_dim": 64,
}
_VAE: dict[str, Any] = {
    **WIDE_VAE,
    "base_dim": 6,
    "decoder_base_dim": 6,
    "dim_mult": [1, 1, 2, 2],
    "num_res_blocks": 1,
}

#: A tokenizer that knows these alone, and takes every other word for the same one.
_WORDS = ("a", "the", "on", "in", "of", "and", "at", "sea", "boat", "night", "day", "red")


def save_random(folder: str | Path, seed: int = 0) -> Path:
    """Write a diffusers folder of a few megabytes, which ``weights=folder`` loads.

    It has all the parts of Wan2.2-TI2V-5B, stride 16 and 48 latent channels among them, at widths
    that a CPU runs within a second.

    Args:
        seed: of the weights.

    Raises:
        InputError: it cannot be written.
    """
    return write_atomically(Path(folder), lambda part: _write(part, seed))


def _write(folder: Path, seed: int) -> None:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    folder.mkdir()
    with seeded(seed):
        network = WanTransformer3DModel(**_TRANSFORMER)
        vae = AutoencoderKLWan(**_VAE)
        encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=len(_WORDS) + 3,
                d_model=_WIDTH,
                d_kv=8,
                d_ff=24,
                num_layers=1,
                num_heads=2,
            )
        )
    network.save_pretrained(folder / "transformer")
    vae.save_pretrained(folder / "vae")
    encoder.save_pretrained(folder / "text_encoder")
    _tokenizer(folder / "tokenizer").save_pretrained(folder / "tokenizer")
    write_index(folder, TI2V)


def _tokenizer(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    marks = ("<pad>", "</s>", "<unk>")
    words = {word: place for place, word in enumerate((*marks, *_WORDS))}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    texts = [{"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB")]
    told: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [texts[0], end],
            "pair": texts,
            "special_tokens": {"</s>": {"id": "</s>", "ids": [words["</s>"]], "tokens": ["</s>"]}},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )
