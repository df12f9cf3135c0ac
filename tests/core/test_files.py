"""Writing so that nobody sees half a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kinema import InputError
from kinema.files import claimed, write_atomically


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
    with pytest.raises(InputError, match=r"/none/a.txt': the folder '.*none' does not exist\.$"):
        write_atomically(tmp_path / "none" / "a.txt", lambda part: part.touch())


HOLD = """
import sys, time
from pathlib import Path
from kinema.files import claimed

with claimed(Path(sys.argv[1]), "rehearsal"):
    print("claimed", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_claimed_by_one_process_until_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "claimed\n"
            with (
                pytest.raises(InputError, match=r"^Another rehearsal is at work in .*run'\. Wait"),
                claimed(folder, "rehearsal"),
            ):
                pass
        finally:
            other.kill()
    assert folder.is_dir()
    with claimed(folder, "rehearsal"):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_folder_in_which_nothing_came_to_be_is_removed(tmp_path: Path) -> None:
    with claimed(tmp_path / "run", "rehearsal"):
        assert (tmp_path / "run").is_dir()
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path, "rehearsal"):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file/run' cannot be written to: Not a directory\.$"),
        claimed(tmp_path / "file" / "run", "rehearsal"),
    ):
        pass
