"""The importers ``wan-original``, ``wan-move`` and ``ati``, which write folders of diffusers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from kinema.errors import WeightsError
from kinema.files import write_atomically
from kinema_backbones.wan.config import WanConfig, WanImportConfig
from kinema_backbones.wan.encoders import TOKENIZER, OriginalParts
from kinema_backbones.wan.families import Family, family_of
from kinema_backbones.wan.original import EXPERTS as SUBFOLDERS
from kinema_backbones.wan.original import (
    KeyCount,
    OriginalFiles,
    empty_transformer,
    experts_of,
    network_config,
)
from kinema_backbones.wan.weights import EXPERTS, find_weights, is_diffusers, write_index

#: Bytes of a shard that is written; a file that is read a shard of its own is never held whole.
SHARD = 4 * 2**30

NAME = "diffusion_pytorch_model"


class WanImporter:
    """Reads transformers in their original form, as Wan, Wan-Move and ATI publish theirs.

    Args:
        method: ``wan-original``, ``wan-move`` or ``ati``.
        config: options.
    """

    def __init__(self, method: str, config: WanImportConfig | None = None) -> None:
        self.method = method
        self.config = config or WanImportConfig()

    def convert(self, source: Path, out: Path) -> Mapping[str, Any]:
        """Write the diffusers folder ``out``: the transformers, and what is found beside them.

        Memory holds a shard at a time, whatever the size of the whole. VAE and encoders are taken
        from ``source`` where they lie there, else from the option ``parts``.

        Returns:
            For each group of keys, how many were used, unused and missing.

        Raises:
            WeightsError: there is no transformer, it is incomplete, or a part beside it is absent;
                nothing is written.
        """
        source = Path(source)
        found = [OriginalFiles.at(place) for place in experts_of(source)]
        config = network_config(found[0])
        family = family_of(config, {}, config["out_channels"])
        if family.boundary is not None and len(found) < 2:
            raise WeightsError(
                f"{str(source)!r} is one of the two transformers of {family.name}. Name the folder "
                f"that holds both, as {' and '.join(SUBFOLDERS)}; or load each as it is, as "
                "weights and weights_low."
            )
        parts = find_weights(self.config.parts) if self.config.parts else None
        if parts is not None and not is_diffusers(parts):
            raise WeightsError(f"parts {self.config.parts!r} is no diffusers folder of Wan.")
        own = None
        if parts is None and source.is_dir() and any(source.glob("Wan2*_VAE.*")):
            own = OriginalParts(source, config["out_channels"])
            own.check(family.tokens)
        report: dict[str, Any] = {}

        def write(folder: Path) -> None:
            folder.mkdir()
            for name, original in zip(EXPERTS, found, strict=False):
                _add(report, self._transformer(original, network_config(original), folder / name))
            self._others(source, parts, own, folder, family)
            _add(report, own.report if own is not None else {})
            write_index(folder, family)
            files = [file for original in found for file in original.files]
            top = source if source.is_dir() else source.parent
            record = {
                "importer": self.method,
                "source": source.name,
                "files": {str(file.relative_to(top)): file.stat().st_size for file in files},
                "report": report,
            }
            (folder / "kinema.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")

        write_atomically(Path(out), write)
        return report

    def _transformer(
        self, original: OriginalFiles, config: Mapping[str, Any], folder: Path
    ) -> dict[str, Any]:
        folder.mkdir()
        network = empty_transformer(config)
        network.save_config(folder)
        count = KeyCount(dict(network.named_parameters()))
        shards = _Shards(folder)
        for key, read in original.tensors():
            name = count.name(key)
            if name is not None:
                shards.add(name, self._cast(read()))
        if count.missing:
            raise WeightsError(
                f"{original.where!r} lacks {len(count.missing)} tensors of its transformer, such "
                f"as {sorted(count.missing)[:2]!r}. Is the download complete?"
            )
        shards.close()
        return count.report()

    def _cast(self, tensor: Tensor) -> Tensor:
        if self.config.dtype == "same" and tensor.element_size() > 1:
            return tensor.contiguous()
        dtype = "bfloat16" if self.config.dtype == "same" else self.config.dtype
        return tensor.to(getattr(torch, dtype)).contiguous()

    def _others(
        self,
        source: Path,
        parts: Path | None,
        own: OriginalParts | None,
        folder: Path,
        family: Family,
    ) -> None:
        if parts is not None:
            for name in ("vae", "text_encoder", "tokenizer", "image_encoder", "image_processor"):
                if (parts / name).is_dir():
                    shutil.copytree(parts / name, folder / name)
            return
        if own is None:
            return
        told = WanConfig(dtype="bfloat16")
        own.vae(told).save_pretrained(folder / "vae")
        own.umt5(torch.bfloat16).save_pretrained(folder / "text_encoder")
        shutil.copytree(source / TOKENIZER, folder / "tokenizer")
        if not family.tokens:
            return
        own.clip(told).save_pretrained(folder / "image_encoder")
        # The published code squashes the photo; a stock preprocessor would crop it.
        (folder / "image_processor").mkdir()
        told_of = {"do_center_crop": False, "size": {"height": 224, "width": 224}}
        file = folder / "image_processor" / "preprocessor_config.json"
        file.write_text(json.dumps(told_of) + "\n", encoding="utf-8")


def _add(report: dict[str, Any], more: Mapping[str, Any]) -> None:
    for state, groups in more.items():
        table = report.setdefault(state, {})
        for group, found in groups.items():
            table[group] = table[group] + found if group in table else found


class _Shards:
    """Writes tensors into files of a few gigabytes each, and an index of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, Tensor] = {}
        self._bytes = 0
        self._written: list[dict[str, int]] = []

    def add(self, name: str, tensor: Tensor) -> None:
        """Take a tensor; what was taken before is written if there is much of it."""
        size = tensor.numel() * tensor.element_size()
        if self._waiting and self._bytes + size > SHARD:
            self._flush()
        self._waiting[name] = tensor
        self._bytes += size

    def close(self) -> None:
        """Write the rest, and the index."""
        if self._waiting:
            self._flush()
        count = len(self._written)
        if count == 1:
            (self._folder / "part-1").rename(self._folder / f"{NAME}.safetensors")
            return
        places: dict[str, str] = {}
        for number, names in enumerate(self._written, start=1):
            file = f"{NAME}-{number:05d}-of-{count:05d}.safetensors"
            (self._folder / f"part-{number}").rename(self._folder / file)
            places |= dict.fromkeys(names, file)
        total = sum(size for names in self._written for size in names.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        file_of = self._folder / f"{NAME}.safetensors.index.json"
        file_of.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")

    def _flush(self) -> None:
        part = self._folder / f"part-{len(self._written) + 1}"
        safetensors.torch.save_file(self._waiting, part, {"format": "pt"})
        self._written.append(dict(self._sizes()))
        self._waiting, self._bytes = {}, 0

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for name, tensor in self._waiting.items():
            yield name, tensor.numel() * tensor.element_size()
