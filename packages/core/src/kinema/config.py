"""How a run samples. Options of a plugin belong to that plugin's own config."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar, get_args, get_origin

import attrs

from kinema.errors import InputError, suggestion

_T = TypeVar("_T")

#: More steps than any schedule of noise levels tells apart.
MOST_STEPS = 10_000


@attrs.frozen(kw_only=True)
class SampleConfig:
    """What every sampling loop needs to know; a backbone adds its schedule and guidance.

    Raises:
        InputError: a value is out of range.
    """

    steps: int = 25
    """Network steps from noise to video."""
    solver: str = "euler"
    """How a step is taken: the name of a solver, such as euler or heun."""
    motion_guidance: float = 1.0
    """Scale of the motion against the zero signal; 1 is off, above 1 follows it more strongly."""

    def __attrs_post_init__(self) -> None:
        numbers = {k: v for k, v in attrs.asdict(self).items() if isinstance(v, (int, float))}
        bad = [name for name, value in numbers.items() if not math.isfinite(value)]
        if bad:
            raise InputError(f"Sampling options must be finite numbers: {', '.join(bad)}.")
        if not 1 <= self.steps <= MOST_STEPS:
            raise InputError(
                f"steps must be at least 1 and at most {MOST_STEPS}, got {self.steps!r}."
            )

    @classmethod
    def of(cls, config: SampleConfig) -> Self:
        """``config`` if it is of this class, else this class's defaults with what it does say."""
        if isinstance(config, cls):
            return config
        return cls(
            **{field.name: getattr(config, field.name) for field in attrs.fields(SampleConfig)}
        )


#: How training by flow matching draws its noise levels; see :class:`FlowTraining`.
FlowLevels = Literal["uniform", "shifted", "logit-normal", "shifted-logit-normal"]


@attrs.frozen(kw_only=True)
class FlowTraining:
    """Noise levels of training by flow matching; a backbone adds its own options.

    The loss is the squared error of the velocity, whatever the level
    (:func:`kinema.noise.flow_loss_weight`).

    Raises:
        InputError: a value is out of range.
    """

    levels: FlowLevels = "shifted"
    """How sigma is drawn: uniform; shifted, uniform and then moved towards noise by ``shift``;
    logit-normal, the sigmoid of a normal number; shifted-logit-normal, that one moved alike."""
    shift: float = 1.0
    """How far shifted levels are moved towards noise, as in sampling."""
    logit_mean: float = 0.0
    """Mean of the normal number; above 0 there is more noise."""
    logit_std: float = 1.0
    """Its standard deviation."""
    least_level: float = 0.0
    """No sigma below it is drawn."""
    most_level: float = 1.0
    """No sigma above it is drawn."""

    def __attrs_post_init__(self) -> None:
        if self.levels not in get_args(FlowLevels):
            names = get_args(FlowLevels)
            raise InputError(
                f"Unknown levels {self.levels!r} of training.{suggestion(self.levels, names)} "
                f"Choose one of: {', '.join(names)}."
            )
        holds = {
            "shift": 0 < self.shift < math.inf,
            "logit_mean": math.isfinite(self.logit_mean),
            "logit_std": 0 < self.logit_std < math.inf,
            "least_level": 0 <= self.least_level < self.most_level,
            "most_level": self.most_level <= 1,
        }
        bad = [f"{name} = {getattr(self, name)!r}" for name, right in holds.items() if not right]
        if bad:
            raise InputError(f"Options of the objective are out of range: {', '.join(bad)}.")


def from_mapping(kind: type[_T], data: Any, what: str) -> _T:
    """Build an attrs config from plain data (TOML, JSON, command line).

    Strings are taken to numbers and booleans where the field asks for them, and are split at commas
    where it asks for several values. Nothing else changes its type: 2.9 is no int, true no number.

    Raises:
        InputError: unknown keys, wrong types, or values the config refuses; all are named.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{what} takes its options as a table, got {data!r:.60}.")
    # Every look at the plugins imports this file, and most of them read no options.
    import cattrs
    from cattrs.gen import make_dict_structure_fn

    fields = attrs.fields(attrs.resolve_types(kind))  # type: ignore[arg-type, type-var]
    options = [attribute.name for attribute in fields]
    for key in data:
        if key not in options:
            raise InputError(
                f"{what} has no option {key!r}.{suggestion(key, options)} "
                f"Its options: {', '.join(options) or 'none'}."
            )
    several = {field.name for field in fields if get_origin(field.type) in (tuple, list)}
    for key in several & set(data):
        if isinstance(data[key], Mapping):  # whose keys alone would be taken
            raise InputError(f"{what} takes a list for {key}, got a table: {data[key]!r}.")
    data = {
        key: [word.strip() for word in value.split(",") if word.strip()]
        if key in several and isinstance(value, str)
        else value
        for key, value in data.items()
    }
    converter = cattrs.Converter(forbid_extra_keys=True)
    for plain, taken in ((bool, _as_bool), (int, _as_int), (float, _as_float), (str, _as_str)):
        converter.register_structure_hook(plain, taken)
    converter.register_structure_hook_factory(
        attrs.has,
        lambda cls: make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True),
    )
    try:
        return converter.structure(data, kind)
    except cattrs.ClassValidationError as error:
        own = next((e for e in _leaves(error) if isinstance(e, InputError)), None)
        if own is not None:
            raise own from None
        faults = "; ".join(cattrs.transform_error(error, path=what, format_exception=_in_words))
        raise InputError(f"{what} cannot be used: {faults}.") from None
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} cannot be used: {error}.") from None


def _in_words(error: BaseException, kind: type | None) -> str:
    import cattrs

    told = cattrs.v.format_exception(error, kind)
    return f"{told} ({error})" if isinstance(error, ValueError) else told


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _as_int(value: Any, _: Any) -> int:
    if isinstance(value, str):
        return _in_64_bits(int(value))
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{value!r} is not a whole number")
    return _in_64_bits(int(value))


def _in_64_bits(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"a whole number of {value.bit_length()} bits is too large")
    return value


def _as_float(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, numbers.Real)):
        raise ValueError(f"{value!r} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{value!r:.20}... is too large") from None


def _as_str(value: Any, _: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError(f"{value!r} is not text")
    return os.fspath(value)


def _as_bool(value: Any, _: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f"{value!r} is not true or false")
