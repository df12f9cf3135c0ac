"""Finding and loading the weights of Stable Video Diffusion; nothing here downloads anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.errors import WeightsError
from kinema.files import check_weights, write_atomically
from kinema.pretrained import load_pretrained
from kinema.quiet import CHATTY, quiet
from kinema_backbones.svd.config import HUB, LICENCE, WEIGHTS
from kinema_backbones.svd.sizes import Components, NetworkSizes

PARTS = ("unet", "vae", "image_encoder")
SINGLE_FILES = (".safetensors", ".ckpt", ".pt")


def find_weights(weights: str) -> Path:
    """The folder or file that ``weights`` names: a path, or a repository in the local hub cache.

    Raises:
        WeightsError: it is not there; the message lists files, sizes, licence and command.
    """
    path = Path(weights).expanduser()
    if path.is_file() and path.suffix in SINGLE_FILES:
        return path
    if path.is_dir():
        absent = [part for part in PARTS if not (path / part / "config.json").is_file()]
        if absent:
            raise WeightsError(
                f"The folder {weights!r} is no complete Stable Video Diffusion: it lacks "
                f"{', '.join(f'{part}/config.json' for part in absent)}. {_needed()}"
            )
        return path
    cached = _cached(weights)
    if cached is None:
        raise WeightsError(
            f"The weights {weights!r} are neither a folder, nor a file, nor in the local hub "
            f"cache. {_needed()}"
        )
    return find_weights(str(cached))


def weight_files(weights: str) -> list[Path]:
    """The files that :func:`load_components` reads.

    Raises:
        WeightsError: they are absent.
    """
    path = find_weights(weights)
    if path.is_file():
        return [path]
    files = []
    for part in PARTS:
        halves = sorted((path / part).glob("*.fp16.*"))
        files.append(path / part / "config.json")
        files += halves or sorted((path / part).glob("*.safetensors"))
    return files


def load_components(weights: str, dtype: torch.dtype) -> Components:
    """The three networks from a diffusers folder, the hub cache or the original single file.

    Raises:
        WeightsError: they are absent or do not fit.
    """
    path = find_weights(weights)
    if path.is_file():
        from kinema_backbones.svd.single_file import load_single_file

        return load_single_file(path, NetworkSizes(), dtype)
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionModelWithProjection

    vae_dtype = torch.float32 if dtype == torch.float16 else dtype
    vae = _load(AutoencoderKLTemporalDecoder, path / "vae", vae_dtype)
    scale = vae.config.scaling_factor
    if not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise WeightsError(
            f"{str(path / 'vae' / 'config.json')!r} says scaling_factor = {scale!r:.60}, which "
            f"cannot be used. {_needed()}"
        )
    return Components(
        unet=_load(UNetSpatioTemporalConditionModel, path / "unet", dtype),
        vae=vae,
        image_encoder=_load(CLIPVisionModelWithProjection, path / "image_encoder", dtype),
    )


def load_unet(unet: Any, folder: Path) -> None:
    """Fill a U-Net with the weights of a diffusers folder.

    Raises:
        WeightsError: they are absent, or those of a network of other sizes.
    """
    import safetensors.torch

    files = sorted(folder.glob("*.safetensors"))
    check_weights(*files)
    try:
        state = {key: v for file in files for key, v in safetensors.torch.load_file(file).items()}
        unet.load_state_dict(state)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"The U-Net weights in {str(folder)!r} do not fit this network: {error}"
        ) from None


def save_components(components: Components, folder: Path) -> Path:
    """Write a diffusers folder of the three networks."""

    def write(part: Path) -> None:
        part.mkdir()
        write_components(components, part)

    return write_atomically(folder, write)


def write_components(
    components: Components, folder: Path, unet: Mapping[str, Tensor] | None = None
) -> None:
    """Write the three networks into an existing folder.

    Args:
        unet: the U-Net's weights, where its own state has other names.
    """
    import safetensors.torch

    parts: dict[str, Any] = dict(components.all())
    if unet is not None:
        network = parts.pop("unet")
        network.save_config(folder / "unet")
        file = folder / "unet" / "diffusion_pytorch_model.safetensors"
        safetensors.torch.save_file(dict(unet), file, {"format": "pt"})
    with quiet(*CHATTY):
        for name, module in parts.items():
            module.save_pretrained(folder / name)
    index = {"_class_name": "StableVideoDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index) + "\n", encoding="utf-8")


def _load(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    variant = "fp16" if any(folder.glob("*.fp16.*")) else None
    return load_pretrained(kind, folder, _needed(), dtype=dtype, variant=variant)


def _cached(repository: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _needed() -> str:
    files = ", ".join(f"{file.path} ({file.bytes / 1e9:.2f} GB)" for file in WEIGHTS)
    return (
        f"Stable Video Diffusion needs {files} of {HUB}, under the licence {LICENCE}. "
        "Fetch them with: kinema weights pull svd"
    )
