"""Choices of depth that a session refuses early, and what it records."""

from pathlib import Path

import pytest

from kinema.errors import InputError
from kinema.files import sha256_of_file
from kinema.plugins import Plugins
from kinema.session.parts import Parts, is_path


def test_names_and_paths_are_told_apart() -> None:
    assert [is_path(choice) for choice in ("depth.npy", "maps/depth", "plane-prior")] == [
        True,
        True,
        False,
    ]


def test_a_wrong_depth_is_refused_early(tmp_path: Path) -> None:
    parts = Parts(Plugins())
    parts.check_depth(None)
    with pytest.raises(InputError, match="Unknown depth estimator 'wall'"):
        parts.check_depth("wall")
    with pytest.raises(InputError, match=r"The depth file 'gone\.npy' does not exist\."):
        parts.check_depth("gone.npy")
    there = tmp_path / "depth.npy"
    there.write_bytes(b"depth")
    parts.check_depth(str(there))
    assert parts.files == {}, "it is read where depth is needed"
    parts.read(there)
    assert parts.files == {str(there): sha256_of_file(there)}
