"""Choices of depth that a session refuses early, and what it records."""

from pathlib import Path

import pytest

from kinema.errors import InputError
from kinema.files import sha256_of_file
from kinema.plugins import Plugins
from kinema.session.building import chosen_depth
from kinema.session.parts import Parts, is_path


def test_names_and_paths_are_told_apart() -> None:
    assert [is_path(choice) for choice in ("depth.npy", "maps/depth", "plane-prior")] == [
        True,
        True,
        False,
    ]


def test_a_wrong_depth_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Unknown depth estimator 'wall'"):
        chosen_depth(Plugins(), "wall")
    with pytest.raises(InputError, match=r"The depth file 'gone\.npy' does not exist\."):
        chosen_depth(Plugins(), "gone.npy")
    there = tmp_path / "depth.npy"
    there.write_bytes(b"depth")
    with pytest.raises(InputError, match=r"Nothing that is installed reads the depth file '.*npy'"):
        chosen_depth(Plugins(), str(there))
    with pytest.raises(InputError, match="Name a depth estimator: none installed is the default"):
        chosen_depth(Plugins(), None)


@pytest.mark.all_packages
def test_a_choice_of_depth_is_a_name_a_file_or_the_default(tmp_path: Path) -> None:
    installed = Plugins.installed()
    there = tmp_path / "depth.npy"
    there.write_bytes(b"depth")
    assert chosen_depth(installed, str(there)) == ("depth-file", {"path": str(there)})
    assert chosen_depth(installed, "zoedepth") == ("zoedepth", {})
    assert chosen_depth(installed, None) == ("plane-prior", {})


def test_files_that_are_read_are_recorded(tmp_path: Path) -> None:
    parts = Parts(Plugins())
    there = tmp_path / "depth.npy"
    there.write_bytes(b"depth")
    assert parts.files == {}
    parts.read(there)
    assert parts.files == {str(there): sha256_of_file(there)}
