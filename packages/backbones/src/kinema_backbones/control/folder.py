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


def write_folder(
    folder: Path, record: ControllerRecord, state: Mapping[str, Tensor], lora: Mapping[str, bytes]
) -> Path:
    """Write a controller folder; a folder of that name is replaced as a whole.

    Raises:
        InputError: it cannot be written.
    """
    tensors = {key: value.detach().contiguous() for key, value in state.items()}

    def write(part: Path) -> None:
        (part / LORA if lora else part).mkdir(parents=True)
        safetensors.torch.save_file(tensors, part / WEIGHTS)
        record.write(part)
        for name, data in lora.items():
            (part / LORA / name).write_bytes(data)

    return write_atomically(folder, write)
