"""The published MotionPro weights: a DeepSpeed pickle to a folder that loads on any SVD base."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import safetensors.torch
import torch
from torch import Tensor

from kinema.errors import WeightsError
from kinema.files import check_weights, sha256_of_file, torch_reason
from kinema_backbones.control.checkpoint import CONDITIONS, save_controller
from kinema_backbones.control.config import ControllerConfig, SiteShape
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.svd.config import MotionProConfig
from kinema_backbones.svd.lora import new_lora_files
from kinema_backbones.svd.naming import diffusers_name

LICENCE = "Apache-2.0"
_UNET = "model.diffusion_model."

#: The stem's convolutions and norms, by their index in ``flow_blocks.0``.
_STEM = {0: "0.spatial", 1: "0.temporal", 2: "0.norm_out", 4: "1.spatial", 5: "1.temporal",
         6: "1.norm_out", 8: "2.spatial", 9: "2.temporal"}  # fmt: skip
_SCALE = {"0": "scales.{}.norm_in", "2": "scales.{}.spatial", "3": "scales.{}.temporal",
          "4.op": "downs.{}"}  # fmt: skip
_HEAD = {"flow_cond_norm.weight": "norm_weight", "flow_cond_norm.bias": "norm_bias"}
_HEAD |= {
    f"flow_{name}_{part}.{leaf}": f"{name}.{part}.{leaf}"
    for name in ("gamma", "beta")
    for part in ("spatial", "temporal")
    for leaf in ("weight", "bias")
}

#: MotionPro-Dense reads the visibility of dense tracks where MotionPro reads the brush.
DENSE_CONDITIONS: Mapping[str, Mapping[str, Any]] = {"dense-trajectory": {}}


@attrs.frozen(eq=False)
class PublishedWeights:
    """A published file, its tensors sorted by what they become.

    Attributes:
        controller: our names of the motion encoder's and the heads' tensors.
        lora: ``PATH.lora_A.weight`` and ``PATH.lora_B.weight``.
        base: diffusers' names of the U-Net's own tensors.
        unused: the other keys, as they stand in the file.
        sites: the sites that have heads.
    """

    controller: Mapping[str, Tensor]
    lora: Mapping[str, Tensor]
    base: Mapping[str, Tensor]
    unused: tuple[str, ...]
    sites: tuple[SiteShape, ...]


class MotionProImporter:
    """Reads ``MotionPro-gs_16k.pt`` and its kin."""

    def __init__(self, config: MotionProConfig | None = None) -> None:
        self.config = config or MotionProConfig()

    def convert(self, source: Path, out: Path) -> Mapping[str, Any]:
        """Write the controller folder ``out``, with its LoRA, and the U-Net if the file has one.

        Returns:
            For each group of keys, how many were used, unused and missing, and some names.

        Raises:
            WeightsError: the file is absent, holds anything but tensors and plain data, or lacks
                part of the controller.
        """
        found = sort_keys(read_published(source))
        if not found.sites or not found.controller:
            raise WeightsError(
                f"{str(source)!r} holds no MotionPro controller: it has no flow_* weights. Its "
                f"keys begin with {', '.join(sorted({_group(k) for k in found.unused})) or '?'}."
            )
        controller = _filled(found, source)
        rank = min(next(iter(found.lora.values())).shape) if found.lora else 0
        report = _report(found, missing=())
        save_controller(
            controller,
            Path(out),
            conditions=DENSE_CONDITIONS if self.config.dense else CONDITIONS,
            manifest={
                "importer": "motionpro",
                "source": Path(source).name,
                "sha256": sha256_of_file(Path(source)),
                "dense": self.config.dense,
                "report": report,
            },
            licence=LICENCE,
            lora=new_lora_files(found.lora, "all-linear", rank, rank) if found.lora else None,
        )
        if "conv_in.weight" in found.base:
            self._save_base(found.base, Path(out) / "base" / "unet")
        return report

    def _save_base(self, base: Mapping[str, Tensor], folder: Path) -> None:
        from kinema_backbones.svd.sizes import build_unet

        sizes = infer_sizes(base, self.config.num_head_channels)
        with torch.device("meta"):
            missing = sorted(set(build_unet(sizes).state_dict()) - set(base))
        if missing:
            raise WeightsError(
                f"The file's U-Net is incomplete: it lacks {len(missing)} tensors, such as "
                f"{missing[:3]!r}."
            )
        folder.mkdir(parents=True)
        config = {"_class_name": "UNetSpatioTemporalConditionModel", **sizes.unet_config()}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        tensors = {key: value.contiguous() for key, value in base.items()}
        safetensors.torch.save_file(tensors, folder / "diffusion_pytorch_model.safetensors")


def _filled(found: PublishedWeights, source: Path) -> ModulationController:
    config = ControllerConfig(channels=_channels(found.controller), sites=found.sites)
    controller = ModulationController(config)
    missing = sorted(set(controller.state_dict()) - set(found.controller))
    if missing:
        raise WeightsError(
            f"{str(source)!r} lacks {len(missing)} tensors of the controller, such as "
            f"{missing[:3]!r}. Is the download complete?"
        )
    controller.to(next(iter(found.controller.values())).dtype)
    controller.load_state_dict(dict(found.controller))
    return controller


def read_published(source: Path) -> dict[str, Tensor]:
    """The tensors of a published file, without the prefix ``module.``.

    Raises:
        WeightsError: the file is absent, or holds anything but tensors and plain data.
    """
    check_weights(source)
    try:
        mapped = zipfile.is_zipfile(source)
        data = torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        raise WeightsError(f"The file {str(source)!r} cannot be read: {error}.") from None
    except Exception as error:
        raise WeightsError(
            f"{str(source)!r} is refused: it is no pickle of tensors and plain data only "
            f"({torch_reason(error)})."
        ) from None
    module = data.get("module", data) if isinstance(data, dict) else None
    if not isinstance(module, Mapping) or not all(isinstance(v, Tensor) for v in module.values()):
        raise WeightsError(
            f"{str(source)!r} holds no weights: a mapping of names to tensors, or one under "
            "'module', is expected."
        )
    return {key.removeprefix("module."): value for key, value in module.items()}


def sort_keys(state: Mapping[str, Tensor]) -> PublishedWeights:
    """Sort the tensors of a published file, without ``module.``, by what they become."""
    layers = _layers_per_block(state)
    controller: dict[str, Tensor] = {}
    lora: dict[str, Tensor] = {}
    base: dict[str, Tensor] = {}
    unused = []
    sites: list[SiteShape] = []
    for key, tensor in state.items():
        target = _target(key, layers) if key.startswith(_UNET) else None
        if target is None:
            unused.append(key)
            continue
        kind, name = target
        {"controller": controller, "lora": lora, "base": base}[kind][name] = tensor
        if kind == "controller" and name.endswith(".norm_weight"):
            sites.append(SiteShape(name=name.split(".")[1], channels=len(tensor), stride=0))
    levels = len(sites) // 2
    placed = [attrs.evolve(site, stride=_stride(site.name, levels)) for site in sites]
    return PublishedWeights(controller, lora, base, tuple(unused), tuple(placed))


def infer_sizes(base: Mapping[str, Tensor], num_head_channels: int = 64) -> Any:
    """The sizes of a U-Net from its tensors in diffusers' names."""
    from kinema_backbones.svd.sizes import NetworkSizes

    width = base["conv_in.weight"].shape[0]
    firsts = [
        base[f"down_blocks.{i}.resnets.0.spatial_res_block.conv1.weight"].shape[0]
        for i in range(_levels(base))
    ]
    layers = {key.split(".")[3] for key in base if key.startswith("down_blocks.0.resnets.")}
    context = next(v.shape[1] for k, v in base.items() if k.endswith("attn2.to_v.weight"))
    return NetworkSizes(
        model_channels=width,
        channel_mult=tuple(channels // width for channels in firsts),
        num_head_channels=num_head_channels,
        context_dim=context,
        addition_time_embed_dim=base["add_embedding.linear_1.weight"].shape[1] // 3,
        layers_per_block=len(layers),
    )


def _target(key: str, layers: int) -> tuple[Literal["controller", "lora", "base"], str] | None:
    name = key.removeprefix(_UNET)
    found = re.fullmatch(r"flow_blocks\.(\d+)\.(\d+(?:\.op)?)\.(weight|bias)", name)
    if found:
        block, part, leaf = int(found[1]), found[2], found[3]
        place = f"stem.{_STEM[int(part)]}" if block == 0 else _SCALE[part].format(block - 1)
        return "controller", f"encoder.{place}.{leaf}"
    found = re.fullmatch(r"(input|output)_blocks\.(\d+)\.0\.(flow_.+)", name)
    if found:
        way, index = ("down", int(found[2]) - 1) if found[1] == "input" else ("up", int(found[2]))
        return "controller", f"heads.{way}-{index // (layers + 1)}.{_HEAD[found[3]]}"
    module, _, leaf = name.rpartition(".")
    for theirs, ours in ((".lora_down", "lora_A"), (".lora_up", "lora_B")):
        if module.endswith(theirs):
            place_of = diffusers_name(module.removesuffix(theirs), layers)
            return ("lora", f"{place_of}.{ours}.{leaf}") if place_of else None
    if leaf == "mix_factor":
        mixed = diffusers_name(name, layers)
        return ("base", mixed) if mixed else None
    plain = diffusers_name(module.removesuffix(".linear"), layers)
    return ("base", f"{plain}.{leaf}") if plain else None


def _layers_per_block(state: Mapping[str, Tensor]) -> int:
    """The first downsampler stands after the first level's resnets."""
    pattern = re.compile(rf"{re.escape(_UNET)}input_blocks\.(\d+)\.0\.op\.weight")
    downs = [int(found[1]) for key in state if (found := pattern.fullmatch(key))]
    return min(downs) - 1 if downs else 2


def _stride(site: str, levels: int) -> int:
    way, index = site.split("-")
    return 8 << (int(index) if way == "down" else levels - 1 - int(index))


def _levels(base: Mapping[str, Tensor]) -> int:
    return len({key.split(".")[1] for key in base if key.startswith("down_blocks.")})


def _channels(controller: Mapping[str, Tensor]) -> int:
    return controller["encoder.stem.0.spatial.weight"].shape[1]


def _group(key: str) -> str:
    return ".".join(key.split(".")[:2])


def _report(found: PublishedWeights, missing: tuple[str, ...]) -> dict[str, Any]:
    groups: dict[str, int] = {}
    for key in found.unused:
        groups[_group(key)] = groups.get(_group(key), 0) + 1
    return {
        "used": {
            "motion encoder": sum(k.startswith("encoder.") for k in found.controller),
            "modulation": sum(k.startswith("heads.") for k in found.controller),
            "lora": len(found.lora),
            "base": len(found.base),
        },
        "unused": groups,
        "missing": {"controller": list(missing)},
    }
