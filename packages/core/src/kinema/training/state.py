"""Checkpoints: written whole or not at all, checked before they are used, thinned out."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from kinema.errors import InputError, KinemaError, KinemaWarning, WeightsError
from kinema.files import parse_json, read_bytes, read_text, sha256_of_file, write_atomically
from kinema.outputs import remove_folder
from kinema.training.config import CheckpointConfig

FORMAT = "kinema.training/1"
RECORD = "state.json"
RECIPE = "recipe.toml"

#: Options that may be changed when a training goes on: they change no number of a step.
FREE = (
    "data",
    "out",
    "weights",
    "steps",
    "device",
    "workers",
    "bad_steps",
    "events",
    "checkpoints",
    "validation",
)

_STEP = re.compile(r"step-(\d{6,})")


@attrs.frozen(eq=False, kw_only=True)
class State:
    """A training after some steps.

    Attributes:
        step: how many.
        weights: the trained weights, by name.
        optimizer: the optimizer's tensors, ``NAME::KEY``.
        ema: the averages of the weights, by name; empty without.
        rng: states of torch's own generators.
        scaler: of fp16.
        values: of the validation at this very step.
    """

    step: int
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    ema: Mapping[str, Tensor] = attrs.field(factory=dict)
    rng: Mapping[str, Tensor] = attrs.field(factory=dict)
    scaler: Mapping[str, float] = attrs.field(factory=dict)
    values: Mapping[str, float] = attrs.field(factory=dict)


_TENSORS = ("weights", "optimizer", "ema", "rng")


def step_name(step: int) -> str:
    """Name of the folder of a checkpoint."""
    return f"step-{step:06d}"


def checkpoints(run: Path) -> list[Path]:
    """The checkpoint folders of a run, the oldest first."""
    found = [path for path in run.glob("step-*") if path.is_dir() and _STEP.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def fingerprint(parameters: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> str:
    """Tells a network with its frozen weights from any other; trained weights count by shape."""
    digest = hashlib.sha256()
    for name, parameter in sorted(parameters.items()):
        digest.update(f"{name} {tuple(parameter.shape)} {name in trained};".encode())
        if name not in trained:
            few = parameter.detach().flatten()[:16].float().cpu()
            digest.update(few.numpy().tobytes())
    return digest.hexdigest()


def save(run: Path, state: State, recipe: str, network: str, extra: Callable[[Path], None]) -> Path:
    """Write one checkpoint folder.

    Args:
        run: the run folder.
        recipe: the resolved recipe as TOML.
        network: the fingerprint of the network.
        extra: writes the controller and the weights for use into the folder.

    Raises:
        KinemaError: writing failed; nothing is left of it, and earlier checkpoints stay.
    """

    def write(part: Path) -> None:
        part.mkdir()
        for name in _TENSORS:
            tensors = {
                key: value.detach().contiguous() for key, value in getattr(state, name).items()
            }
            if tensors:
                safetensors.torch.save_file(tensors, part / f"{name}.safetensors")
        (part / RECIPE).write_text(recipe, encoding="utf-8")
        extra(part)
        files = sorted(path for path in part.rglob("*") if path.is_file())
        record = {
            "format": FORMAT,
            "step": state.step,
            "network": network,
            "scaler": dict(state.scaler),
            "values": dict(state.values),
            "files": {path.relative_to(part).as_posix(): sha256_of_file(path) for path in files},
        }
        (part / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    target = run / step_name(state.step)
    try:
        return write_atomically(target, write)
    except (OSError, SafetensorError, InputError) as error:
        kept = [path.name for path in checkpoints(run)]
        raise KinemaError(
            f"The checkpoint {str(target)!r} could not be written: {error}. Nothing is left of "
            f"it; earlier checkpoints: {', '.join(kept) or 'none'}."
        ) from error


def load(folder: Path, recipe: str, network: str, like: Mapping[str, Tensor]) -> State:
    """Read a checkpoint that belongs to this recipe and network.

    Args:
        recipe: the resolved recipe of the training that is to go on.
        network: the fingerprint of its network.
        like: its trained parameters.

    Raises:
        WeightsError: the checkpoint is damaged.
        InputError: it belongs to another training.
    """
    record = read_record(folder)
    _check_files(folder, record["files"])
    _check_recipe(folder, recipe)
    if record["network"] != network:
        raise InputError(
            f"The checkpoint {str(folder)!r} belongs to another network: names, shapes or frozen "
            "weights differ. Go on with the backbone and the controller that it was made with."
        )
    tensors = {}
    for name in _TENSORS:
        path = folder / f"{name}.safetensors"
        try:
            tensors[name] = safetensors.torch.load_file(path) if path.is_file() else {}
        except (OSError, SafetensorError) as error:
            raise _damaged(folder, f"{path.name} cannot be read ({error})") from None
    wrong = sorted(
        name
        for name in like.keys() | tensors["weights"].keys()
        if name not in like
        or name not in tensors["weights"]
        or like[name].shape != tensors["weights"][name].shape
    )
    if wrong:
        raise _damaged(folder, f"{len(wrong)} tensors do not fit, such as {wrong[:3]!r}")
    return State(step=record["step"], scaler=record["scaler"], values=record["values"], **tensors)


def read_record(folder: Path) -> dict[str, Any]:
    """What ``state.json`` of a checkpoint says.

    Raises:
        WeightsError: it is absent or damaged.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = parse_json(read_bytes(path), "It", InputError)
        if record["format"] != FORMAT:
            raise KeyError("format")
        if _STEP.fullmatch(folder.name) and step_name(record["step"]) != folder.name:
            raise ValueError(f"it is of step {record['step']}")
        for name, kind in (("network", str), ("scaler", dict), ("values", dict), ("files", dict)):
            if not isinstance(record[name], kind):
                raise KeyError(name)
    except OSError as error:
        raise _damaged(folder, f"{RECORD} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{RECORD} is not of the form {FORMAT!r} ({error})") from None
    return record


def thin_out(run: Path, config: CheckpointConfig) -> None:
    """Remove all checkpoints but the newest ones and the best one.

    Each goes under another name first: a killed process leaves no half of one. One that cannot be
    removed stays, and is named in a warning.
    """
    found = checkpoints(run)
    stay = set(found[-config.keep :])
    best = best_checkpoint(run, config)
    for folder in found:
        if folder in stay or folder == best:
            continue
        try:
            remove_folder(folder)
        except OSError as error:
            _pass_over(f"The old checkpoint {str(folder)!r} could not be removed: {error}.")


def best_checkpoint(run: Path, config: CheckpointConfig) -> Path | None:
    """The checkpoint with the best value of the chosen name, if any has one.

    One that cannot be read is passed over with a warning.
    """
    scored = {}
    for folder in checkpoints(run):
        try:
            value = read_record(folder)["values"].get(config.best)
        except WeightsError as error:
            _pass_over(f"{error} It is passed over.")
            continue
        if isinstance(value, (int, float)):
            scored[folder] = value
    if not scored:
        return None
    choose = min if config.best_is == "lowest" else max
    return choose(scored, key=lambda folder: scored[folder])


def rng_state() -> dict[str, Tensor]:
    """States of torch's own generators, of this process."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_rng_state(states: Mapping[str, Tensor]) -> None:
    """Put back what :func:`rng_state` returned."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise _damaged(folder, f"{name} is missing")
        if sha256_of_file(path) != digest:
            raise _damaged(folder, f"{name} is not what was written (its sha256 differs)")
    if RECIPE not in files or "weights.safetensors" not in files:
        raise _damaged(folder, "it lists no weights or no recipe")


def _check_recipe(folder: Path, recipe: str) -> None:
    ours = tomllib.loads(recipe)
    try:
        theirs = tomllib.loads(read_text(folder / RECIPE))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder, f"{RECIPE} cannot be read ({error})") from None
    names = sorted(ours.keys() | theirs.keys())
    differ = [n for n in names if n not in FREE and ours.get(n) != theirs.get(n)]
    if differ:
        told = "; ".join(f"{n} is {theirs.get(n)!r} there and {ours.get(n)!r} here" for n in differ)
        raise InputError(
            f"The checkpoint {str(folder)!r} belongs to another training: {told}. Go on with its "
            "own recipe, or choose another out."
        )


def _pass_over(text: str) -> None:
    warnings.warn(text, KinemaWarning, stacklevel=3)


def _damaged(folder: Path, why: str) -> WeightsError:
    return WeightsError(
        f"The checkpoint {str(folder)!r} cannot be used: {why}. Remove it to go on from an "
        "earlier one."
    )
