from __future__ import annotations

import inspect

from kinema import Session
from kinema.session.options import SessionOptions


def test_every_option_of_a_session_can_be_passed_on() -> None:
    taken = set(inspect.signature(Session).parameters) - {"backbone"}
    assert taken <= set(SessionOptions.__annotations__)
    assert not SessionOptions.__required_keys__
