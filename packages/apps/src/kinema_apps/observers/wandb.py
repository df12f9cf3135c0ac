"""How a training goes, for Weights & Biases.

Nothing is sent anywhere unless the variable WANDB_MODE asks for it: the run lies in ``wandb`` of
the run folder, and ``wandb sync`` sends it later. A training that goes on from a checkpoint goes on
with the same run.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema import hookimpl
from kinema.extras import require

if TYPE_CHECKING:
    from kinema.events import Training
    from kinema.media.video import Video

require("wandb", "kinema-apps[wandb]", "The plugin 'wandb'")

#: The file in the run folder that keeps the run's name at Weights & Biases.
IDENTITY = "wandb-run"

_runs: dict[Path, Any] = {}


def _identity(folder: Path) -> str:
    from kinema.files import write_atomically

    file = folder / IDENTITY
    if not file.is_file():
        write_atomically(file, lambda part: part.write_text(secrets.token_hex(8), encoding="utf-8"))
    return file.read_text(encoding="utf-8").strip()


@hookimpl
def kinema_training_started(training: Training) -> None:
    """Begin a run, or go on with it."""
    import os

    import wandb

    mode: Any = os.environ.get("WANDB_MODE", "offline")  # wandb itself refuses a wrong one
    _finish(training, 0)
    _runs[training.folder] = wandb.init(
        project="kinema",
        name=training.name,
        id=_identity(training.folder),
        resume="allow",
        dir=str(training.folder),
        mode=mode,
        config={
            **training.config,
            "clips": training.clips,
            "trainable": training.trainable,
        },
    )


@hookimpl
def kinema_training_step_finished(
    training: Training, step: int, values: Mapping[str, float]
) -> None:
    """Log the loss, the learning rate, clips per second and whatever else was measured."""
    if training.folder in _runs:
        named = {f"training/{name}": value for name, value in values.items()}
        _runs[training.folder].log(named, step=step)


@hookimpl
def kinema_training_validated(
    training: Training, step: int, values: Mapping[str, float], videos: Mapping[str, Video]
) -> None:
    """Log the measured values, and the videos as animated pictures."""
    if training.folder not in _runs:
        return
    import tempfile

    import wandb

    logged: dict[str, Any] = {f"validation/{name}": value for name, value in values.items()}
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, video) in enumerate(videos.items()):
            path = video.save(Path(folder) / f"{index}.gif", manifest=False)
            logged[f"validation/{name}"] = wandb.Video(str(path), format="gif")
        _runs[training.folder].log(logged, step=step)


@hookimpl
def kinema_training_failed(training: Training) -> None:
    """End the run as failed."""
    _finish(training, 1)


@hookimpl
def kinema_training_finished(training: Training) -> None:
    """End the run."""
    _finish(training, 0)


def _finish(training: Training, code: int) -> None:
    run = _runs.pop(training.folder, None)
    if run is not None:
        run.finish(exit_code=code)
