"""Controllers without parameters as folders: their options, and LoRA that was trained with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.checkpoints import RECORD, ControllerRecord
from kinema.interfaces import Adapter, Term
from kinema_backbones.control.folder import LORA, OF_USE, lora_paths, write_folder
from kinema_backbones.control.latent_config import LatentConfig
from kinema_backbones.control.points import acted_terms


class LatentController:
    """What ``latent-copy`` and ``latent-splat`` share: guidance terms, LoRA, and being saved."""

    #: Name of the offer.
    name = ""

    def __init__(self, config: LatentConfig) -> None:
        #: The guidance terms that it acts in.
        self.acts_in: tuple[Term, ...] = acted_terms(config.halves)
        #: LoRA for the backbone, of its folder first.
        self.adapters: tuple[Adapter, ...] = adapters_of(config)
        self._options = config

    def save(
        self,
        folder: Path,
        *,
        conditions: Mapping[str, Mapping[str, Any]],
        manifest: Mapping[str, Any],
        lora: Mapping[str, bytes],
    ) -> Path:
        """Write a controller folder; see :class:`kinema.interfaces.SavedController`.

        Raises:
            InputError: the folder cannot be written.
        """
        config = {k: v for k, v in attrs.asdict(self._options).items() if k not in OF_USE}
        record = ControllerRecord(
            controller=self.name,
            config=config,
            conditions=dict(conditions),
            manifest=dict(manifest),
        )
        return write_folder(folder, record, {}, lora)


def adapters_of(config: LatentConfig) -> tuple[Adapter, ...]:
    """The LoRA that a controller brings: that of its folder, and those named beside it."""
    adapters = [Adapter(Path(path), weight) for path, weight in config.adapters.items()]
    own = Path(config.weights) / LORA
    if config.weights and config.lora and own.is_dir():
        adapters.insert(0, Adapter(own, config.lora_scale))
    return tuple(adapters)


def latent_files(config: LatentConfig) -> list[Path]:
    """The files that a controller reads when it is built with ``config``."""
    files = [Path(config.weights) / RECORD] if config.weights else []
    return [*files, *(file for each in adapters_of(config) for file in lora_paths(each.folder))]
