"""Transformers of Wan in their original form: folders of shards and single files, streamed.

The published Wan, Wan-Move and ATI share it; community files may put a prefix before every name,
and keep the weights in 16 or 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema.pretrained import read_table
from kinema_backbones.wan import naming
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.families import family_of
from kinema_backbones.wan.tensors import TensorFile, open_tensors
from kinema_backbones.wan.weights import (
    Components,
    keeps_float32,
    load_image_encoder,
    load_texts,
    load_vae,
)

#: Sub-folders of the two experts, strong noise first.
EXPERTS = ("high_noise_model", "low_noise_model")

#: Width of an attention head, which weights do not tell.
HEAD = 128

#: What a scaled 8-bit file puts beside its weights.
_SCALES = (".scale_weight", ".weight_scale")
_MARKS = ("scaled_fp8", ".scale_input", ".input_scale", ".comfy_quant")


@attrs.frozen(eq=False)
class OriginalFiles:
    """A transformer in its original form.

    Attributes:
        files: its shards, in order.
        told: its ``config.json``, or empty.
        where: what messages call it.
    """

    files: tuple[Path, ...]
    told: Mapping[str, Any]
    where: str

    @classmethod
    def at(cls, path: Path) -> OriginalFiles:
        """The transformer of a folder or a file.

        Raises:
            WeightsError: there is none.
        """
        if path.is_file():
            return cls((path,), {}, str(path))
        # The encoders' files lie in the same folder.
        files = sorted(path.glob("diffusion_pytorch_model*.safetensors")) or sorted(
            path.glob("*.safetensors")
        )
        if not files:
            raise WeightsError(
                f"The folder {str(path)!r} is neither one of diffusers (model_index.json), nor "
                "does it hold a transformer in its original form "
                "(diffusion_pytorch_model*.safetensors)."
            )
        config = path / "config.json"
        return cls(tuple(files), read_table(config) if config.is_file() else {}, str(path))

    def tensors(self) -> Iterator[tuple[str, Callable[[], Tensor]]]:
        """Every key without its prefix, and what reads its tensor; one file is open at a time."""
        for file in self.files:
            with open_tensors(file) as opened:
                yield from _scaled(opened)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by its key without prefix; nothing else is read."""
        found: dict[str, tuple[int, ...]] = {}
        for file in self.files:
            with open_tensors(file) as opened:
                for key in opened.names():
                    found[naming.without_prefix(key)] = opened.shape(key)
        return found


def _scaled(opened: TensorFile) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    keys = list(opened.names())
    scales = {
        key.removesuffix(suffix): opened.read(key)
        for key in keys
        for suffix in _SCALES
        if key.endswith(suffix)
    }
    for key in keys:
        if key.endswith(_SCALES) or key.endswith(_MARKS):
            continue
        scale = scales.get(key.removesuffix(".weight")) if key.endswith(".weight") else None

        def read(key: str = key, scale: Tensor | None = scale) -> Tensor:
            tensor = opened.read(key)
            return tensor if scale is None else tensor.float() * scale.float()

        yield naming.without_prefix(key), read


def network_config(original: OriginalFiles) -> dict[str, Any]:
    """The diffusers config of a transformer, from the shapes of its tensors.

    Raises:
        WeightsError: they are no transformer of Wan.
    """
    shapes = original.shapes()
    blocks = {int(k.split(".")[1]) for k in shapes if k.startswith("blocks.")}
    try:
        width, inputs, *patch = shapes["patch_embedding.weight"]
        ffn, _ = shapes["blocks.0.ffn.0.weight"]
        _, text = shapes["text_embedding.0.weight"]
        _, frequencies = shapes["time_embedding.0.weight"]
        outputs = shapes["head.head.weight"][0] // math.prod(patch)
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"{original.where!r} holds no transformer of Wan: {error} is absent or of another "
            f"form. Its keys begin with {', '.join(sorted({k.split('.')[0] for k in shapes}))}. Is "
            "the download complete?"
        ) from None
    heads = int(original.told.get("num_heads") or max(width // HEAD, 1))
    tokens = shapes.get("img_emb.proj.0.weight")
    return {
        "patch_size": tuple(patch),
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": inputs,
        "out_channels": outputs,
        "text_dim": text,
        "freq_dim": frequencies,
        "ffn_dim": ffn,
        "num_layers": len(blocks),
        "cross_attn_norm": "blocks.0.norm3.weight" in shapes,
        "eps": float(original.told.get("eps", 1e-6)),
        "image_dim": None if tokens is None else tokens[0],
        "added_kv_proj_dim": None if tokens is None else width,
    }


def empty_transformer(config: Mapping[str, Any]) -> Any:
    """A transformer whose weights take no memory yet."""
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        network: Any = WanTransformer3DModel(**config)
    # Its table of rotations is computed, not loaded.
    rope = network.rope
    network.rope = type(rope)(rope.attention_head_dim, rope.patch_size, rope.max_seq_len)
    return network


def experts_of(path: Path) -> list[Path]:
    """The places of the transformers of a folder or file: two of A14B, strong noise first."""
    if path.is_dir() and all((path / name).is_dir() for name in EXPERTS):
        return [path / name for name in EXPERTS]
    return [path]


def load_transformer(original: OriginalFiles, dtype: torch.dtype) -> tuple[Any, Mapping[str, Any]]:
    """The network, and a report of its keys by group; one tensor is in memory twice at a time.

    Raises:
        WeightsError: tensors are missing, or of another shape.
    """
    network = empty_transformer(network_config(original))
    expected = {key: tuple(p.shape) for key, p in network.named_parameters()}
    count = KeyCount(expected)
    for key, read in original.tensors():
        name = count.name(key)
        if name is None:
            continue
        tensor = read()
        _check_shape(original.where, key, tensor, expected[name])
        kept = torch.float32 if keeps_float32(network, name) else dtype
        _assign(network, name, tensor.to(kept))
    report = count.report()
    if count.missing:
        raise WeightsError(
            f"{original.where!r} lacks {len(count.missing)} tensors of its transformer, such as "
            f"{sorted(count.missing)[:2]!r}. Is the download complete?"
        )
    return network.eval(), report


class KeyCount:
    """Counts which keys of a file are used, unused and missing, by group.

    Args:
        expected: names of the network's tensors.
    """

    def __init__(self, expected: Mapping[str, Any]) -> None:
        self._used: dict[str, int] = {}
        self._unused: dict[str, int] = {}
        self._expected = set(expected)
        self.missing = set(expected)

    def name(self, key: str) -> str | None:
        """What the network calls a key of the file, or None."""
        name = naming.transformer_key(key)
        if name not in self._expected and key in self._expected:
            name = key  # a single file in the names of diffusers
        table = self._used if name in self._expected else self._unused
        table[naming.group(key)] = table.get(naming.group(key), 0) + 1
        if name not in self._expected:
            return None
        self.missing.discard(name)
        return name

    def report(self) -> dict[str, Any]:
        """Counts by group; of what is missing, the names."""
        missing = {"transformer": sorted(self.missing)} if self.missing else {}
        return {"used": dict(self._used), "unused": dict(self._unused), "missing": missing}


def _check_shape(where: str, key: str, tensor: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != wanted:
        raise WeightsError(
            f"The tensor {key!r} of {where!r} is {tuple(tensor.shape)!r}, but the network needs "
            f"{wanted!r}."
        )


def _assign(network: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module = network.get_submodule(path)
    module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)


def load_original(
    path: Path, parts: Path | None, config: WanConfig, bare: bool = False
) -> Components:
    """A model whose transformer is in its original form.

    Args:
        path: a folder or a file.
        parts: the diffusers folder of the other networks; None takes those of ``path``, in their
            original form too.
        bare: read no weights of the transformers.

    Raises:
        WeightsError: something is absent or does not fit.
    """
    dtype = getattr(torch, config.dtype)
    places = experts_of(path)
    if len(places) == 1 and config.weights_low:
        places.append(Path(config.weights_low).expanduser())
    found = [OriginalFiles.at(place) for place in places]
    if parts is None:
        from kinema_backbones.wan.encoders import OriginalParts

        told = network_config(found[0])
        own = OriginalParts(path, told["out_channels"])
        own.check(told["image_dim"] is not None, texts=False)
    loaded: list[tuple[Any, Mapping[str, Any]]] = [
        (empty_transformer(network_config(each)), {}) if bare else load_transformer(each, dtype)
        for each in found
    ]
    networks = [network for network, _ in loaded]
    if parts is None:
        vae, texts = own.vae(config), lambda: own.texts(config)
    else:
        vae, texts = load_vae(parts, config), lambda: load_texts(parts, config)
    family = family_of(networks[0].config, {}, vae.config.z_dim)
    if (family.boundary is not None) != (len(networks) > 1):
        raise WeightsError(
            f"{str(path)!r} is a {family.name}, which has "
            f"{'two transformers' if family.boundary is not None else 'one transformer'}; "
            f"{len(networks)} are named. Name that of strong noise as weights and that of weak "
            "noise as weights_low, or a folder of both."
        )
    encoder = None
    if family.tokens:
        encoder = own.clip(config) if parts is None else load_image_encoder(parts, config)
    return Components(
        family=family,
        transformer=networks[0],
        transformer_2=networks[1] if len(networks) > 1 else None,
        vae=vae,
        image_encoder=encoder,
        texts=texts,
        squash=True,
        bare=bare,
        parts=parts,
        report=loaded[0][1],
    )
