"""Training of controllers, and of backbones, on prepared clips.

``train`` follows a ``TrainConfig``, which ``read_config`` reads from a recipe.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinema.training.config import TrainConfig, parse_config, read_config
    from kinema.training.loop import train

__all__ = ["TrainConfig", "parse_config", "read_config", "train"]

_HOMES = {
    "TrainConfig": "config",
    "parse_config": "config",
    "read_config": "config",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    # Observers import the record beside this, and need nothing of what loads torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
