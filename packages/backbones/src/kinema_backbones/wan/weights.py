"""Finding and loading the weights of Wan; nothing here downloads anything."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.errors import WeightsError, naming
from kinema.pretrained import load_part, load_pretrained, read_table
from kinema_backbones.wan.config import HUB, LICENCE, WIDE_HUB, WanConfig
from kinema_backbones.wan.families import Family, family_of
from kinema_backbones.wan.sizes import WIDE_LATENTS

#: How long files of weights end.
SINGLE_FILES = (".safetensors",)

INDEX = "model_index.json"

#: Where ``model_index.json`` says that the networks lie that were not trained.
PARTS = "_kinema_parts"

#: Names of the transformers in a folder of diffusers; a model with one has the first.
EXPERTS = ("transformer", "transformer_2")


@attrs.frozen(eq=False, kw_only=True)
class Components:
    """The networks of a Wan model, as diffusers and transformers hold them.

    Attributes:
        family: which of the three kinds.
        transformer: the only one, or that of strong noise.
        transformer_2: that of weak noise, or None.
        vae: turns clips into latents and back.
        image_encoder: CLIP, or None where the network does not read it.
        texts: loads the tokenizer and the text encoder, when they are first needed.
        preprocessor: of CLIP's inputs.
        squash: whether a photo was squashed for CLIP when these weights were published.
        bare: whether the transformers are shapes alone, without weights, for encoding only.
        parts: the diffusers folder of all but the transformers, or None.
        report: what became of the keys of an original file, or empty.
    """

    family: Family
    transformer: Any
    transformer_2: Any = None
    vae: Any
    image_encoder: Any = None
    texts: Callable[[], tuple[Any, Any]]
    preprocessor: Mapping[str, Any] = attrs.field(factory=dict)
    squash: bool = False
    bare: bool = False
    parts: Path | None = None
    report: Mapping[str, Any] = attrs.field(factory=dict)

    def experts(self) -> dict[str, Any]:
        """The transformers, by their name in a diffusers folder."""
        both = {"transformer": self.transformer, "transformer_2": self.transformer_2}
        return {name: network for name, network in both.items() if network is not None}

    def all(self) -> dict[str, Any]:
        """Every network with weights but the text encoder, by its name in a diffusers folder."""
        others = {"vae": self.vae, "image_encoder": self.image_encoder}
        return {
            **({} if self.bare else self.experts()),
            **{name: network for name, network in others.items() if network is not None},
        }


def load_components(config: WanConfig, bare: bool = False) -> Components:
    """The networks that ``config`` names.

    Args:
        bare: read no weights of the transformers, without which clips are encoded.

    Raises:
        WeightsError: they are absent, or do not fit each other.
    """
    path = find_weights(config.weights)
    if is_diffusers(path):
        return load_folder(path, config, bare)
    from kinema_backbones.wan.original import load_original

    return load_original(path, find_parts(path, config), config, bare)


def find_weights(weights: str) -> Path:
    """The folder or file that ``weights`` names: a path, or a repository in the local hub cache.

    Raises:
        WeightsError: it is not there.
    """
    path = Path(weights).expanduser()
    if path.is_file() and path.suffix in SINGLE_FILES:
        return path
    if path.is_dir():
        return path
    cached = cached_repository(weights)
    if cached is None:
        raise WeightsError(
            f"The weights {weights!r} are neither a folder, nor a .safetensors file, nor in the "
            f"local hub cache. {needed()}"
        )
    return cached


def is_diffusers(path: Path) -> bool:
    """Whether a path is a folder of diffusers."""
    return (path / INDEX).is_file() or (path / "transformer" / "config.json").is_file()


def find_parts(path: Path, config: WanConfig) -> Path | None:
    """The diffusers folder of all but the transformer; None where an original folder has them.

    Raises:
        WeightsError: a folder is named that is none of diffusers, or there is none at all.
    """
    if config.parts:
        parts = find_weights(config.parts)
        if not (parts / "vae" / "config.json").is_file():
            raise WeightsError(
                f"parts {config.parts!r} is no diffusers folder of Wan: it lacks vae/config.json."
            )
        return parts
    if path.is_dir() and any(path.glob("Wan2*_VAE.*")):
        return None
    hub = _hub_of(path)
    cached = cached_repository(hub)
    if cached is None:
        raise WeightsError(
            f"{str(path)!r} is a transformer alone. Name the diffusers folder of its VAE and "
            f"encoders as the option parts, or have {hub} in the local hub cache. A folder in the "
            f"original form has them where it lies beside a file such as Wan2.1_VAE.pth."
        )
    return cached


def _hub_of(path: Path) -> str:
    """The repository of the parts that a transformer alone needs: TI2V-5B has a VAE of its own."""
    from kinema_backbones.wan.original import OriginalFiles, experts_of, network_config

    if is_diffusers(path):
        channels = read_table(path / "transformer" / "config.json").get("out_channels")
    else:
        channels = network_config(OriginalFiles.at(experts_of(path)[0]))["out_channels"]
    return WIDE_HUB if channels == WIDE_LATENTS else HUB


def load_folder(folder: Path, config: WanConfig, bare: bool = False) -> Components:
    """The networks of a diffusers folder; ``bare`` transformers have no weights.

    Raises:
        WeightsError: a part is absent or does not fit.
    """
    index = read_table(folder / INDEX) if (folder / INDEX).is_file() else {}
    transformer = _load_transformer(folder / "transformer", config, bare)
    second = None
    if (folder / "transformer_2" / "config.json").is_file():
        second = _load_transformer(folder / "transformer_2", config, bare)
    rest = rest_of(folder, config)
    vae = load_vae(rest, config)
    with naming(f"The folder {str(folder)!r}", folder):
        family = family_of(transformer.config, index, vae.config.z_dim)
    if (family.boundary is not None) != (second is not None):
        raise WeightsError(
            f"{str(folder)!r} is a {family.name}, which has "
            f"{'two transformers' if family.boundary is not None else 'one transformer'}; found "
            f"{'transformer_2 too' if second is not None else 'no transformer_2'}."
        )
    return Components(
        family=family,
        transformer=transformer,
        transformer_2=second,
        vae=vae,
        image_encoder=load_image_encoder(rest, config) if family.tokens else None,
        texts=lambda: load_texts(rest, config),
        preprocessor=(preprocessor := _preprocessor(folder) or _preprocessor(rest)),
        squash=preprocessor.get("do_center_crop") is False,
        bare=bare,
        parts=rest,
    )


def rest_of(folder: Path, config: WanConfig) -> Path:
    """The folder of all but the transformers of a folder of diffusers.

    Raises:
        WeightsError: there is none.
    """
    index = read_table(folder / INDEX) if (folder / INDEX).is_file() else {}
    for each in (folder, Path(str(index.get(PARTS, "")))):
        if (each / "vae" / "config.json").is_file() and not (config.parts and each != folder):
            return each
    found = find_parts(folder, config)
    assert found is not None  # an original VAE lies in no folder of diffusers
    return found


def _load_transformer(folder: Path, config: WanConfig, bare: bool) -> Any:
    from diffusers import WanTransformer3DModel

    if not bare:
        return _load(WanTransformer3DModel, folder, getattr(torch, config.dtype))
    told = read_table(folder / "config.json")
    with torch.device("meta"):
        return WanTransformer3DModel(**{k: v for k, v in told.items() if not k.startswith("_")})


def load_vae(folder: Path, config: WanConfig) -> Any:
    """The VAE of a diffusers folder.

    Raises:
        WeightsError: it is absent, or its config cannot be used.
    """
    from diffusers import AutoencoderKLWan

    vae = _load(AutoencoderKLWan, folder / "vae", getattr(torch, config.vae_dtype))
    _check_vae(vae.config, folder / "vae")
    return vae


def _check_vae(told: Any, folder: Path) -> None:
    """Refuse what is not looked at while the network is built."""
    good = {
        "scale_factor_spatial": _whole(told.scale_factor_spatial),
        "scale_factor_temporal": _whole(told.scale_factor_temporal),
        "latents_mean": _finite(told.latents_mean, told.z_dim),
        "latents_std": _finite(told.latents_std, told.z_dim),
    }
    for name, holds in good.items():
        if not holds:
            raise WeightsError(
                f"{str(folder / 'config.json')!r} says {name} = {getattr(told, name)!r:.60}, which "
                f"cannot be used. {needed()}"
            )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _finite(values: Any, count: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == count
        and all(isinstance(each, int | float) and math.isfinite(each) for each in values)
    )


def load_image_encoder(folder: Path, config: WanConfig) -> Any:
    """CLIP's image encoder of a diffusers folder."""
    from transformers import CLIPVisionModel

    return _load(CLIPVisionModel, folder / "image_encoder", getattr(torch, config.dtype))


def load_texts(folder: Path, config: WanConfig) -> tuple[Any, Any]:
    """The tokenizer and the text encoder of a diffusers folder.

    Raises:
        WeightsError: one is absent or cannot be read.
    """
    from transformers import AutoTokenizer, UMT5EncoderModel

    encoder = _load(UMT5EncoderModel, folder / "text_encoder", text_dtype(config))
    return load_tokenizer(AutoTokenizer, folder / "tokenizer"), encoder.eval()


def load_tokenizer(kind: Any, folder: Path) -> Any:
    """The tokenizer of a folder.

    Raises:
        WeightsError: it is absent or cannot be read.
    """
    return load_part(kind, folder, "The tokenizer", needed())


def text_dtype(config: WanConfig) -> torch.dtype:
    """What the text encoder computes in: it overflows in half precision."""
    return torch.float32 if config.dtype == "float32" else torch.bfloat16


def keeps_float32(network: nn.Module, key: str) -> bool:
    """Whether a tensor stays in float32 whatever its network computes in."""
    kept = getattr(network, "_keep_in_fp32_modules", None) or ()
    return any(name in key.split(".") for name in kept)


def cast(network: nn.Module, dtype: torch.dtype) -> None:
    """Make a network compute in a type, but for the parts that stay in float32."""
    for key, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.is_floating_point() and not keeps_float32(network, key):
            tensor.data = tensor.data.to(dtype)


def save_folder(
    folder: Path, components: Components, transformers: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Write the transformers into an existing folder, as diffusers does.

    The other networks are left where they are, and the index says where; those that came in their
    original form are written too.

    Args:
        transformers: their weights.
    """
    import safetensors.torch

    for name, network in components.experts().items():
        network.save_config(folder / name)
        file = folder / name / "diffusion_pytorch_model.safetensors"
        safetensors.torch.save_file(dict(transformers[name]), file, {"format": "pt"})
    if components.family.tokens:
        (folder / "image_processor").mkdir()
        told = {**components.preprocessor, "do_center_crop": not components.squash}
        file = folder / "image_processor" / "preprocessor_config.json"
        file.write_text(json.dumps(told) + "\n", encoding="utf-8")
    more: dict[str, Any] = {}
    if components.parts is not None:
        more[PARTS] = str(components.parts.resolve())
    else:
        for name in components.all().keys() - components.experts().keys():
            components.all()[name].save_pretrained(folder / name)
        tokenizer, encoder = components.texts()
        tokenizer.save_pretrained(folder / "tokenizer")
        encoder.save_pretrained(folder / "text_encoder")
    write_index(folder, components.family, more)


def write_index(folder: Path, family: Family, more: Mapping[str, Any] | None = None) -> None:
    """Write the ``model_index.json`` of a family."""
    index: dict[str, Any] = {"_class_name": "WanImageToVideoPipeline", **(more or {})}
    if family.condition == "first-frame":
        index["expand_timesteps"] = True
    if family.boundary is not None:
        index["boundary_ratio"] = family.boundary
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _preprocessor(folder: Path) -> dict[str, Any]:
    for place in ("image_processor", "feature_extractor"):
        file = folder / place / "preprocessor_config.json"
        if file.is_file():
            return read_table(file)
    return {}


def _load(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    # An encoder's folder may hold more than the part that is read: a text tower, a decoder.
    name = "torch_dtype" if str(kind.__module__).startswith("diffusers.") else "dtype"
    return load_pretrained(kind, folder, needed(), **{name: dtype})


def cached_repository(repository: str) -> Path | None:
    """A repository of the hub in the local cache, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def needed() -> str:
    """What to get, and how."""
    return (
        f"The backbone wan needs a diffusers folder of an image-to-video model of Wan, such as "
        f"{HUB} (about 90 GB, licence {LICENCE}). Fetch it with: kinema weights pull wan"
    )
