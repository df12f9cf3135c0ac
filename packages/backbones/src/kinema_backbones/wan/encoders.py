"""VAE and encoders of Wan in their original form, as they lie beside an original transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema_backbones.wan import naming
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.sizes import WIDE_LATENTS
from kinema_backbones.wan.tensors import open_tensors
from kinema_backbones.wan.weights import load_tokenizer, text_dtype
from kinema_backbones.wan.wide_vae import is_wide, wide_vae_config, wide_vae_key

VAE = "Wan2.1_VAE.pth"
WIDE = "Wan2.2_VAE.pth"
UMT5 = "models_t5_umt5-xxl-enc-bf16.pth"
CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
TOKENIZER = "google/umt5-xxl"

_WAN21, _WAN22 = "Wan-AI/Wan2.1-I2V-14B-480P", "Wan-AI/Wan2.2-TI2V-5B"

#: Where each file was published in this form, and how large it is.
_PUBLISHED = {
    VAE: (_WAN21, "0.5 GB"),
    WIDE: (_WAN22, "2.8 GB"),
    UMT5: (_WAN21, "11.4 GB"),
    CLIP: (_WAN21, "4.8 GB"),
    TOKENIZER: (_WAN21, "a folder of 20 MB"),
}

#: Heads of CLIP's ViT-H, which weights do not tell.
_CLIP_HEADS = 16


class OriginalParts:
    """The networks beside an original transformer.

    Args:
        folder: which holds them.
        channels: latent channels of the transformer, by which its VAE is chosen.

    Attributes:
        report: of what was read so far, how many tensors were used and unused, by network.
    """

    def __init__(self, folder: Path, channels: int = 16) -> None:
        self._folder = folder
        self._vae = WIDE if channels == WIDE_LATENTS else VAE
        self.report: dict[str, dict[str, int]] = {"used": {}, "unused": {}}

    def check(self, tokens: bool, texts: bool = True) -> None:
        """Refuse a folder that lacks a part, before anything large is read.

        Args:
            tokens: whether the transformer needs CLIP.
            texts: whether the text encoder is needed.

        Raises:
            WeightsError: some are absent; all of them are named.
        """
        wanted = [self._vae, *([CLIP] if tokens else []), *([UMT5, TOKENIZER] if texts else [])]
        absent = [name for name in wanted if not self._place(name).exists()]
        if absent:
            raise WeightsError(lacking(self._folder, absent))

    def vae(self, config: WanConfig) -> Any:
        """The VAE of Wan2.1 and A14B, or that of TI2V-5B.

        Raises:
            WeightsError: it is absent, or that of another model.
        """
        from diffusers import AutoencoderKLWan
        from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

        path = self._found(self._vae)
        with open_tensors(path) as file:
            state = {key: file.read(key) for key in file.names()}
        try:
            if is_wide(state):
                told = wide_vae_config({key: tuple(value.shape) for key, value in state.items()})
                named = {wide_vae_key(key) or key: value for key, value in state.items()}
            else:
                named = convert_wan_vae_to_diffusers(state)
                told = _vae_config(named)
            with torch.device("meta"):
                vae = AutoencoderKLWan(**told)
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{str(path)!r} holds no VAE of Wan: {error}.") from None
        network = _filled(vae, named, getattr(torch, config.vae_dtype), path)
        self._count("VAE", network, len(named))
        return network

    def texts(self, config: WanConfig) -> tuple[Any, Any]:
        """The tokenizer and UMT5's encoder.

        Raises:
            WeightsError: one is absent or does not fit.
        """
        from transformers import AutoTokenizer

        tokenizer = load_tokenizer(AutoTokenizer, self._found(TOKENIZER))
        return tokenizer, self.umt5(text_dtype(config))

    def umt5(self, dtype: torch.dtype) -> Any:
        """UMT5's encoder."""
        from transformers import UMT5Config, UMT5EncoderModel

        path = self._found(UMT5)
        state, unused = renamed(
            path, lambda key: tuple(filter(None, [naming.umt5_key(key)])), dtype
        )
        vocabulary, width = state["shared.weight"].shape
        first = "encoder.block.0.layer"
        buckets, heads = state[f"{first}.0.SelfAttention.relative_attention_bias.weight"].shape
        config = UMT5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=state[f"{first}.0.SelfAttention.q.weight"].shape[0] // heads,
            d_ff=state[f"{first}.1.DenseReluDense.wi_0.weight"].shape[0],
            num_layers=_layers(state, "encoder.block."),
            num_heads=heads,
            relative_attention_num_buckets=buckets,
            feed_forward_proj="gated-gelu",
        )
        with torch.device("meta"):
            encoder = UMT5EncoderModel(config)
        state["encoder.embed_tokens.weight"] = state["shared.weight"]
        self.report["used"]["text encoder"] = len(state) - 1
        self.report["unused"]["text encoder"] = unused
        return _filled(encoder, state, dtype, path)

    def clip(self, config: WanConfig) -> Any:
        """CLIP's vision tower."""
        from transformers import CLIPVisionConfig, CLIPVisionModel

        path, dtype = self._found(CLIP), getattr(torch, config.dtype)
        state, unused = renamed(path, naming.clip_keys, dtype)
        embeddings = "vision_model.embeddings"
        patch = state[f"{embeddings}.patch_embedding.weight"]
        places = state[f"{embeddings}.position_embedding.weight"].flatten(0, -2)
        state[f"{embeddings}.position_embedding.weight"] = places
        state[f"{embeddings}.class_embedding"] = state[f"{embeddings}.class_embedding"].flatten()
        width, side = len(patch), round((len(places) - 1) ** 0.5)
        layers = "vision_model.encoder.layers."
        told = CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=state[f"{layers}0.mlp.fc1.weight"].shape[0],
            num_hidden_layers=_layers(state, layers),
            num_attention_heads=_CLIP_HEADS if width % _CLIP_HEADS == 0 else 1,
            image_size=side * patch.shape[-1],
            patch_size=patch.shape[-1],
            hidden_act="gelu",
        )
        with torch.device("meta"):
            encoder = CLIPVisionModel(told)
        # Newer versions of transformers leave the name of the tower out.
        if not any(key.startswith("vision_model.") for key in encoder.state_dict()):
            state = {key.removeprefix("vision_model."): value for key, value in state.items()}
        self.report["used"]["image encoder"] = len(state)
        self.report["unused"]["text tower of CLIP"] = unused
        return _filled(encoder, state, dtype, path)

    def _place(self, name: str) -> Path:
        path = self._folder / name
        safe = path.with_suffix(".safetensors")
        return safe if safe.is_file() and not path.exists() else path

    def _found(self, name: str) -> Path:
        path = self._place(name)
        if not path.exists():
            raise WeightsError(lacking(self._folder, [name]))
        return path

    def _count(self, part: str, network: nn.Module, read: int) -> None:
        used = sum(1 for _ in network.parameters())
        self.report["used"][part] = used
        self.report["unused"][part] = read - used


def lacking(folder: Path, names: Sequence[str]) -> str:
    """What to say of a folder without these files: what they are, from where and how large."""
    told = [f"{name} ({_PUBLISHED[name][1]}, from {_PUBLISHED[name][0]})" for name in names]
    return (
        f"The folder {str(folder)!r} lacks {', '.join(told)}. Put what is named there, or name a "
        "diffusers folder of Wan as the option parts, from which VAE and encoders are taken "
        "instead."
    )


def _vae_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Of Wan2.1's VAE, by its names in diffusers."""
    first = "decoder.up_blocks.0.resnets"
    resnets = {key.split(".")[4] for key in state if key.startswith(first)}
    return {
        "base_dim": state["decoder.conv_in.weight"].shape[0] // 4,
        "num_res_blocks": max(len(resnets) - 1, 1),
    }


def renamed(
    path: Path, names: Callable[[str], tuple[str, ...]], dtype: torch.dtype
) -> tuple[dict[str, Tensor], int]:
    """The tensors of a file under other names; one with several names is split evenly.

    Returns:
        The tensors, and how many of the file have no name.
    """
    state: dict[str, Tensor] = {}
    unused = 0
    with open_tensors(path) as file:
        for key in file.names():
            wanted = names(key)
            if not wanted:
                unused += 1
                continue
            tensor = file.read(key).to(dtype)
            for name, part in zip(wanted, tensor.chunk(len(wanted)), strict=True):
                state[name] = part.contiguous()
    return state, unused


def _layers(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({k.removeprefix(prefix).split(".")[0] for k in state if k.startswith(prefix)})


def _filled(network: nn.Module, state: Mapping[str, Tensor], dtype: torch.dtype, path: Path) -> Any:
    named = network.named_parameters(remove_duplicate=False)
    expected = {key: tuple(parameter.shape) for key, parameter in named}
    absent = [key for key in expected if key not in state]
    if absent:
        raise WeightsError(
            f"{str(path)!r} lacks {len(absent)} tensors, such as {absent[:2]!r} by their names "
            "here. Is the download complete?"
        )
    wrong = [
        f"{key} is {tuple(state[key].shape)!r} and must be {shape!r}"
        for key, shape in expected.items()
        if tuple(state[key].shape) != shape
    ]
    if wrong:
        raise WeightsError(
            f"{str(path)!r} does not fit: {len(wrong)} tensors have another shape: "
            f"{'; '.join(wrong[:2])}."
        )
    for key in expected:
        place, _, leaf = key.rpartition(".")
        module = network.get_submodule(place)
        module._parameters[leaf] = nn.Parameter(state[key].to(dtype), requires_grad=False)
    for place, buffer in list(network.named_buffers()):
        if buffer.is_meta:
            path_of, _, leaf = place.rpartition(".")
            owner = network.get_submodule(path_of)
            owner._buffers[leaf] = torch.arange(buffer.shape[-1]).expand(buffer.shape)
    return network.eval()
