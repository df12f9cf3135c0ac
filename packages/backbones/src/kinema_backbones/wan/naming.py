"""The original names of Wan's networks, and what diffusers and transformers call them."""

from __future__ import annotations

import re

#: Prefixes that community files put before the names of a transformer.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "module.")

_HEAD = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
    "head.head": "proj_out",
}

#: The published class norms before cross-attention by norm3, and before the feed-forward by norm2.
_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm3",
    "norm3": "norm2",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
}
_ATTENTION = {
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "o": "to_out.0",
    "norm_q": "norm_q",
    "norm_k": "norm_k",
    "k_img": "add_k_proj",
    "v_img": "add_v_proj",
    "norm_k_img": "norm_added_k",
}
_SELF_OR_CROSS = {"self_attn": "attn1", "cross_attn": "attn2"}


def transformer_module(name: str) -> str | None:
    """The diffusers path of a module of the original transformer, or None if it is none of them."""
    if name in _HEAD:
        return _HEAD[name]
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    if found is None:
        return None
    block, rest = f"blocks.{found[1]}", found[2]
    if rest in _BLOCK:
        return f"{block}.{_BLOCK[rest]}"
    kind, _, part = rest.partition(".")
    if kind in _SELF_OR_CROSS and part in _ATTENTION:
        return f"{block}.{_SELF_OR_CROSS[kind]}.{_ATTENTION[part]}"
    return None


def underscored_modules(layers: int) -> dict[str, str]:
    """The diffusers path of every module of an original transformer, by its name with underscores.

    Args:
        layers: how many blocks it has.
    """
    parts = [*_BLOCK, *(f"{kind}.{part}" for kind in _SELF_OR_CROSS for part in _ATTENTION)]
    names = [*_HEAD, *(f"blocks.{index}.{part}" for index in range(layers) for part in parts)]
    return {name.replace(".", "_"): str(transformer_module(name)) for name in names}


def of_image_tokens(name: str) -> bool:
    """Whether a module belongs to the image tokens, which not all families have."""
    parts = ("img_emb", "k_img", "v_img", "add_k_proj", "add_v_proj", "norm_added_k")
    return any(part in name for part in (*parts, "image_embedder"))


def transformer_key(key: str) -> str | None:
    """The diffusers name of a tensor of the original transformer, or None if it is none of them.

    Names of diffusers stand for themselves.
    """
    if key == "head.modulation":
        return "scale_shift_table"
    found = re.fullmatch(r"blocks\.(\d+)\.modulation", key)
    if found:
        return f"blocks.{found[1]}.scale_shift_table"
    module, _, leaf = key.rpartition(".")
    named = transformer_module(module)
    return f"{named}.{leaf}" if named else None


def without_prefix(key: str) -> str:
    """A key of a community file without what stands before the transformer's own name."""
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def group(key: str) -> str:
    """The group that a report counts a tensor of the original transformer in."""
    head = key.split(".")[0]
    if head != "blocks":
        return {"img_emb": "image embedding", "patch_embedding": "patch embedding"}.get(
            head, "head" if head == "head" else "time and text embedding"
            if head in ("time_embedding", "time_projection", "text_embedding") else head
        )  # fmt: skip
    part = key.split(".")[2] if key.count(".") > 1 else ""
    return {
        "self_attn": "self-attention",
        "cross_attn": "cross-attention",
        "ffn": "feed-forward",
        "modulation": "modulation",
    }.get(part, "norms" if part.startswith("norm") else part)


# -- encoders -------------------------------------------------------------------------------------

_UMT5 = {
    "norm1": "layer.0.layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm2": "layer.1.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}


def umt5_key(key: str) -> str | None:
    """The name in transformers of a tensor of the original text encoder."""
    if key == "token_embedding.weight":
        return "shared.weight"
    if key == "norm.weight":
        return "encoder.final_layer_norm.weight"
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)\.weight", key)
    if found is None or found[2] not in _UMT5:
        return None
    return f"encoder.block.{found[1]}.{_UMT5[found[2]]}.weight"


_CLIP = {
    "norm1": "layer_norm1",
    "attn.proj": "self_attn.out_proj",
    "norm2": "layer_norm2",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
}
_CLIP_HEAD = {
    "visual.cls_embedding": "vision_model.embeddings.class_embedding",
    "visual.patch_embedding.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.pos_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.pre_norm.weight": "vision_model.pre_layrnorm.weight",
    "visual.pre_norm.bias": "vision_model.pre_layrnorm.bias",
    "visual.post_norm.weight": "vision_model.post_layernorm.weight",
    "visual.post_norm.bias": "vision_model.post_layernorm.bias",
}


def clip_keys(key: str) -> tuple[str, ...]:
    """The names in transformers of a tensor of the original image encoder.

    Three for the joint projection of queries, keys and values; none for what is no part of the
    vision tower, such as the text tower.
    """
    if key in _CLIP_HEAD:
        return (_CLIP_HEAD[key],)
    found = re.fullmatch(r"visual\.transformer\.(\d+)\.(.+)\.(weight|bias)", key)
    if found is None:
        return ()
    layer = f"vision_model.encoder.layers.{found[1]}"
    if found[2] == "attn.to_qkv":
        return tuple(f"{layer}.self_attn.{part}_proj.{found[3]}" for part in "qkv")
    return (f"{layer}.{_CLIP[found[2]]}.{found[3]}",) if found[2] in _CLIP else ()
