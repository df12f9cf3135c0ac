"""Which files the backbone ``wan`` reads, found without reading them."""

from __future__ import annotations

from pathlib import Path

from kinema.errors import WeightsError
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.weights import (
    INDEX,
    find_parts,
    find_weights,
    is_diffusers,
    rest_of,
)


def encoding_files(config: WanConfig) -> list[Path]:
    """The files that clips are encoded with: all but the weights of the transformers, and LoRA.

    Raises:
        WeightsError: they are absent.
    """
    from kinema_backbones.wan.original import OriginalFiles, experts_of

    path = find_weights(config.weights)
    files = [file for file in weight_files(config) if file.suffix == ".json"]
    if is_diffusers(path):
        rest = rest_of(path, config)
        return [*files, *_without_transformers(_weights_in(rest))]
    parts = find_parts(path, config)
    if parts is not None:
        return [*files, *_without_transformers(_weights_in(parts))]
    shards = {file for place in experts_of(path) for file in OriginalFiles.at(place).files}
    return [*files, *(file for file in _weights_in(path) if file not in shards)]


def weight_files(config: WanConfig) -> list[Path]:
    """The files that :func:`load_components` reads, LoRA files included.

    Raises:
        WeightsError: they are absent.
    """
    lora = [Path(p) for table in (config.lora, config.lora_high, config.lora_low) for p in table]
    absent = [str(file) for file in lora if not file.is_file()]
    if absent:
        raise WeightsError(f"There is no LoRA file {absent[0]!r}.")
    path = find_weights(config.weights)
    if path.is_file():
        files = [path, *([Path(config.weights_low)] if config.weights_low else [])]
    else:
        files = _in_folder(path)
    parts = rest_of(path, config) if is_diffusers(path) else find_parts(path, config)
    if parts is not None and parts != path:
        files += _without_transformers(_in_folder(parts))
    return [*files, *lora]


def _in_folder(folder: Path) -> list[Path]:
    kinds = ("*.safetensors", "*.pth", "config.json", INDEX)
    return sorted(file for kind in kinds for file in folder.rglob(kind) if file.is_file())


def _weights_in(folder: Path) -> list[Path]:
    return [file for file in _in_folder(folder) if file.suffix != ".json"]


def _without_transformers(files: list[Path]) -> list[Path]:
    return [file for file in files if "transformer" not in file.parent.name]
