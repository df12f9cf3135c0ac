"""The original single file of the base."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kinema.errors import WeightsError
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.naming import diffusers_name
from kinema_backbones.svd.official import read_published
from kinema_backbones.svd.single_file import CLIP, UNET, VAE, load_single_file
from kinema_backbones.svd.sizes import Components, NetworkSizes, build_components

CLIP_LAYERS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def original_vae(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A diffusers VAE's tensors under the original names, for a VAE of four levels."""
    rules = [
        (r"(encoder)\.down_blocks\.(\d)\.resnets\.(\d)\.", r"\1.down.\2.block.\3."),
        (r"encoder\.down_blocks\.(\d)\.downsamplers\.0\.", r"encoder.down.\1.downsample."),
        (r"decoder\.up_blocks\.(\d)\.resnets\.(\d)\.", r"decoder.up.<\1>.block.\2."),
        (r"decoder\.up_blocks\.(\d)\.upsamplers\.0\.", r"decoder.up.<\1>.upsample."),
        (r"mid_block\.resnets\.0\.", "mid.block_1."),
        (r"mid_block\.resnets\.1\.", "mid.block_2."),
        (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
        (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
        (r"mid_block\.attentions\.0\.to_(\w)", r"mid.attn_1.\1"),
        (r"temporal_res_block\.norm1", "time_stack.in_layers.0"),
        (r"temporal_res_block\.conv1", "time_stack.in_layers.2"),
        (r"temporal_res_block\.norm2", "time_stack.out_layers.0"),
        (r"temporal_res_block\.conv2", "time_stack.out_layers.3"),
        (r"spatial_res_block\.|time_mixer\.(?=mix)", ""),
        (r"conv_shortcut", "nin_shortcut"),
        (r"conv_norm_out", "norm_out"),
        (r"decoder\.time_conv_out", "decoder.conv_out.time_mix_conv"),
    ]
    named = {}
    for key, tensor in state.items():
        linear = ".to_" in key and key.endswith("weight")
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        # The original counts the decoder's levels from the finest.
        key = re.sub(r"<(\d)>", lambda found: str(3 - int(found[1])), key)
        named[VAE + key] = tensor[:, :, None, None] if linear else tensor
    return named


def original_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """An image encoder's tensors under the original names."""
    named = {"proj": state["visual_projection.weight"].t()}
    pairs = {
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
        "conv1.weight": "embeddings.patch_embedding.weight",
    }
    for leaf in ("weight", "bias"):
        pairs |= {f"ln_pre.{leaf}": f"pre_layrnorm.{leaf}"}
        pairs |= {f"ln_post.{leaf}": f"post_layernorm.{leaf}"}
    named |= {theirs: state[f"vision_model.{ours}"] for theirs, ours in pairs.items()}
    layers = {key.split(".")[3] for key in state if ".layers." in key}
    for layer in layers:
        ours, theirs = f"vision_model.encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for leaf in ("weight", "bias"):
            joined = [state[f"{ours}.self_attn.{part}_proj.{leaf}"] for part in "qkv"]
            named[f"{theirs}.attn.in_proj_{leaf}"] = torch.cat(joined)
            for a, b in CLIP_LAYERS.items():
                named[f"{theirs}.{a}.{leaf}"] = state[f"{ours}.{b}.{leaf}"]
    return {CLIP + key: tensor.contiguous() for key, tensor in named.items()}


@pytest.fixture
def single_file(
    tiny_sizes: NetworkSizes, published_file: Path, tmp_path: Path
) -> tuple[Path, Components]:
    """An original file, and the networks that it was made from."""
    components = build_components(tiny_sizes, seed=3)
    ours = components.unet.state_dict()
    tensors: dict[str, Tensor] = {"model_ema.decay": torch.zeros(1)}
    for key in read_published(published_file):
        name = key.removeprefix(UNET).replace(".linear.", ".")
        if "lora_" in name or "flow_" in name:
            continue
        module, _, leaf = name.rpartition(".")
        place = name if leaf == "mix_factor" else module
        target = diffusers_name(place)
        assert target is not None
        tensors[UNET + name] = ours[target if leaf == "mix_factor" else f"{target}.{leaf}"]
    tensors |= original_vae(components.vae.state_dict())
    tensors |= original_clip(components.image_encoder.state_dict())
    path = tmp_path / "svd.safetensors"
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, path)
    return path, components


def test_the_original_file_loads_as_the_same_networks(
    single_file: tuple[Path, Components], tiny_sizes: NetworkSizes
) -> None:
    path, made_from = single_file
    loaded = load_single_file(path, tiny_sizes, torch.float32)
    for name, module in made_from.all().items():
        state = loaded.all()[name].state_dict()
        for key, value in module.state_dict().items():
            assert torch.equal(state[key], value), (name, key)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        embeds = [SvdBackbone(c).encode_photo(image).image_embeds for c in (loaded, made_from)]
    assert torch.equal(*embeds)


def test_a_file_of_something_else_is_refused(tiny_sizes: NetworkSizes, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"is no Stable Video Diffusion: of model.diffusion_mo"):
        load_single_file(path, tiny_sizes, torch.float32)
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_single_file(path, tiny_sizes, torch.float32)
