"""How a training goes, for TensorBoard.

Events lie in ``tensorboard`` of the run folder: ``tensorboard --logdir RUN`` shows them. A training
that goes on from a checkpoint writes to the same folder, and what an interrupted one had written
beyond that checkpoint no longer counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema import hookimpl
from kinema.extras import require

if TYPE_CHECKING:
    from kinema.events import Training
    from kinema.media.video import Video

require("tensorboard", "kinema-apps[tensorboard]", "The plugin 'tensorboard'")

#: Where the events lie in the run folder.
FOLDER = "tensorboard"

#: A training whose recipe says nothing of events is observed.
observes_trainings = True

_writers: dict[Path, Any] = {}


def _writer(training: Training, step: int) -> Any:
    """The writer of a training; its first event says from which step earlier ones are replaced."""
    if training.folder not in _writers:
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(training.folder / FOLDER), purge_step=step)
        _writers[training.folder] = writer
        config = json.dumps(training.config, indent=2, default=str)
        writer.add_text("config", f"```json\n{config}\n```", step)
        sizes = f"{training.clips} clips, {training.trainable} parameters are trained"
        writer.add_text("training", sizes, step)
    return _writers[training.folder]


def _close(training: Training) -> None:
    writer = _writers.pop(training.folder, None)
    if writer is not None:
        writer.close()


@hookimpl
def kinema_training_started(training: Training) -> None:
    """Forget an earlier training in the same folder."""
    _close(training)


@hookimpl
def kinema_training_step_finished(
    training: Training, step: int, values: Mapping[str, float]
) -> None:
    """Write the loss, the learning rate, clips per second and whatever else was measured."""
    writer = _writer(training, step)
    for name, value in values.items():
        writer.add_scalar(f"training/{name}", value, step)


@hookimpl
def kinema_training_validated(
    training: Training, step: int, values: Mapping[str, float], videos: Mapping[str, Video]
) -> None:
    """Write the measured values, and the videos as animated pictures."""
    writer = _writer(training, step)
    for name, value in values.items():
        writer.add_scalar(f"validation/{name}", value, step)
    for name, video in videos.items():
        _add_video(writer, f"validation/{name}", video, step)


@hookimpl
def kinema_training_checkpoint_saved(training: Training, step: int, folder: Path) -> None:
    """Write everything down, so that the events are at least as new as the checkpoint."""
    writer = _writer(training, step)
    writer.add_text("checkpoints", folder.name, step)
    writer.flush()


@hookimpl
def kinema_training_failed(training: Training, step: int, error: BaseException) -> None:
    """Write why the training ended."""
    _writer(training, step).add_text("failed", f"{type(error).__name__}: {error}", step)
    _close(training)


@hookimpl
def kinema_training_finished(training: Training) -> None:
    """Write the last events."""
    _close(training)


def _add_video(writer: Any, tag: str, video: Video, step: int) -> None:
    # SummaryWriter.add_video would need moviepy; TensorBoard itself wants no more than a GIF.
    import importlib

    Summary: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2").Summary
    width, height = video.size
    image = Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=_gif(video)
    )
    summary = Summary(value=[Summary.Value(tag=tag, image=image)])
    writer.file_writer.add_summary(summary, step)


def _gif(video: Video) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = video.save(Path(folder) / "video.gif", manifest=False)
        return path.read_bytes()
