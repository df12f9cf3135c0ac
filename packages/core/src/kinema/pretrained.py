"""Networks from folders of diffusers and transformers, whatever their ``config.json`` says.

Neither library is imported here: whoever has one hands over the class.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinema.errors import InputError, WeightsError
from kinema.files import check_weights, parse_json, read_bytes
from kinema.quiet import CHATTY, quiet

CONFIG = "config.json"

#: Beyond what any network here has: layers, and any size.
MOST_LAYERS, MOST = 1000, 2**31 - 1


def load_pretrained(kind: Any, folder: Path, needed: str, **options: Any) -> Any:
    """The network of a folder; nothing is downloaded, and nothing but errors is said.

    Args:
        kind: a class of diffusers or transformers.
        folder: holds ``config.json`` and the weights.
        needed: what to get, and how, for the errors.
        options: of ``from_pretrained``.

    Raises:
        WeightsError: it is absent or damaged, its config cannot be used, or tensors are missing.
    """
    check_weights(*folder.glob("*.safetensors"), *folder.glob("*.bin"))
    config = read_table(folder / CONFIG)
    _check_sizes(folder / CONFIG, config)
    network, found = _from_folder(
        "The weights", kind, folder, _suspects(kind, config) + needed, output_loading_info=True,
        **options,
    )  # fmt: skip
    missing = sorted(found["missing_keys"])
    if missing:
        raise WeightsError(
            f"The weights in {str(folder)!r} lack {len(missing)} tensors, such as {missing[:2]!r}. "
            f"{needed}"
        )
    return network


def load_part(kind: Any, folder: Path, what: str, needed: str, **options: Any) -> Any:
    """What is no network, such as a tokenizer or a scheduler, as :func:`load_pretrained`.

    Args:
        what: how the error calls it, at the start of a sentence.
        options: of ``from_pretrained``.

    Raises:
        WeightsError: it is absent or cannot be read.
    """
    return _from_folder(what, kind, folder, needed, **options)


def _from_folder(what: str, kind: Any, folder: Path, advice: str, **options: Any) -> Any:
    try:
        with quiet(*CHATTY):
            return kind.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:  # files of wrong types raise nearly anything
        raise WeightsError(
            f"{what} in {str(folder)!r} cannot be loaded: {_reason(error)}. {advice}"
        ) from None


def read_table(path: Path) -> dict[str, Any]:
    """The data of a JSON file that holds a table.

    Raises:
        WeightsError: it cannot be read, or holds something else.
    """
    try:
        data = parse_json(read_bytes(path), "It", InputError, nan=True)
    except OSError as error:
        raise WeightsError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise WeightsError(f"{str(path)!r} cannot be read. {error}") from None
    if not isinstance(data, dict):
        raise WeightsError(f"{str(path)!r} holds no table, but {type(data).__name__}.")
    return data


def _reason(error: BaseException) -> str:
    """What a library says of a file, in one line of at most 300 characters."""
    text = " ".join(str(error).split()).rstrip(".")
    # Torch advises to load it unsafely.
    if "weights_only" in text or "Weights only load" in text:
        return "they are a pickle that holds more than tensors, which could run code"
    kind = "" if isinstance(error, OSError | ValueError | RuntimeError) else type(error).__name__
    return ": ".join(filter(None, (kind, text[:300]))) or type(error).__name__


def _check_sizes(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse sizes that would take all memory before anything else could be wrong with them."""
    for name, value in _numbers(config):
        most = MOST_LAYERS if "layers" in name or "blocks" in name else MOST
        if abs(value) > most:
            raise WeightsError(
                f"{str(path)!r} says {name} = {value!r:.40}, more than {most}: no network has it."
            )


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, name)
    elif isinstance(value, int):
        yield name, value


def _suspects(kind: Any, config: Mapping[str, Any]) -> str:
    """The options whose values are of another type than the network's own defaults."""
    known = inspect.signature(kind.__init__).parameters
    wrong = {}
    for name, value in config.items():
        usual = _types(known[name].default) if name in known else set()
        if usual and not _types(value) <= usual:
            wrong[name] = value
    given = ", ".join(f"{name} = {value!r:.60}" for name, value in wrong.items())
    return f"Of its {CONFIG}, {given} may be the cause. " if given else ""


def _types(value: Any) -> set[str]:
    """What kinds of value it is or holds; none of None, which many options may be."""
    if value is None or value is inspect.Parameter.empty:
        return set()
    if isinstance(value, list | tuple):
        inner = {"list" if isinstance(each, list | tuple) else kind
                 for each in value for kind in _types(each)}  # fmt: skip
        return inner or {"list"}
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return {type(value).__name__}
    return {"number"}
