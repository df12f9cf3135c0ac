"""Writing a controller folder: its record, its weights and its LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from kinema.checkpoints import ControllerRecord
from kinema.files import write_atomically

WEIGHTS = "controller.safetensors"
LORA = "lora"

#: What a LoRA folder of peft holds.
LORA_FILES = ("adapter_config.json", "adapter_model.safetensors")

#: Options that belong to one use of a folder and are not written into it.
OF_USE = ("weights", "lora", "lora_scale", "adapters")


def lora_paths(folder: Path) -> list[Path]:
    """The files of a LoRA folder; one with sub-folders holds LoRA for several networks."""
    parts = sorted(file.parent for file in folder.glob(f"*/{LORA_FILES[0]}"))
    return [part / name for part in parts or [folder] for name in LORA_FILES]


def write_folder(
    folder: Path, record: ControllerRecord, state: Mapping[str, Tensor], lora: Mapping[str, bytes]
) -> Path:
    """Write a controller folder; a folder of that name is replaced as a whole.

    A controller without parameters has no file of weights. The names of ``lora`` may have a folder.

    Raises:
        InputError: it cannot be written.
    """
    tensors = {key: value.detach().contiguous() for key, value in state.items()}

    def write(part: Path) -> None:
        part.mkdir(parents=True)
        if tensors:
            safetensors.torch.save_file(tensors, part / WEIGHTS)
        record.write(part)
        for name, data in lora.items():
            file = part / LORA / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    return write_atomically(folder, write)
