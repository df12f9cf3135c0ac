"""Writing so that nobody sees half a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema import InputError
from kinema.files import write_atomically


def fail(part: Path) -> None:
    part.write_text("half")
    raise RuntimeError("the disk is full")


def test_a_failed_write_leaves_everything_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(RuntimeError, match="disk is full"):
        write_atomically(target, fail)
    assert list(tmp_path.iterdir()) == []
    target.write_text("old")
    with pytest.raises(RuntimeError, match="disk is full"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_files_and_folders_replace_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    assert write_atomically(target, lambda part: part.write_text("new")) == target
    assert target.read_text() == "new"

    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "stale.png").touch()

    def fill(part: Path) -> None:
        part.mkdir()
        (part / "0.png").touch()

    write_atomically(folder, fill)
    assert [entry.name for entry in folder.iterdir()] == ["0.png"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "frames"]


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"/none/a.txt': No such file .*, in the folder '.*none'\.$"
    ):
        write_atomically(tmp_path / "none" / "a.txt", lambda part: part.touch())
