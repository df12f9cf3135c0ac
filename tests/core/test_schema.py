"""The published schema and Motion.from_dict refuse and accept the same documents."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema import CAMERA_MOVES, Keyframe, Motion, MotionError, Region
from kinema.formats import schema
from kinema.motion.schema import faults
from kinema.motion.timing import EASINGS, PLAYBACKS
from kinema.testing.strategies import motions

VALIDATOR = jsonschema.Draft202012Validator(schema())


def parts_of(node: Any) -> list[Any]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(found for child in inner for found in parts_of(child))]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_lists_what_the_code_knows() -> None:
    defs = schema()["$defs"]
    assert defs["easing"]["enum"] == list(EASINGS)
    assert schema()["properties"]["playback"]["enum"] == list(PLAYBACKS)
    for name, kind in (("keyframe", Keyframe), ("region", Region)):
        known = {field.alias for field in attrs.fields(kind) if field.init}
        assert set(defs[name]["properties"]) == known
    moves = defs["camera"]["properties"]["moves"]["items"]["properties"]["name"]["enum"]
    assert moves == list(CAMERA_MOVES)


@given(motions(with_transforms=True))
@settings(max_examples=60, deadline=None)
def test_every_motion_is_valid(motion: Motion) -> None:
    document = json.loads(motion.to_json())
    VALIDATOR.validate(document)
    assert faults(document) == []


@given(motions(with_transforms=True), st.data())
@settings(max_examples=60, deadline=None)
def test_an_unknown_key_anywhere_is_refused(motion: Motion, data: st.DataObject) -> None:
    document = json.loads(motion.to_json())
    place = data.draw(st.sampled_from([p for p in parts_of(document) if isinstance(p, dict)]))
    place["colour"] = "red"
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(MotionError, match=r"unknown key 'colour'. .*Known keys: "):
        Motion.from_dict(document)


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "", "x", 0, -1, 2.5, 10**400, [], {}, [[]], [1], ["1", "2"], [[1, 2, 3]], {"a": 1}]
)


@given(motions(with_transforms=True), JUNK, st.data())
@settings(max_examples=200, deadline=None)
def test_what_the_schema_refuses_so_does_the_code(
    motion: Motion, junk: Any, data: st.DataObject
) -> None:
    document = json.loads(motion.to_json())
    place = data.draw(
        st.sampled_from(
            [p for p in parts_of(document) if p and not isinstance(p, (str, float, int))]
        )
    )
    key = data.draw(
        st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
    )
    place[key] = copy.deepcopy(junk)
    try:
        Motion.from_dict(document)
    except MotionError:
        # The code refuses more: poses that bend, times that stand still, starts outside.
        return
    VALIDATOR.validate(document)


@given(st.recursive(JUNK, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=40, deadline=None)
def test_nothing_else_than_motion_errors(document: Any) -> None:
    for data in (document, {"format": "kinema.motion/1", "canvas": [9, 9], "drags": document}):
        with contextlib.suppress(MotionError):
            assert Motion.from_dict(data).drags == ()


def test_the_callers_copy_is_their_own() -> None:
    schema()["properties"].clear()
    assert "canvas" in schema()["properties"]


def test_formats_and_checks_load_no_array_library() -> None:
    code = (
        "import sys, kinema, kinema.formats, kinema.check, kinema.motion.schema;"
        "kinema.formats.schema();"
        "bad = {'numpy', 'torch', 'PIL', 'scipy'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
