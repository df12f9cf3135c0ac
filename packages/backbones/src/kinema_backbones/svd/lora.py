"""LoRA on the U-Net, through peft: injected for training, merged for inference."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor, nn

from kinema.errors import InputError, WeightsError
from kinema.files import check_weights, parse_json, read_bytes
from kinema.interfaces import Adapter
from kinema.interfaces.backbones import MOST_RANK

#: Which Linear modules get LoRA: those of attention (the paper), or all (the published weights).
Targets = Literal["attention", "all-linear"]

TARGETS: dict[str, str | list[str]] = {
    "attention": ["to_q", "to_k", "to_v", "to_out.0"],
    "all-linear": "all-linear",
}
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."

Detach = Callable[[], None]


def inject_lora(
    unet: nn.Module, targets: Targets = "all-linear", rank: int = 32, name: str = "motion"
) -> list[nn.Parameter]:
    """Add new, trainable LoRA layers (scale 1, zero at first) and return their parameters.

    Raises:
        InputError: unknown targets, or a rank below 1.
    """
    from peft import LoraConfig, inject_adapter_in_model

    if targets not in TARGETS or rank < 1:
        raise InputError(
            f"LoRA needs a rank of at least 1 and targets out of {', '.join(TARGETS)}; got "
            f"{rank!r} and {targets!r}."
        )
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS[targets])
    inject_adapter_in_model(config, unet, adapter_name=name)
    return [p for key, p in unet.named_parameters() if f".{name}." in key]


def lora_files(unet: nn.Module, name: str = "motion") -> dict[str, bytes]:
    """The injected LoRA of that name as the files of a peft folder, for ``save_controller``."""
    from peft import get_peft_model_state_dict

    # Sites wrap modules while a controller is attached, and the LoRA outlives them.
    state = {
        key.replace(".inner.", "."): tensor
        for key, tensor in get_peft_model_state_dict(unet, adapter_name=name).items()
    }
    config: Any = unet.peft_config
    with tempfile.TemporaryDirectory() as folder:
        config[name].save_pretrained(folder)
        text = (Path(folder) / CONFIG).read_bytes()
    return {CONFIG: text, WEIGHTS: pack(state)}


def new_lora_files(
    state: Mapping[str, Tensor], targets: Targets, rank: int, alpha: float
) -> dict[str, bytes]:
    """The files of a peft folder for ``PATH.lora_A.weight`` and ``PATH.lora_B.weight`` tensors."""
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": TARGETS[targets],
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
    return {CONFIG: json.dumps(config, indent=1).encode(), WEIGHTS: pack(state)}


def pack(state: Mapping[str, Tensor]) -> bytes:
    """The safetensors file of an adapter, with peft's prefix."""
    return bytes(
        safetensors.torch.save({_PREFIX + k: v.detach().contiguous() for k, v in state.items()})
    )


def attach_lora(unet: nn.Module, adapters: Sequence[Adapter], merge: bool = True) -> Detach:
    """Make LoRA folders active, each with its weight; the returned function takes them off again.

    Merged, the sum of all ``weight * scale * up @ down`` is added to the weights in float32, and
    the base's own tensors are kept and put back, so taking it off is exact to the bit. Otherwise
    peft's layers stay in place.

    Raises:
        WeightsError: a folder is absent, unreadable, or made for another network.
    """
    if not adapters:
        return lambda: None
    flags = {key: p.requires_grad for key, p in unet.named_parameters()}
    names = [f"adapter_{index}" for index in range(len(adapters))]
    try:
        for name, adapter in zip(names, adapters, strict=True):
            _load(unet, adapter, name)
        for layer in _layers(unet).values():
            layer.set_adapter([name for name in names if name in layer.scaling])
        kept = _merge(unet, names) if merge else {}
    except BaseException:
        remove_lora(unet, flags)
        raise
    if merge:
        remove_lora(unet, flags)

    def detach() -> None:
        if not merge:
            remove_lora(unet, flags)
        for path, tensor in kept.items():
            weight = unet.get_parameter(path)
            weight.data = tensor.to(weight.device)

    return detach


def _load(unet: nn.Module, adapter: Adapter, name: str) -> None:
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    check_weights(adapter.folder / WEIGHTS)
    try:
        options = _config(adapter.folder)
        state = safetensors.torch.load_file(adapter.folder / WEIGHTS)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"The LoRA folder {str(adapter.folder)!r} cannot be read: {error}. It needs {CONFIG} "
            f"and {WEIGHTS}."
        ) from None
    # What peft warns of is either meant, as a second adapter beside the first, or looked at below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            config = LoraConfig.from_peft_type(**options)
            inject_adapter_in_model(config, unet, adapter_name=name, low_cpu_mem_usage=True)
        except Exception as error:  # a wrong config raises nearly anything
            raise WeightsError(
                f"The LoRA folder {str(adapter.folder)!r} has a {CONFIG} that cannot be used here: "
                f"{error}."
            ) from None
    fitting = {key.removeprefix(_PREFIX): value.float() for key, value in state.items()}
    expected = {
        key.replace(f".{name}.", "."): tuple(p.shape)
        for key, p in unet.named_parameters()
        if f".{name}." in key
    }
    wrong = sorted(
        key for key in expected | fitting
        if key not in expected or key not in fitting or tuple(fitting[key].shape) != expected[key]
    )  # fmt: skip
    if wrong:
        raise WeightsError(
            f"The LoRA {str(adapter.folder)!r} does not fit this network: {len(wrong)} tensors are "
            f"missing, unknown or of another shape, such as {wrong[:3]!r}."
        )
    set_peft_model_state_dict(unet, fitting, adapter_name=name, low_cpu_mem_usage=True)
    for layer in _layers(unet).values():
        if name in layer.scaling:
            layer.scaling[name] *= adapter.weight
            layer.to(layer.get_base_layer().weight.device)


def _config(folder: Path) -> dict[str, Any]:
    """The options of a LoRA, read here: peft would ask the model hub for a file that is absent.

    Raises:
        OSError, ValueError: there is none, or it is none.
    """
    found = parse_json(read_bytes(folder / CONFIG), CONFIG, InputError)
    if not isinstance(found, dict) or found.get("peft_type") != "LORA":
        raise ValueError(f"{CONFIG} is no table with the peft_type 'LORA'")
    rank = found.get("r", 8)
    if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= MOST_RANK:
        raise ValueError(f"its rank r must be a whole number from 1 to {MOST_RANK}, got {rank!r}")
    return {**found, "base_model_name_or_path": None}


@torch.no_grad()
def _merge(unet: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}
    for path, layer in _layers(unet).items():
        weight = layer.get_base_layer().weight
        delta = sum(layer.get_delta_weight(name).float() for name in names if name in layer.scaling)
        # The kept tensors wait on the CPU, where they cost no device memory.
        kept[f"{path}.weight"] = weight.data.cpu() if weight.is_cuda else weight.data
        weight.data = (weight.float() + delta).to(weight.dtype)
    return kept


def _layers(unet: nn.Module) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {path: module for path, module in unet.named_modules() if isinstance(module, LoraLayer)}


def remove_lora(unet: nn.Module, flags: Mapping[str, bool]) -> None:
    """Take all of peft's layers off again, and set which parameters need gradients, by name."""
    for path, layer in _layers(unet).items():
        unet.set_submodule(path, layer.get_base_layer())
    if hasattr(unet, "peft_config"):
        del unet.peft_config
    for key, parameter in unet.named_parameters():
        parameter.requires_grad_(flags.get(key, False))
