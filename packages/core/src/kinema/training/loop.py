"""The training loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from kinema.errors import Cancelled, InputError
from kinema.events import notify
from kinema.files import claimed, write_atomically
from kinema.outputs import check_folder, sweep
from kinema.plugins import Plugins
from kinema.training import state
from kinema.training.assembly import assemble
from kinema.training.config import TrainConfig
from kinema.training.engine import Engine
from kinema.training.interruption import interruptible
from kinema.training.launched import open_engine
from kinema.training.trainer import Trainer
from kinema.training.validation import Drawing

#: Called after every step with (steps done, steps, what was measured).
OnStep = Callable[[int, int, Mapping[str, float]], None]


def train(
    config: TrainConfig,
    *,
    plugins: Plugins | None = None,
    resume: bool = False,
    on_step: OnStep | None = None,
    draw_motion: Drawing | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Path:
    """Train what a recipe says; returns the folder of the last checkpoint.

    Ctrl-C and SIGTERM write a checkpoint before they end the training. In several processes, each
    calls this; only the first writes files and calls observers.

    Args:
        plugins: where names are looked up; the installed plugins unless given.
        resume: go on from the newest checkpoint of the run folder, if there is one.
        on_step: called after every step.
        draw_motion: draws the motion on the videos of a validation.
        cancel: asked after every step; True ends the training, with a checkpoint.

    Raises:
        InputError: a name, an option or the data cannot be used.
        WeightsError: weights are absent, or a checkpoint is damaged.
        Cancelled: it was interrupted, or ``cancel`` said so.
        KinemaError: the loss stayed without a finite value, or a checkpoint could not be written.
    """
    check_folder(config.out, (config.data, config.validation.data))
    chosen = plugins or Plugins.installed()
    observers = chosen.observers(observing(config, chosen))
    with open_engine(config) as engine, interruptible() as asked, run_folder(config, engine):
        found = checkpoint_to_go_on_from(config, resume)
        assembly = assemble(config, chosen, engine.device)

        def tell(event: str, **values: Any) -> None:
            if engine.main:
                notify(observers, event, training=training, **values)

        step, begun = 0, False
        trainer = Trainer(assembly, engine, draw_motion)
        training = trainer.record()
        try:
            step = trainer.restore(found) if found else 0
            write_recipe(trainer)
            folder = found or training.folder
            begun = True
            tell("kinema_training_started")
            if step == config.steps and engine.main:
                # Whoever wrote the last one may have been killed before older ones were removed.
                state.thin_out(Path(config.out), config.checkpoints)
            for batches in trainer.batches(step):
                values = trainer.update(step, batches)
                step += 1
                tell("kinema_training_step_finished", step=step, steps=config.steps, values=values)
                if on_step is not None and engine.main:
                    on_step(step, config.steps, values)
                stop = asked.reason or ("cancel()" if cancel is not None and cancel() else "")
                stopping = engine.mean({"stop": float(bool(stop))})["stop"] > 0
                scores: Mapping[str, float] = {}
                if not stopping and trainer.due(step, config.validation.every):
                    seen = trainer.validate(step)
                    scores, videos = seen.values, seen.videos
                    tell("kinema_training_validated", step=step, values=scores, videos=videos)
                if stopping or trainer.due(step, config.checkpoints.every):
                    folder = trainer.save(step, scores)
                    tell("kinema_training_checkpoint_saved", step=step, folder=folder)
                if stopping and step < config.steps:
                    raise Cancelled(
                        f"The training was interrupted ({stop or 'in another process'}) after step "
                        f"{step} of {config.steps}; its checkpoint is {str(folder)!r}. Resume to "
                        "go on."
                    )
        except BaseException as error:
            if begun:  # a refusal changes nothing, not even what observers hold
                tell("kinema_training_failed", step=step, error=error)
            raise
        finally:
            assembly.detach()
        tell("kinema_training_finished", step=step)
        return folder


def observing(config: TrainConfig, plugins: Plugins) -> tuple[str, ...]:
    """Names of the plugins that observe the training."""
    if config.events is not None:
        return config.events
    return tuple(item.source.plugin for item in plugins.event_plugins() if item.by_default)


@contextmanager
def run_folder(config: TrainConfig, engine: Engine) -> Iterator[None]:
    """The run folder, made and claimed by the first process.

    Raises:
        InputError: the folder cannot be made, or another training is at work in it.
    """
    run = Path(config.out)
    with claimed(run, "training") if engine.main else nullcontext():
        if engine.main:
            for folder in (run, *(run / "samples").glob("*")):
                sweep(folder)
            for rest in run.glob(".step-*"):
                # Half of a checkpoint, of a process that was killed while it wrote.
                shutil.rmtree(rest, ignore_errors=True)
        yield


def checkpoint_to_go_on_from(config: TrainConfig, resume: bool) -> Path | None:
    """The newest checkpoint of the run folder, or None to start.

    Raises:
        InputError: there are checkpoints that would be mixed with new ones.
    """
    found = state.checkpoints(Path(config.out))
    if found and not resume:
        raise InputError(
            f"The run folder {config.out!r} holds checkpoints up to {found[-1].name}. Resume to go "
            "on from there, or choose another out."
        )
    return found[-1] if found else None


def write_recipe(trainer: Trainer) -> None:
    """Write the resolved recipe into the run folder."""
    if trainer.engine.main:
        path = Path(trainer.config.out) / state.RECIPE
        text = trainer.config.to_toml()
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
