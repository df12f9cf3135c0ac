"""Documents that are wrong in every way, for tests of what reads JSON or TOML.

::

    for name, text in hostile_documents(good, most=100):
        path.write_bytes(text)
        with pytest.raises(KinemaError):     # or it is read; never another exception
            read(path)
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: Values of every type, one of which is wrong wherever it stands.
JUNK: tuple[Any, ...] = (
    *(None, True, 3, -1, 0, 2.5, 1e308, 10**30, math.nan, math.inf),
    *("", "x", "\x00", "\udce9", "9" * 5000),
    *([], [[]], {}, [None], [["a", "b"]], [[1e308, -1e308]], {"a": 1}, {"": None}),
)

#: Bytes that are no document of any form.
NO_DOCUMENTS: Mapping[str, bytes] = {
    "empty": b"",
    "zeros": bytes(4096),
    "latin": b"caf\xe9 = 1",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "half": b'{"format": "kinema',
    "deep list": b"[" * 100_000,
    "deep table": b'{"a":' * 100_000,
    "deep toml": b"a = " + b"[" * 100_000,
    "page": b"<!DOCTYPE html><html><body>404</body></html>",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "long number": b"9" * 5000,
    "beyond": b"1e999",
    "twice": b'{"format": 1, "format": 2}',
}


def wrong_documents(
    good: Any, most: int | None = None, seed: int = 0, junk: Sequence[Any] = JUNK
) -> Iterator[Any]:
    """``good`` with one of its parts, or all of it, replaced by a value of ``junk``, or left out.

    Args:
        good: tables, lists and plain values; it is not changed.
        most: documents that are given; of more, as many as that, drawn by ``seed``.
        seed: of that draw.
        junk: what is put there.
    """
    places = list(_places(good))
    made: list[tuple[tuple[Any, ...], Any]] = [(place, value) for place in places for value in junk]
    made += [(place, _LEFT_OUT) for place in places if place]
    if most is not None and len(made) > most:
        made = random.Random(seed).sample(made, most)
    for place, value in made:
        yield _changed(good, place, value)


def hostile_documents(
    good: Any,
    most: int | None = None,
    seed: int = 0,
    write: Callable[[Any], str] = json.dumps,
) -> Iterator[bytes]:
    """The bytes of :func:`wrong_documents`, of ``good`` cut short, and of :data:`NO_DOCUMENTS`.

    Args:
        write: gives the text of a document; what it cannot write is passed
            over.
    """
    yield from NO_DOCUMENTS.values()
    whole = write(good).encode()
    for share in (0.1, 0.5, 0.9):
        yield whole[: int(len(whole) * share)]
    for document in wrong_documents(good, most, seed):
        try:
            yield write(document).encode("utf-8", "surrogateescape")
        except (AttributeError, TypeError, ValueError):
            continue


_LEFT_OUT = object()


def _places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items: Any = ()
    if isinstance(data, Mapping):
        items = data.items()
    elif isinstance(data, list | tuple):
        items = enumerate(data)
    for key, value in items:
        yield from _places(value, (*at, key))


def _changed(data: Any, place: Sequence[Any], value: Any) -> Any:
    if not place:
        return value
    copy: Any = dict(data) if isinstance(data, Mapping) else list(data)
    key = place[0]
    if len(place) == 1 and value is _LEFT_OUT:
        del copy[key]
    else:
        copy[key] = _changed(copy[key], place[1:], value)
    return copy
