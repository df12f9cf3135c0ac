"""What a training is: a recipe in TOML, checked, and written out again with every default."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from kinema.config import from_mapping
from kinema.errors import InputError, naming
from kinema.files import read_text
from kinema.interfaces import Adaptation
from kinema.training.toml import to_toml

#: More steps, or clips at a time, than any training has.
MOST, MOST_CLIPS = 1_000_000_000, 100_000


def _check(what: str, faults: Mapping[str, bool], config: Any) -> None:
    """Refuse the options whose condition does not hold."""
    bad = {name: getattr(config, name) for name, holds in faults.items() if not holds}
    if bad:
        given = ", ".join(f"{name} = {value!r}" for name, value in bad.items())
        raise InputError(f"{what} out of range: {given}.")


@attrs.frozen(kw_only=True)
class OptimizerConfig:
    """The optimizer and its learning rate.

    Raises:
        InputError: a value is out of range.
    """

    name: Literal["adamw", "muon"] = "adamw"
    """``adamw`` (Loshchilov and Hutter 2019), or ``muon`` (Jordan et al. 2024), which steps
    matrices orthogonally and learns faster where weights begin from nothing."""
    learning_rate: float = 1e-5
    """Of the steps after the warm-up."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Whether the learning rate then stays, or falls to zero along a cosine."""
    horizon: int = 0
    """The step at which the cosine ends, for a training that is to be cut short; 0 is its last."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly from zero."""
    beta1: float = 0.9
    """Decay of the mean of the gradients."""
    beta2: float = 0.999
    """Decay of the mean of their squares."""
    epsilon: float = 1e-8
    """Added to the root of that mean."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient; longer ones are shortened. 0 leaves it as it is."""

    def __attrs_post_init__(self) -> None:
        _check(
            "Options of the optimizer are",
            {
                "name": self.name in ("adamw", "muon"),
                "learning_rate": 0 < self.learning_rate < math.inf,
                "schedule": self.schedule in ("constant", "cosine"),
                "horizon": self.horizon >= 0,
                "warmup": self.warmup >= 0,
                "beta1": 0 <= self.beta1 < 1,
                "beta2": 0 <= self.beta2 < 1,
                "epsilon": 0 < self.epsilon < math.inf,
                "weight_decay": 0 <= self.weight_decay < math.inf,
                "clip": 0 <= self.clip < math.inf,
            },
            self,
        )

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step ``step`` (from 0) of ``steps``."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "constant":
            return self.learning_rate * rise
        along = max(0, step - self.warmup) / max(1, (self.horizon or steps) - self.warmup)
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, along)))


@attrs.frozen(kw_only=True)
class CheckpointConfig:
    """When checkpoints are written, and which stay.

    Raises:
        InputError: a value is out of range.
    """

    every: int = 500
    """Steps between checkpoints; the last step has one too."""
    keep: int = 3
    """How many of the newest stay."""
    best: str = "validation_loss"
    """The value of a validation by which the best one stays as well; empty keeps no best."""
    best_is: Literal["lowest", "highest"] = "lowest"
    """Whether low or high is good."""

    def __attrs_post_init__(self) -> None:
        _check(
            "Options of the checkpoints are",
            {
                "every": self.every >= 1,
                "keep": self.keep >= 1,
                "best_is": self.best_is in ("lowest", "highest"),
            },
            self,
        )


@attrs.frozen(kw_only=True)
class ValidationConfig:
    """What is measured on fixed clips while training goes on.

    Raises:
        InputError: a value is out of range.
    """

    every: int = 0
    """Steps between validations; 0 means none."""
    data: str = ""
    """Folder of prepared clips; empty takes the first ones of the training data."""
    clips: int = 8
    """How many clips the validation loss is measured on."""
    sigmas: tuple[float, ...] = (0.2, 1.0, 5.0)
    """Noise levels at which it is measured, as sigma / alpha: noise against signal."""
    videos: int = 2
    """How many of the clips are rendered as videos."""
    points: int = 4
    """How many moving points of a clip become the drags of its video."""
    metrics: tuple[str, ...] = ()
    """Names of the metrics that score those videos; clips in which nothing moves are not scored."""
    sample: dict[str, Any] = attrs.field(factory=dict)
    """Options of the sampling loop."""

    def __attrs_post_init__(self) -> None:
        _check(
            "Options of the validation are",
            {
                "every": self.every >= 0,
                "clips": 1 <= self.clips <= MOST_CLIPS,
                "sigmas": bool(self.sigmas) and all(0 < s < math.inf for s in self.sigmas),
                "videos": 0 <= self.videos <= MOST_CLIPS,
                "points": 1 <= self.points <= MOST_CLIPS,
            },
            self,
        )


@attrs.frozen(kw_only=True)
class TrainConfig:
    """A recipe. Paths are relative to the current folder.

    Raises:
        InputError: a value is out of range, or options contradict each other.
    """

    data: str
    """Folder of prepared clips."""
    out: str
    """Run folder: checkpoints, samples, the resolved recipe."""
    backbone: str
    """Name of the backbone."""
    weights: str = ""
    """Folder or file of the backbone's weights, if it has any."""
    backbone_options: dict[str, Any] = attrs.field(factory=dict)
    """Options of the backbone."""
    controller: str
    """Name of the controller; empty trains the backbone alone."""
    controller_options: dict[str, Any] = attrs.field(factory=dict)
    """Options of the controller."""
    conditions: tuple[str, ...] = ()
    """Names of the conditions that feed the controller, in channel order; empty takes those that
    the controller asks for."""
    condition_options: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """Options of conditions, by name: of the controller's and of the backbone's own."""
    steps: int = 16_000
    """Updates of the weights."""
    batch: int = 8
    """Clips per pass, over all processes."""
    accumulation: int = 1
    """Passes per update."""
    seed: int = 0
    """Of all randomness."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """What the network computes in; the trained weights stay in float32."""
    device: str = "auto"
    """auto or cpu; which GPU is for the launcher to say."""
    workers: int = 0
    """Threads of each process that read clips ahead; 0 reads when asked."""
    ema: float = 0.0
    """Decay of the moving average of the trained weights that is saved and validated; 0 is off."""
    objective: dict[str, Any] = attrs.field(factory=dict)
    """The backbone's own options of training, such as its noise levels and what it is not told;
    `kinema show BACKBONE` lists them."""
    drop_motion: float = 0.0
    """Share of clips with the zero motion signal; above 0 it teaches motion guidance."""
    bad_steps: int = 10
    """Training ends after this many updates in a row without a finite loss."""
    events: tuple[str, ...] | None = None
    """Names of the plugins that observe the training; unset takes those that say that they observe
    every training, an empty list takes none."""
    adaptation: Adaptation = attrs.field(factory=Adaptation)
    """How the backbone's own network takes part: method, targets, rank, checkpointing."""
    optimizer: OptimizerConfig = attrs.field(factory=OptimizerConfig)
    """The optimizer and its learning rate."""
    checkpoints: CheckpointConfig = attrs.field(factory=CheckpointConfig)
    """When checkpoints are written, and which stay."""
    validation: ValidationConfig = attrs.field(factory=ValidationConfig)
    """What is measured on fixed clips while training goes on."""

    def __attrs_post_init__(self) -> None:
        _check(
            "Options of the training are",
            {
                "data": bool(self.data),
                "out": bool(self.out),
                "steps": 1 <= self.steps <= MOST,
                "batch": 1 <= self.batch <= MOST_CLIPS,
                "accumulation": 1 <= self.accumulation <= MOST_CLIPS,
                "seed": 0 <= self.seed < 2**63,
                "precision": self.precision in ("no", "bf16", "fp16"),
                "device": self.device in ("auto", "cpu"),
                "workers": 0 <= self.workers <= MOST_CLIPS,
                "ema": 0 <= self.ema < 1,
                "drop_motion": 0 <= self.drop_motion <= 1,
                "bad_steps": self.bad_steps >= 1,
            },
            self,
        )
        if not self.controller and self.adaptation.method == "none":
            raise InputError(
                "There is nothing to train: the controller is empty and adaptation.method is "
                "'none'. Name a controller, or choose the method 'full'."
            )
        if not self.controller and self.adaptation.method == "lora":
            raise InputError(
                "LoRA is kept in a controller's folder, but the controller is empty. Name a "
                "controller, or choose adaptation.method = 'full'."
            )
        if not self.controller and (self.conditions or self.controller_options):
            raise InputError(
                "Conditions or options of a controller are named, but the controller is empty."
            )

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        return attrs.asdict(self)

    def to_toml(self) -> str:
        """The resolved recipe as TOML."""
        return to_toml(self.plain())


#: The tables of a recipe whose options are fixed.
TABLES: Mapping[str, type[Any]] = {
    "adaptation": Adaptation,
    "optimizer": OptimizerConfig,
    "checkpoints": CheckpointConfig,
    "validation": ValidationConfig,
}


def read_config(path: Path, settings: Mapping[str, Any] | None = None) -> TrainConfig:
    """A recipe from a TOML file.

    Args:
        settings: further options that win over the file's, such as ``{"optimizer.clip": "0"}``.

    Raises:
        InputError: the file cannot be read, an option is unknown, or a value is out of range.
    """
    try:
        data = tomllib.loads(read_text(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"The recipe {str(path)!r} cannot be read: {reason}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"The recipe {str(path)!r} is no TOML: {error}.") from None
    for key, value in (settings or {}).items():
        _put(data, key, value)
    what = f"The recipe {str(path)!r}"
    with naming(what, path):
        return parse_config(data, what)


def parse_config(data: Mapping[str, Any], what: str = "The recipe") -> TrainConfig:
    """A recipe from plain data.

    Raises:
        InputError: an option is unknown, missing, or out of range.
    """
    resolved = dict(data)
    if isinstance(data.get("conditions"), Mapping):
        raise InputError(
            f"{what} has the table [conditions]. conditions is a list of names; their options go "
            "into [condition_options.NAME]."
        )
    for name, kind in TABLES.items():
        if isinstance(resolved.get(name), Mapping):
            # Each table by itself, so that an unknown key is named with its table's options.
            table = from_mapping(kind, resolved[name], f"{what}, table [{name}],")
            resolved[name] = attrs.asdict(table)
    return from_mapping(TrainConfig, resolved, what)


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *tables, name = key.split(".")
    if not all((*tables, name)):
        raise InputError(f"The setting {key!r} is not of the form KEY or TABLE.KEY.")
    for table in tables:
        inner = data.setdefault(table, {})
        if not isinstance(inner, dict):
            raise InputError(f"The setting {key!r} goes into {table!r}, which is no table.")
        data = inner
    data[name] = value
