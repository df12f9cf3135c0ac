"""Configs take the type they say."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from kinema.config import from_mapping
from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class Options:
    whole: int = 1
    number: float = 1.0
    text: str = ""
    flag: bool = False
    several: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("whole", value) for value in (2.9, 2.0, True, None, "2.9", [2], 2**70, "9" * 5000)),
        *(("number", value) for value in (True, None, "x", [2.0], 10**400)),
        *(("text", value) for value in (3, None, ["a"], True)),
        *(("flag", value) for value in (1, "maybe", None)),
        *(("several", value) for value in ([2.9], [True], 3, {"a": 1}, "1,x")),
    ],
)
def test_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        from_mapping(Options, {name: value}, "It")


def test_words_become_what_is_asked_for() -> None:
    told = {"whole": "2", "number": "3", "flag": "yes", "several": "1, 2"}
    expected = Options(whole=2, number=3.0, flag=True, several=(1, 2))
    assert from_mapping(Options, told, "It") == expected
    assert from_mapping(Options, {"number": 3}, "It") == Options(number=3.0)


def test_options_are_a_table() -> None:
    with pytest.raises(InputError, match=r"^It takes its options as a table, got 3\.$"):
        from_mapping(Options, 3, "It")
