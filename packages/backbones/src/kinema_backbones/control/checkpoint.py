"""Controller folders: ``controller.json``, ``controller.safetensors`` and, with LoRA, ``lora/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from kinema.checkpoints import RECORD, ControllerRecord
from kinema.config import from_mapping
from kinema.errors import InputError, WeightsError, naming
from kinema.files import check_weights
from kinema.interfaces import Adapter
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import CONTROLLERS, EncodedController
from kinema_backbones.control.folder import LORA, OF_USE, WEIGHTS, lora_paths

#: What MotionPro's controllers read, in channel order.
CONDITIONS: Mapping[str, Mapping[str, Any]] = {"region-trajectory": {}, "motion-mask": {}}


def save_controller(
    controller: EncodedController,
    folder: Path,
    *,
    conditions: Mapping[str, Mapping[str, Any]] = CONDITIONS,
    manifest: Mapping[str, Any] | None = None,
    licence: str = "",
    lora: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a controller folder, see :meth:`EncodedController.save`.

    Raises:
        InputError: the controller was not built yet, or the folder cannot be written.
    """
    return controller.save(
        folder,
        conditions=conditions,
        manifest=manifest or {},
        licence=licence,
        lora=lora or {},
    )


def load_controller(folder: str | Path, label: str = "", **options: Any) -> EncodedController:
    """A controller from its folder, with its LoRA if it has one.

    Args:
        label: what messages call it; the folder unless given.
        options: further options of :class:`ControllerConfig`, such as ``lora_scale``.

    Raises:
        WeightsError: the folder is absent or its weights do not fit its record.
        InputError: the record names no controller of this package, or no sites.
    """
    record = ControllerRecord.read(Path(folder))
    if record.controller not in CONTROLLERS:
        raise InputError(
            f"{str(folder)!r} holds a controller {record.controller!r}; this package loads "
            f"{', '.join(CONTROLLERS)}."
        )
    data = {**record.config, **options, "weights": str(folder)}
    where = f"The controller folder {str(folder)!r}"
    with naming(where, folder):
        config = from_mapping(ControllerConfig, data, where)
        if not config.sites:
            raise InputError(f"{str(Path(folder) / RECORD)!r} lists no sites in its config.")
        return build_controller(record.controller, config, label)


def build_controller(name: str, config: ControllerConfig, label: str = "") -> EncodedController:
    """A controller of that name; what the offers call.

    Args:
        label: what messages call it; its folder or its name unless given.

    Raises:
        WeightsError: the folder in the config lacks weights, or they do not fit.
        InputError: a folder is named but the config lists no sites.
    """
    folder = Path(config.weights) if config.weights else None
    if folder is not None and not config.sites:
        return load_controller(
            folder, label, **{key: getattr(config, key) for key in OF_USE if key != "weights"}
        )
    controller = CONTROLLERS[name](config)
    adapters = [Adapter(Path(path), weight) for path, weight in config.adapters.items()]
    if folder is not None:
        controller.load_state_dict(_read(folder / WEIGHTS, controller.state_dict()))
        if config.lora and (folder / LORA).is_dir():
            adapters.insert(0, Adapter(folder / LORA, config.lora_scale))
    controller.adapters = tuple(adapters)
    controller.label = label or (str(folder) if folder is not None else name)
    return controller


def controller_files(config: ControllerConfig) -> list[Path]:
    """The files that a controller reads when it is built with ``config``."""
    folder = Path(config.weights) if config.weights else None
    adapters = [Path(path) for path in config.adapters]
    files: list[Path] = []
    if folder is not None:
        files = [folder / RECORD, folder / WEIGHTS]
        if config.lora and (folder / LORA).is_dir():
            adapters.insert(0, folder / LORA)
    return [*files, *(file for adapter in adapters for file in lora_paths(adapter))]


def _read(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    check_weights(path)
    try:
        state = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {str(path)!r} cannot be read: {error}.") from None
    wrong = [k for k, v in expected.items() if k not in state or state[k].shape != v.shape]
    extra = sorted(set(state) - set(expected))
    if wrong or extra:
        raise WeightsError(
            f"The weights {str(path)!r} do not fit their controller.json: {len(wrong)} tensors "
            f"missing or of another shape {wrong[:3]!r}, {len(extra)} unknown {extra[:3]!r}."
        )
    return state
