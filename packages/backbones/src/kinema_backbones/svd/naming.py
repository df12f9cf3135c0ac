"""The original names of Stable Video Diffusion's U-Net, and what diffusers calls them."""

from __future__ import annotations

import re

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_HEAD = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_MIDDLE = ("resnets.0", "attentions.0", "resnets.1")


def diffusers_name(module: str, layers: int = 2) -> str | None:
    """The diffusers path of a module of the original U-Net, or None if it is none of them.

    Args:
        module: path below ``model.diffusion_model``, without ``weight`` or ``bias``; for a mixing
            factor, the path with ``mix_factor``.
        layers: resnets per level on the way down.
    """
    if module in _HEAD:
        return _HEAD[module]
    found = re.fullmatch(r"(input_blocks|output_blocks)\.(\d+)\.(\d+)\.(.+)", module)
    if found:
        kind, block, part, rest = found[1], int(found[2]), int(found[3]), found[4]
        place = _down(block, part, rest, layers) if kind == "input_blocks" else None
        place = place or (_up(block, part, rest, layers) if kind == "output_blocks" else None)
    else:
        found = re.fullmatch(r"middle_block\.([012])\.(.+)", module)
        if not found:
            return None
        rest = found[2]
        place = f"mid_block.{_MIDDLE[int(found[1])]}"
    if place is None:
        return None
    if place.endswith("samplers.0"):
        return f"{place}.conv"
    inner = _resnet(rest) if ".resnets." in place else _transformer(rest)
    return None if inner is None else f"{place}.{inner}"


def _down(block: int, part: int, rest: str, layers: int) -> str | None:
    level, layer = divmod(block - 1, layers + 1)
    if layer == layers:
        return f"down_blocks.{level}.downsamplers.0" if rest == "op" else None
    return f"down_blocks.{level}.{('resnets', 'attentions')[part]}.{layer}"


def _up(block: int, part: int, rest: str, layers: int) -> str | None:
    level, layer = divmod(block, layers + 1)
    if part and rest == "conv":
        return f"up_blocks.{level}.upsamplers.0" if layer == layers else None
    return f"up_blocks.{level}.{('resnets', 'attentions')[part]}.{layer}" if part < 2 else None


def _resnet(rest: str) -> str | None:
    if rest == "time_mixer.mix_factor":
        return rest
    if rest.startswith("time_stack."):
        name = _RESNET.get(rest.removeprefix("time_stack."))
        return name and f"temporal_res_block.{name}"
    name = _RESNET.get(rest)
    return name and f"spatial_res_block.{name}"


def _transformer(rest: str) -> str:
    rest = rest.replace("time_stack.", "temporal_transformer_blocks.", 1)
    rest = rest.replace("time_pos_embed.0", "time_pos_embed.linear_1")
    return rest.replace("time_pos_embed.2", "time_pos_embed.linear_2")
