"""Work and memory of a video, counted on the meta device: no GPU and no weights are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinema_backbones.svd.counting import Counter
from kinema_backbones.wan.text import LENGTH

#: Tokens of CLIP.
PHOTO_TOKENS = 257

#: Frames, channels, height and width of latents.
Shape = tuple[int, int, int, int]


@attrs.frozen
class Count:
    """What a call costs.

    Attributes:
        operations: of matrix products, convolutions and attention; a multiply-add is two.
        kernels: calls that compute something.
        peak: bytes of all tensors made inside, at their worst moment; weights are not among them.
    """

    operations: int
    kernels: int
    peak: int


@contextmanager
def attending(counter: Counter) -> Iterator[None]:
    """Attention that only makes its output: on meta the real one decomposes into more."""
    real = functional.scaled_dot_product_attention

    def attend(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return counter.attend(query, key, value, "sdpa")

    functional.scaled_dot_product_attention = attend
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = real


def count_forward(
    config: Mapping[str, Any], shape: Shape, dtype: torch.dtype = torch.bfloat16, videos: int = 1
) -> Count:
    """One forward of a transformer of this config, for one guidance term.

    Args:
        config: of diffusers.
        shape: (T', C, h, w) of the latents.
    """
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    return _forward(json.dumps(known, sort_keys=True), shape, dtype, videos)


@lru_cache(maxsize=32)
def _forward(config: str, shape: Shape, dtype: torch.dtype, videos: int) -> Count:
    from diffusers import WanTransformer3DModel

    from kinema_backbones.wan.weights import cast

    told = json.loads(config)
    with torch.device("meta"):
        network: Any = WanTransformer3DModel(**told).eval()
        cast(network, dtype)
        frames, _, height, width = shape
        inputs = network.config.in_channels
        patch = network.config.patch_size[-1]
        seen = torch.empty(videos, inputs, frames, height, width, dtype=dtype)
        text = torch.empty(videos, LENGTH, network.config.text_dim, dtype=dtype)
        tokens = None
        if network.config.image_dim is not None:
            tokens = torch.empty(videos, PHOTO_TOKENS, network.config.image_dim, dtype=dtype)
        time = torch.empty(videos)
        if inputs == network.config.out_channels:
            time = torch.empty(videos, frames * (height // patch) * (width // patch))
        counter = Counter()
        counter.exclude([network])
        with torch.no_grad(), attending(counter), counter:
            network(seen, time, text, tokens, return_dict=False)
    return Count(counter.operations, counter.kernels, counter.peak)


def count_vae(config: Mapping[str, Any], shape: Shape, decode: bool, dtype: torch.dtype) -> Count:
    """One encoding or decoding of a whole clip by a VAE of this config.

    Args:
        shape: (T', C, h, w) of the latents.
    """
    known = {key: value for key, value in config.items() if not key.startswith("_")}
    return _vae(json.dumps(known, sort_keys=True), shape, decode, dtype)


@lru_cache(maxsize=32)
def _vae(config: str, shape: Shape, decode: bool, dtype: torch.dtype) -> Count:
    from diffusers import AutoencoderKLWan

    told = json.loads(config)
    frames, channels, height, width = shape
    with torch.device("meta"):
        vae: Any = AutoencoderKLWan(**told).eval()
        # The method of the base class: that of diffusers warns about parts that it lacks.
        nn.Module.to(vae, dtype=dtype)
        counter = Counter()
        counter.exclude([vae])
        stride = vae.config.scale_factor_spatial
        with torch.no_grad(), attending(counter), counter:
            if decode:
                vae.decode(torch.empty(1, channels, frames, height, width, dtype=dtype))
            else:
                clip = 1 + (frames - 1) * vae.config.scale_factor_temporal
                size = (height * stride, width * stride)
                vae.encode(torch.empty(1, 3, clip, *size, dtype=dtype))
    return Count(counter.operations, counter.kernels, counter.peak)


def weight_bytes(module: nn.Module) -> int:
    """Bytes of a network's weights, as they are kept."""
    every = (*module.parameters(), *module.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in every)


def counted_peak(
    parts: Mapping[str, Any], memory: str, shape: Shape, dtype: torch.dtype, tiling: bool = False
) -> int:
    """Bytes that a video needs on the device at its worst moment, the text encoder aside.

    Args:
        parts: the networks by name: transformers, VAE, perhaps an image encoder.
        memory: ``default``, ``offload`` or ``minimal``.
        shape: (T', C, h, w) of the latents.
        tiling: whether the VAE works in tiles.
    """
    weights = {name: weight_bytes(part) for name, part in parts.items()}
    vae = parts["vae"]
    vae_dtype = next(vae.parameters()).dtype
    whole = shape
    if tiling:
        stride = vae.config.scale_factor_spatial
        side = max(1, vae.tile_sample_min_height // stride)
        whole = (shape[0], shape[1], min(shape[2], side), min(shape[3], side))
    work = {"vae": count_vae(vae.config, whole, True, vae_dtype).peak}
    for name in ("transformer", "transformer_2"):
        if name in parts:
            # Blocks run one after another, and their tensors go with them: two tell the peak.
            few = {**parts[name].config, "num_layers": min(2, parts[name].config.num_layers)}
            work[name] = count_forward(few, shape, dtype).peak
    if memory == "default":
        return sum(weights.values()) + max(work.values())
    held = dict(weights)
    if memory == "minimal":
        for name in work.keys() - {"vae"}:
            held[name] = streamed_bytes(parts[name])
    return max(held[name] + work.get(name, 0) for name in weights)


def streamed_bytes(transformer: Any) -> int:
    """Bytes of a transformer that waits elsewhere: two blocks, and all that is no block."""
    blocks = [weight_bytes(block) for block in transformer.blocks]
    return weight_bytes(transformer) - sum(blocks) + sum(sorted(blocks)[-2:])
