"""LoRA files of the community, merged into a network's weights.

Forms: diffusers and peft (``transformer.``, ``unet.``, ``base_model.model.``; ``lora_A``,
``lora_B``, ``lora.down``, ``lora.up``), the original names of a network
(``diffusion_model.blocks.0.self_attn.q.lora_down``), and kohya's with underscores
(``lora_unet_blocks_0_self_attn_q.lora_down``), each with its ``alpha``, and whole differences of
weights and biases (``diff``, ``diff_b``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema.files import check_weights, torch_reason

#: What a module of a file is called in the network: None if it is none of its modules.
Rename = Callable[[str], str | None]

_PREFIXES = (
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "unet.",
)
_UNDERSCORED = re.compile(r"lora_(?:unet|transformer)_(.+)")

#: Endings of a key, and what the tensor is.
_LEAVES = {
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora_down.weight": "down",
    "lora.down.weight": "down",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora_up.weight": "up",
    "lora.up.weight": "up",
    "lora_B.bias": "bias",
    "diff_b": "bias",
    "diff": "diff",
    "alpha": "alpha",
}
_PROCESSOR = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight")


@attrs.frozen
class Merged:
    """What became of a LoRA file.

    Attributes:
        layers: modules whose weights it changed.
        skipped: its modules that this network does not have and that it may lack.
    """

    layers: int
    skipped: int


@torch.no_grad()
def merge_file(
    network: nn.Module,
    path: str | Path,
    weight: float = 1.0,
    rename: Rename = lambda name: None,
    underscored: Mapping[str, str] | None = None,
    optional: Callable[[str], bool] = lambda name: False,
) -> Merged:
    """Add ``weight * alpha / rank * up @ down`` to the weights of a network, in float32.

    Args:
        network: its own names are known.
        path: a .safetensors file, or a pickle that holds tensors alone.
        weight: of the LoRA.
        rename: the network's name of a module under the file's.
        underscored: further modules by their original names with underscores for dots.
        optional: whether a module of the file may be absent in this network.

    Raises:
        WeightsError: the file is absent or damaged, has modules that the network does not have, or
            was made for another size.
    """
    modules = {name: m for name, m in network.named_modules() if _weighted(m)}
    flat = {name.replace(".", "_"): name for name in modules} | dict(underscored or {})
    parts = sorted_parts(read_tensors(path))
    placed: dict[str, dict[str, Tensor]] = {}
    unknown: list[str] = []
    skipped = 0
    for name, tensors in parts.items():
        found = _place(name, modules, flat, rename)
        if found is not None:
            placed[found] = tensors
        elif optional(name):
            skipped += 1
        else:
            unknown.append(name)
    if unknown or not placed:
        what = f"has {len(unknown)} modules, such as {unknown[:3]!r}, that this network does not"
        raise WeightsError(
            f"The LoRA {str(path)!r} {what if unknown else 'holds no LoRA'}. Was it made for "
            "another model?"
        )
    for name, tensors in placed.items():
        _add(modules[name], name, tensors, weight, path)
    return Merged(len(placed), skipped)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file of weights.

    Raises:
        WeightsError: it is absent or damaged, or holds anything but tensors.
    """
    file = Path(path)
    check_weights(file)
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        data: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise WeightsError(
            f"The weights {str(path)!r} cannot be read: {torch_reason(error)}."
        ) from None
    except Exception as error:  # pickle has errors of many kinds
        raise WeightsError(
            f"The weights {str(path)!r} cannot be read as tensors alone: {type(error).__name__}."
        ) from None
    data = data.get("state_dict", data) if isinstance(data, Mapping) else data
    if not isinstance(data, Mapping) or not all(isinstance(v, Tensor) for v in data.values()):
        raise WeightsError(f"The weights {str(path)!r} hold something else than tensors.")
    return dict(data)


def sorted_parts(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors of a LoRA file by module, each as ``down``, ``up``, ``alpha``, ... .

    What is none of these is kept as a module of its own name, so that it is noticed.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        old = _PROCESSOR.fullmatch(key)
        if old:
            module = f"{old[1]}.{old[2]}" + (".0" if old[2] == "to_out" else "")
            parts.setdefault(module, {})[old[3]] = tensor
            continue
        leaf = next((each for each in _LEAVES if key.endswith(f".{each}")), None)
        if leaf is None:
            parts[key] = {}
        else:
            parts.setdefault(key.removesuffix(f".{leaf}"), {})[_LEAVES[leaf]] = tensor
    return parts


def _weighted(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def _place(
    name: str, modules: Mapping[str, nn.Module], flat: Mapping[str, str], rename: Rename
) -> str | None:
    under = _UNDERSCORED.fullmatch(name)
    if under:
        return flat.get(under[1])
    for prefix in ("", *_PREFIXES):
        if name.startswith(prefix):
            bare = name.removeprefix(prefix)
            for found in (bare, rename(bare)):
                if found in modules:
                    return found
    return None


def _add(
    module: nn.Module, name: str, tensors: Mapping[str, Tensor], weight: float, path: str | Path
) -> None:
    down, up = tensors.get("down"), tensors.get("up")
    try:
        if (down is None) != (up is None):
            raise ValueError("one half of it is missing")
        if down is not None and up is not None:
            alpha = tensors.get("alpha")
            scale = weight * (1.0 if alpha is None else float(alpha) / down.shape[0])
            delta = up.float().flatten(1) @ down.float().flatten(1)
            _change(module, "weight", delta, scale)
        if "diff" in tensors:
            _change(module, "weight", tensors["diff"].float(), weight)
        if "bias" in tensors:
            _change(module, "bias", tensors["bias"].float(), weight)
    except (ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"The LoRA {str(path)!r} does not fit this network: at {name!r}, {error}."
        ) from None


def _change(module: nn.Module, leaf: str, delta: Tensor, scale: float) -> None:
    parameter = getattr(module, leaf)
    if parameter is None or parameter.numel() != delta.numel():
        raise ValueError(
            f"its {leaf} is {None if parameter is None else tuple(parameter.shape)!r}, the file's "
            f"{tuple(delta.shape)!r}"
        )
    changed = parameter.data.float() + scale * delta.view(parameter.shape).to(parameter.device)
    parameter.data = changed.to(parameter.dtype)
