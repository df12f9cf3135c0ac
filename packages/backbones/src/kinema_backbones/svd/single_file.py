"""The original single file of Stable Video Diffusion, as one diffusers would load as a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from kinema.errors import WeightsError
from kinema.files import check_weights, torch_reason
from kinema_backbones.svd.naming import diffusers_name
from kinema_backbones.svd.sizes import (
    Components,
    NetworkSizes,
    build_image_encoder,
    build_unet,
    build_vae,
)

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "conditioner.embedders.0.open_clip.model.visual."

_VAE_ATTENTION = {
    "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0",
}  # fmt: skip
_VAE_TIME = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
}
_CLIP_HEAD = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "ln_post.weight": "vision_model.post_layernorm.weight",
    "ln_post.bias": "vision_model.post_layernorm.bias",
}
_CLIP_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def load_single_file(path: Path, sizes: NetworkSizes, dtype: torch.dtype) -> Components:
    """The three networks of an original file such as ``svd_xt.safetensors``.

    Raises:
        WeightsError: the file cannot be read, or lacks a part.
    """
    state = _read(path)
    with torch.device("meta"):
        parts = {UNET: build_unet(sizes), VAE: build_vae(sizes), CLIP: build_image_encoder(sizes)}
    for prefix, module in parts.items():
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        vae32 = prefix == VAE and dtype == torch.float16
        kind = torch.float32 if vae32 else dtype
        renamed = {name: tensor.to(kind) for name, tensor in _renamed(prefix, own, sizes)}
        _fill(module, renamed, path, prefix)
    return Components(unet=parts[UNET], vae=parts[VAE], image_encoder=parts[CLIP])


def _read(path: Path) -> Mapping[str, Tensor]:
    check_weights(path)
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return dict(loaded.get("state_dict", loaded))
    except Exception as error:
        raise WeightsError(
            f"The weights {str(path)!r} cannot be read: {torch_reason(error)}."
        ) from None


def _fill(module: Any, state: Mapping[str, Tensor], path: Path, prefix: str) -> None:
    buffers = {name for name, _ in module.named_buffers()}
    missing = [key for key in module.state_dict() if key not in state and key not in buffers]
    if missing:
        raise WeightsError(
            f"{str(path)!r} is no Stable Video Diffusion: of {prefix}* it lacks {len(missing)} "
            f"tensors, such as {missing[:2]!r}."
        )
    try:
        module.load_state_dict(dict(state), assign=True, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"The tensors {prefix}* of {str(path)!r} do not fit: {error}") from None
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            # Only position ids are buffers here; they are not in the file.
            owner, _, leaf = name.rpartition(".")
            ids = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            module.get_submodule(owner).register_buffer(leaf, ids, persistent=False)


def _renamed(
    prefix: str, state: Mapping[str, Tensor], sizes: NetworkSizes
) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in state.items():
        if prefix == UNET:
            name = _unet_name(key, sizes.layers_per_block)
            if name:
                yield name, tensor
        elif prefix == VAE:
            name = vae_name(key, len(sizes.vae_channels))
            if name:
                # Attention's projections are 1x1 convolutions there and Linear here.
                linear = ".to_" in name and name.endswith("weight")
                yield name, tensor.flatten(1) if linear else tensor
        else:
            yield from clip_tensors(key, tensor)


def _unet_name(key: str, layers: int) -> str | None:
    if key.endswith("mix_factor"):
        return diffusers_name(key, layers)
    module, _, leaf = key.rpartition(".")
    name = diffusers_name(module, layers)
    return name and f"{name}.{leaf}"


def vae_name(key: str, levels: int) -> str | None:
    """The diffusers path of a tensor of the original VAE; None for one that it has no place for."""
    found = re.fullmatch(r"(encoder|decoder)\.(down|up)\.(\d+)\.(block|\w+sample)\.?(.*)", key)
    if found:
        half, way, level, kind, rest = found.groups()
        index = int(level) if way == "down" else levels - 1 - int(level)
        place = f"{half}.{way}_blocks.{index}"
        if kind != "block":
            return f"{place}.{way}samplers.0.{rest}"
        number, _, rest = rest.partition(".")
        return f"{place}.resnets.{number}.{_vae_resnet(half, rest)}"
    found = re.fullmatch(r"(encoder|decoder)\.mid\.(block_[12]|attn_1)\.(.+)", key)
    if found:
        half, part, rest = found.groups()
        if part == "attn_1":
            layer, _, leaf = rest.rpartition(".")
            return f"{half}.mid_block.attentions.0.{_VAE_ATTENTION[layer]}.{leaf}"
        return f"{half}.mid_block.resnets.{int(part[-1]) - 1}.{_vae_resnet(half, rest)}"
    if key.startswith(("encoder.", "decoder.", "quant_conv.")):
        key = key.replace("conv_out.time_mix_conv", "time_conv_out")
        return key.replace(".norm_out", ".conv_norm_out")
    return None


def _vae_resnet(half: str, rest: str) -> str:
    rest = rest.replace("nin_shortcut", "conv_shortcut")
    if half == "encoder":
        return rest
    if rest == "mix_factor":
        return "time_mixer.mix_factor"
    if rest.startswith("time_stack."):
        layer, _, leaf = rest.removeprefix("time_stack.").rpartition(".")
        return f"temporal_res_block.{_VAE_TIME[layer]}.{leaf}"
    return f"spatial_res_block.{rest}"


def clip_tensors(key: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The tensors of transformers' image encoder that one of the original's becomes."""
    if key == "proj":
        yield "visual_projection.weight", tensor.t().contiguous()
    elif key in _CLIP_HEAD:
        yield _CLIP_HEAD[key], tensor
    found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", key)
    if not found:
        return
    place, rest = f"vision_model.encoder.layers.{found[1]}", found[2]
    joined = re.fullmatch(r"attn\.in_proj_(weight|bias)", rest)
    if joined:
        for name, part in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{place}.self_attn.{name}_proj.{joined[1]}", part.contiguous()
        return
    layer, _, leaf = rest.rpartition(".")
    yield f"{place}.{_CLIP_BLOCK[layer]}.{leaf}", tensor
