"""One process at work: updates, checkpoints, and going on from one."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.clips.dataset import ClipBatch, loader
from kinema.errors import KinemaError
from kinema.events import Training
from kinema.interfaces import SavedController, Trainable
from kinema.media.manifest import environment
from kinema.training import state
from kinema.training.assembly import Assembly
from kinema.training.average import Average
from kinema.training.draws import draw
from kinema.training.engine import Engine, spread_like, whole
from kinema.training.state import State
from kinema.training.validation import Drawing, Found, Validation, save_videos


class Trainer:
    """The parts of a training on the engine of this process.

    Args:
        assembly: the parts, not yet wrapped.
        engine: of this process.
        draw_motion: draws the motion on the videos of a validation.
    """

    def __init__(
        self, assembly: Assembly, engine: Engine, draw_motion: Drawing | None = None
    ) -> None:
        self.assembly = assembly
        self.config = assembly.config
        self.engine = engine
        self.network = state.fingerprint(
            dict(assembly.objective.named_parameters()), assembly.trained
        )
        self.count = sum(p.numel() for p in assembly.trained.values())
        engine.prepare(assembly.objective, list(assembly.trained.values()), self.config)
        self.average = Average(assembly.trained, self.config.ema) if self.config.ema else None
        self.validation: Validation | None = None
        if self.config.validation.every:
            self.validation = Validation(assembly, engine, draw_motion)
        self._bad = 0
        self._since = time.perf_counter()

    def record(self) -> Training:
        """What observers are told."""
        run = Path(self.config.out)
        return Training(
            name=run.resolve().name,
            folder=run,
            config=self.config.plain(),
            clips=len(self.assembly.dataset),
            trainable=self.count,
        )

    # -- updates ------------------------------------------------------------------------------

    def batches(self, first: int) -> Iterator[Sequence[ClipBatch]]:
        """The passes of each step from ``first`` on, this process's share of them."""
        passes = self.config.accumulation
        stream = loader(
            self.assembly.dataset,
            batch=self.config.batch,
            seed=self.config.seed,
            first=first * passes,
            stop=self.config.steps * passes,
            rank=self.engine.rank,
            world=self.engine.world,
            workers=self.config.workers,
        )
        while True:
            # Reading counts as work; checkpoints and validations between the steps do not.
            self._since = time.perf_counter()
            group = tuple(itertools.islice(stream, passes))
            if not group:
                return
            yield group

    def update(self, step: int, group: Sequence[ClipBatch]) -> dict[str, float]:
        """Step ``step`` (from 0); returns what was measured, the same in every process.

        Raises:
            KinemaError: too many steps in a row had no finite loss.
        """
        total = torch.zeros((), device=self.engine.device)
        for number, batch in enumerate(group):
            draws = draw(
                self.config,
                self.assembly.trainable,
                self.assembly.options,
                step,
                self._places(number),
                batch.latents.shape[1:],
                batch.motion_length,
            )
            total = total + self.engine.losses(batch, draws).mean()
        loss = self.engine.mean({"loss": float(total) / len(group)})["loss"]
        rate = self.config.optimizer.rate(step, self.config.steps)
        norm = math.nan
        if math.isfinite(loss):
            norm = self.engine.step(rate)
        else:
            self.engine.forget()
        self._judge(step, loss, norm)
        if self.average is not None and math.isfinite(norm):
            self.average.update(step + 1)
        took = time.perf_counter() - self._since
        return {
            "loss": loss,
            "learning_rate": rate,
            "gradient_norm": norm,
            "clips_per_second": self.config.batch * len(group) / took,
            "skipped": float(not math.isfinite(norm)),
        }

    def _places(self, number: int) -> range:
        """Places of this process's clips of a pass among all clips of the step."""
        share = self.config.batch // self.engine.world
        first = number * self.config.batch + self.engine.rank * share
        return range(first, first + share)

    def _judge(self, step: int, loss: float, norm: float) -> None:
        good = math.isfinite(loss) and (math.isfinite(norm) or self.config.precision == "fp16")
        self._bad = 0 if good else self._bad + 1
        if self._bad >= self.config.bad_steps:
            kept = state.checkpoints(Path(self.config.out))
            raise KinemaError(
                f"The last {self._bad} steps up to step {step + 1} had no finite loss or gradient "
                f"(loss {loss!r}); none of them changed the weights. The newest checkpoint is "
                f"{str(kept[-1]) if kept else 'none'!r}. Lower the learning rate, or look at the "
                "clips."
            )

    # -- validation ---------------------------------------------------------------------------

    def due(self, step: int, every: int) -> bool:
        """Whether something that is done every so many steps is done after ``step`` of them."""
        return every > 0 and (step % every == 0 or step == self.config.steps)

    def validate(self, step: int) -> Found:
        """Measure the weights that are worth using, and keep the videos in the run folder.

        Raises:
            KinemaError: a video could not be written.
        """
        assert self.validation is not None
        with self.averaged():
            found = self.validation.run()
        if self.engine.main:
            save_videos(Path(self.config.out), step, found.videos)
        return found

    # -- checkpoints --------------------------------------------------------------------------

    def averaged(self) -> AbstractContextManager[None]:
        """The weights that are worth using: their average if the recipe asks for one."""
        return self.average.applied() if self.average is not None else nullcontext()

    def save(self, step: int, values: Mapping[str, float]) -> Path:
        """Write the checkpoint after ``step`` steps, and remove those that need not stay.

        Raises:
            KinemaError: it could not be written, in whichever process.
        """
        run = Path(self.config.out)
        now = State(
            step=step,
            # Copies, since the averages take their place while the controller is written.
            weights={k: whole(p).detach().clone() for k, p in self.assembly.trained.items()},
            optimizer=self._optimizer_tensors(),
            ema={k: whole(v) for k, v in self.average.values.items()} if self.average else {},
            rng=state.rng_state(),
            scaler=self.engine.scaler(),
            values={k: v for k, v in values.items() if math.isfinite(v)},
        )
        failure: KinemaError | None = None
        with self.averaged(), self.engine.gathered():
            if self.engine.main:
                try:
                    recipe = self.config.to_toml()
                    state.save(run, now, recipe, self.network, lambda part: self._write(part, step))
                    state.thin_out(run, self.config.checkpoints)
                except KinemaError as error:
                    failure = error
        if self.engine.mean({"failed": float(failure is not None)})["failed"]:
            raise failure or KinemaError("The main process could not write the checkpoint.")
        return run / state.step_name(step)

    def _write(self, part: Path, step: int) -> None:
        backbone, controller = self.assembly.backbone, self.assembly.controller
        assert isinstance(backbone, Trainable)
        if controller is not None:
            assert isinstance(controller, SavedController)
            controller.save(
                part / "controller",
                conditions=self.assembly.conditions,
                manifest=self._manifest(step),
                lora=backbone.adapter_files(),
            )
        if self.config.adaptation.method == "full":
            (part / "weights").mkdir()
            backbone.save_weights(part / "weights")

    def _manifest(self, step: int) -> dict[str, Any]:
        return {
            "training": self.config.plain(),
            "step": step,
            "offers": self.assembly.parts.used,
            "data": dict(self.assembly.dataset.meta),
            "licences": list(dict.fromkeys(self.assembly.parts.licences)),
            "environment": environment(),
        }

    def restore(self, folder: Path) -> int:
        """Go on from a checkpoint; returns how many steps are done.

        Raises:
            WeightsError: it is damaged.
            InputError: it belongs to another training.
        """
        trained = self.assembly.trained
        found = state.load(folder, self.config.to_toml(), self.network, trained)
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(spread_like(parameter, found.weights[name]))
                if self.average is not None and name in found.ema:
                    self.average.values[name].copy_(spread_like(parameter, found.ema[name]))
        self._set_optimizer_tensors(found.optimizer)
        self.engine.set_scaler(found.scaler)
        state.set_rng_state(found.rng)
        return found.step

    def _names(self) -> list[str]:
        """The names of the optimizer's parameters, in its order."""
        by_id = {id(p): name for name, p in self.assembly.trained.items()}
        return [by_id[id(p)] for p in self.engine.trained]

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        return {
            f"{name}::{key}": value
            for name, tensors in zip(self._names(), self.engine.optimizer_tensors(), strict=True)
            for key, value in tensors.items()
        }

    def _set_optimizer_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        of_names: dict[str, dict[str, Tensor]] = {name: {} for name in self._names()}
        for full, tensor in tensors.items():
            name, _, key = full.rpartition("::")
            of_names[name][key] = tensor
        self.engine.set_optimizer_tensors(list(of_names.values()))
