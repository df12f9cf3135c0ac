"""The hooks by which a plugin observes, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.hooks import hookspec

if TYPE_CHECKING:
    from torch import Tensor

    from kinema.events import Run, Training
    from kinema.levels import Level
    from kinema.media.video import Video

# -- of a run --------------------------------------------------------------------------------------


@hookspec
def kinema_run_started(run: Run) -> None:
    """A video is about to be made; everything that will be used is known.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_run_started(run):
            print("making", run.frames, "frames with", run.backbone)
    """


@hookspec
def kinema_step_finished(
    run: Run, step: int, steps: int, latents: Tensor, level: Level, clean: Tensor
) -> None:
    """A sampling step is done; ``step`` counts from 1.

    ``latents`` ``(B, T', C, h, w)`` are those after the step, at the noise level ``level``;
    ``clean`` is what the network took for the clean latents in this step. An implementation names
    only the arguments that it wants.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_step_finished(run, step, steps, clean):
            print(f"{step}/{steps}", float(clean.std()))
    """


@hookspec
def kinema_sample_finished(run: Run, video: Video) -> None:
    """The video is made, and not yet written anywhere.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_sample_finished(run, video):
            print("mean brightness", video.frames.mean())
    """


@hookspec
def kinema_run_failed(run: Run, error: BaseException) -> None:
    """The run ended without a video: it failed, or the caller cancelled it.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_run_failed(run, error):
            print("no video:", error)
    """


# -- of a training ---------------------------------------------------------------------------------


@hookspec
def kinema_training_started(training: Training) -> None:
    """A training is about to begin, or to go on from a checkpoint.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_started(training):
            print("training", training.trainable, "parameters on", training.clips, "clips")
    """


@hookspec
def kinema_training_step_finished(
    training: Training, step: int, steps: int, values: Mapping[str, float]
) -> None:
    """A training step is done; ``step`` counts from 1 over all restarts, up to ``steps``.

    ``values`` has ``loss``, ``learning_rate``, ``gradient_norm``, ``clips_per_second``, and
    whatever else the training measures.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_step_finished(training, step, steps, values):
            if step % 100 == 0:
                print(f"{step}/{steps}", values["loss"])
    """


@hookspec
def kinema_training_validated(
    training: Training, step: int, values: Mapping[str, float], videos: Mapping[str, Video]
) -> None:
    """The fixed samples were made and measured, with the motion drawn on each of ``videos``.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_validated(training, step, values, videos):
            for name, video in videos.items():
                video.save(training.folder / f"{name}-{step}.gif")
    """


@hookspec
def kinema_training_checkpoint_saved(training: Training, step: int, folder: Path) -> None:
    """A checkpoint lies complete in ``folder``.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_checkpoint_saved(training, step, folder):
            print("step", step, "is safe in", folder)
    """


@hookspec
def kinema_training_failed(training: Training, step: int, error: BaseException) -> None:
    """The training ended early, after ``step`` steps: it failed, or the caller cancelled it.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_failed(training, step, error):
            print("stopped after step", step, "by", error)
    """


@hookspec
def kinema_training_finished(training: Training, step: int) -> None:
    """All ``step`` steps are done and the last checkpoint is saved.

    Example::

        import kinema

        @kinema.hookimpl
        def kinema_training_finished(training, step):
            print(training.name, "is trained")
    """
