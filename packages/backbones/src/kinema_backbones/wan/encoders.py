"""VAE and encoders of Wan in their original form, as they lie beside an original transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema_backbones.wan import naming
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.tensors import open_tensors
from kinema_backbones.wan.weights import load_tokenizer, text_dtype

VAE = "Wan2.1_VAE.pth"
UMT5 = "models_t5_umt5-xxl-enc-bf16.pth"
CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
TOKENIZER = "google/umt5-xxl"

#: Heads of CLIP's ViT-H, which weights do not tell.
_CLIP_HEADS = 16


class OriginalParts:
    """The networks beside an original transformer.

    Args:
        folder: which holds them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def vae(self, config: WanConfig) -> Any:
        """The VAE of Wan2.1.

        Raises:
            WeightsError: it is absent, or that of another model.
        """
        from diffusers import AutoencoderKLWan
        from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

        with open_tensors(self._found(VAE)) as file:
            state = convert_wan_vae_to_diffusers({key: file.read(key) for key in file.names()})
        wide = state["decoder.conv_in.weight"].shape[0]
        depth = {
            key.split(".")[4] for key in state if key.startswith("decoder.up_blocks.0.resnets")
        }
        with torch.device("meta"):
            vae = AutoencoderKLWan(base_dim=wide // 4, num_res_blocks=max(len(depth) - 1, 1))
        return _filled(vae, state, getattr(torch, config.vae_dtype), self._folder / VAE)

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
        state = renamed(path, lambda key: tuple(filter(None, [naming.umt5_key(key)])), dtype)
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
        return _filled(encoder, state, dtype, path)

    def clip(self, config: WanConfig) -> Any:
        """CLIP's vision tower."""
        from transformers import CLIPVisionConfig, CLIPVisionModel

        path, dtype = self._found(CLIP), getattr(torch, config.dtype)
        state = renamed(path, naming.clip_keys, dtype)
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
        return _filled(encoder, state, dtype, path)

    def _found(self, name: str) -> Path:
        path = self._folder / name
        if not path.exists():
            raise WeightsError(
                f"The folder {str(self._folder)!r} lacks {name}. Name a diffusers folder of Wan as "
                "the option parts, from which VAE and encoders are taken instead."
            )
        return path


def renamed(
    path: Path, names: Callable[[str], tuple[str, ...]], dtype: torch.dtype
) -> dict[str, Tensor]:
    """The tensors of a file under other names; one with several names is split evenly."""
    state: dict[str, Tensor] = {}
    with open_tensors(path) as file:
        for key in file.names():
            wanted = names(key)
            if not wanted:
                continue
            tensor = file.read(key).to(dtype)
            for name, part in zip(wanted, tensor.chunk(len(wanted)), strict=True):
                state[name] = part.contiguous()
    return state


def _layers(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({k.removeprefix(prefix).split(".")[0] for k in state if k.startswith(prefix)})


def _filled(network: nn.Module, state: Mapping[str, Tensor], dtype: torch.dtype, path: Path) -> Any:
    named = network.named_parameters(remove_duplicate=False)
    expected = {key: tuple(parameter.shape) for key, parameter in named}
    wrong = [key for key, shape in expected.items()
             if key not in state or tuple(state[key].shape) != shape]  # fmt: skip
    if wrong:
        raise WeightsError(
            f"{str(path)!r} does not fit: {len(wrong)} tensors are absent or of another shape, "
            f"such as {wrong[:2]!r}."
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
