"""tools/lock.py: what it cuts, what it notices."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "lock.py"
# In parts, so that the search for addresses does not find this file.
INDEX = "https://" + "index.example"

LOCK = f"""version = 1
revision = 5
requires-python = ">=3.11"

[manifest]
members = [
    "house",
]

[[package]]
name = "brick"
version = "1.2"
source = {{ registry = "{INDEX}/simple" }}
dependencies = [
    {{ name = "clay", version = "0.9", source = {{ registry = "{INDEX}/simple" }}, marker = "os_name == 'nt'" }},
]
sdist = {{ url = "{INDEX}/ab/cd/brick-1.2.tar.gz", hash = "sha256:aa", size = 12, upload-time = "2026-01-01T00:00:00Z" }}
wheels = [
    {{ url = "{INDEX}/ab/cd/brick-1.2-py3-none-any.whl", hash = "sha256:bb", size = 34 }},
    {{ url = "{INDEX}/ab/brick-1.2%2Bcpu-cp311-none-any.whl?x=1#y", hash = "sha256:cc" }},
]

[[package]]
name = "clay"
version = "0.9"
source = {{ registry = "{INDEX}/simple" }}
wheels = [
    {{ url = "{INDEX}/clay-0.9-py3-none-any.whl", hash = "sha256:dd" }},
]

[[package]]
name = "house"
version = "0.1.0"
source = {{ editable = "packages/house" }}
dependencies = [
    {{ name = "brick" }},
]

[package.metadata]
requires-dist = [{{ name = "brick", specifier = ">=1" }}]

[package.metadata.requires-dev]
dev = [{{ name = "clay", specifier = ">=0" }}]

[[package]]
name = "yard"
version = "0.1.0"
source = {{ virtual = "." }}
"""


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path, lock: ModuleType) -> Path:
    """A git checkout whose HEAD holds the cut lock, as a fresh clone of ours does."""
    _git(tmp_path, "init", "-q")
    (tmp_path / "uv.lock").write_text(lock.cut(LOCK))
    _git(tmp_path, "add", "uv.lock")
    _git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "lock")
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Callable[..., tuple[int, str]]:
    def call(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-I", str(TOOL), *arguments, "--root", str(checkout)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    return call


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


def test_cut_leaves_names_versions_markers_and_hashes_only(lock: ModuleType) -> None:
    cut = lock.cut(LOCK)
    assert "://" not in cut
    assert "index.example" not in cut
    for gone in ("size =", "upload-time", "[package.metadata", "requires-dist", "requires-dev"):
        assert gone not in cut
    assert '{ url = "brick-1.2.tar.gz", hash = "sha256:aa" }' in cut
    assert '{ url = "brick-1.2%2Bcpu-cp311-none-any.whl", hash = "sha256:cc" }' in cut
    assert "marker = \"os_name == 'nt'\"" in cut
    assert 'source = { virtual = "." }' in cut, "what follows a metadata table stays"


def test_cutting_twice_is_cutting_once(lock: ModuleType) -> None:
    assert lock.cut(lock.cut(LOCK)) == lock.cut(LOCK)


def test_cut_and_full_locks_hold_the_same_packages(lock: ModuleType) -> None:
    assert lock.read_packages(lock.cut(LOCK)) == lock.read_packages(LOCK)
    assert lock.compare(lock.cut(LOCK), LOCK) == []
    assert lock.read_packages(LOCK)["brick", "1.2"] == {
        "brick-1.2.tar.gz": "sha256:aa",
        "brick-1.2-py3-none-any.whl": "sha256:bb",
        "brick-1.2%2Bcpu-cp311-none-any.whl": "sha256:cc",
    }


def test_a_git_source_is_refused_by_name(lock: ModuleType) -> None:
    source = "https://" + "forge.example/brick.git?rev=1#abc"
    text = LOCK.replace(f'{{ registry = "{INDEX}/simple" }}', f'{{ git = "{source}" }}', 1)
    with pytest.raises(
        lock.LockError, match=r"uv\.lock still holds an address: 'source = \{ git = "
    ):
        lock.cut(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "sha256:bb",
            "sha256:b0",
            "brick 1.2: brick-1.2-py3-none-any.whl is locked as sha256:bb but came as sha256:b0",
        ),
        ('version = "0.9"\nsource', 'version = "1.0"\nsource', "clay: 0.9 is locked, 1.0 was res"),
        ('name = "yard"', 'name = "moat"', "moat: nothing is locked, 0.1.0 was resolved"),
        (
            "brick-1.2-py3-none-any.whl",
            "brick-1.2-py2-none-any.whl",
            "brick 1.2: brick-1.2-py2-none-any.whl (sha256:bb) is not in the lock",
        ),
    ],
    ids=["hash", "version", "package", "file"],
)
def test_check_names_what_differs(
    old: str, new: str, message: str, checkout: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "uv.lock").write_text(LOCK.replace(old, new))
    code, output = run("--check")
    assert code == 1
    assert message in output


def test_check_accepts_the_lock_that_uv_writes_back(
    checkout: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "uv.lock").write_text(LOCK)
    assert run("--check") == (
        0,
        "uv.lock: all 4 packages have the versions and hashes of HEAD\n",
    )


def test_check_accepts_an_index_with_fewer_files_but_not_with_none(lock: ModuleType) -> None:
    lines = LOCK.splitlines(keepends=True)
    fewer = "".join(line for line in lines if "%2Bcpu" not in line)
    none = "".join(line for line in lines if "clay-0.9" not in line)
    assert lock.compare(LOCK, fewer) == []
    assert lock.compare(LOCK, none) == ["clay 0.9: none of its 1 locked files was found"]


def test_check_without_a_lock_in_head_says_what_to_do(tmp_path: Path, lock: ModuleType) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "uv.lock").write_text(LOCK)
    with pytest.raises(lock.LockError, match=r"Commit a cut lock first\."):
        lock._check(tmp_path)


def test_write_cuts_in_place(
    checkout: Path, lock: ModuleType, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "uv.lock").write_text(LOCK)
    assert run() == (0, "uv.lock: cut\n")
    assert (checkout / "uv.lock").read_text() == lock.cut(LOCK)
    assert run() == (0, "uv.lock: has no address, left as it is\n")


@pytest.mark.parametrize(
    "text",
    [
        "see " + INDEX + "/simple/ for more",
        "index-url = " + INDEX + "/simple",
        f'wheel = "{INDEX}/files/brick-1.2-py3-none-any.whl"',
        "trusted-host = " + ".".join(["files", "python" + "hosted", "org"]),
    ],
)
def test_addresses_are_found_in_any_file_known_to_git(
    text: str, checkout: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "notes.md").write_text(f"# Notes\n{text}\n")
    assert run("--addresses")[0] == 0, "a file git does not know is no concern"
    _git(checkout, "add", "notes.md")
    code, output = run("--addresses")
    assert code == 1
    assert output.startswith(f"notes.md:2:{text}")


def test_the_index_in_use_may_not_be_named_anywhere(
    checkout: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "notes.md").write_text("ask index.example for the packages\n")
    _git(checkout, "add", "notes.md")
    assert run("--addresses")[0] == 0
    (checkout / "uv.lock").write_text(LOCK)
    assert run("--addresses")[0] == 1


def test_addresses_in_a_committed_lock_are_found(
    checkout: Path, run: Callable[..., tuple[int, str]]
) -> None:
    (checkout / "uv.lock").write_text(LOCK)
    assert run("--addresses")[0] == 0, "uv writes them into the working copy, which is fine"
    _git(checkout, "add", "uv.lock")
    code, output = run("--addresses")
    assert code == 1
    assert "lines name a package index. For uv.lock, run `python tools/lock.py`." in output


def test_other_addresses_are_allowed(checkout: Path, run: Callable[..., tuple[int, str]]) -> None:
    (checkout / "notes.md").write_text("paper: https://arxiv.org/abs/2505.20287 simple\n")
    _git(checkout, "add", "notes.md")
    assert run("--addresses") == (0, "no file known to git names a package index\n")
