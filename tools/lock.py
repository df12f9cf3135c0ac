"""Keep uv.lock free of package-index addresses, and prove that uv resolved to the same files.

    python tools/lock.py              cut uv.lock in place: no address is left in it
    python tools/lock.py --check      compare the working copy's versions and hashes with HEAD's
    python tools/lock.py --addresses  fail if any file known to git names a package index

uv always writes download addresses. In a cut lock the registries are a bare name, each download
address is a file name, and the members' ``[package.metadata]`` tables are left out, so that uv
takes the lock for stale instead of broken: it resolves again and prefers the locked versions.
It does not compare hashes while doing so, which is what ``--check`` is for.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LOCK = "uv.lock"
REGISTRY = "any"
SHOWN = 20

# Spelled in parts, because this file is searched too.
KNOWN_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("pypi", "python", "org"),
        ("download", "pytorch", "org"),
        ("pypi", "nvidia", "com"),
        ("pypi", "tuna", "tsinghua", "edu", "cn"),
        ("mirrors", "aliyun", "com"),
        ("conda", "anaconda", "org"),
    )
)
INDEX_SHAPES = (
    r"https?://[^[:space:]\"'<>]*/simple([/\"'[:space:]]|$)",
    r"https?://[^[:space:]\"'<>]*\.(whl|tar\.gz)([\"'[:space:]#]|$)",
)

_METADATA = re.compile(r"\[package\.metadata(\.[^\]]+)?\]")
_REGISTRY = re.compile(r'\bregistry = "[^"]*"')
_DOWNLOAD = re.compile(r'\b(?:url|path) = "(?:[^"]*/)?([^"/?#]+)[^"/]*"(?=, hash = )')
_INDEX_ONLY = re.compile(r', (?:size = \d+|upload-time = "[^"]*")')

Files = Mapping[str, str]
Packages = Mapping[tuple[str, str], Files]


class LockError(Exception):
    """The lock cannot be cut or compared; the message says why."""


def cut(text: str) -> str:
    """Return the lock without addresses; cutting a cut lock changes nothing.

    Raises:
        LockError: an address is left, which happens for git and direct-address sources.
    """
    lines = [_cut_line(line) for line in _without_metadata(text.splitlines())]
    for line in lines:
        if "://" in line:
            raise LockError(
                f"{LOCK} still holds an address: {line.strip()!r}. "
                "Only packages from a registry can be locked without one; "
                "replace the git or direct-address source in pyproject.toml."
            )
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _cut_line(line: str) -> str:
    line = _REGISTRY.sub(f'registry = "{REGISTRY}"', line)
    return _INDEX_ONLY.sub("", _DOWNLOAD.sub(r'url = "\1"', line))


def _without_metadata(lines: Sequence[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = _METADATA.fullmatch(line) is not None
        if not inside:
            yield line


def read_packages(text: str) -> Packages:
    """Return every package (name, version) of a lock with the sha256 of each of its files."""
    packages = {}
    for package in tomllib.loads(text).get("package", []):
        sdist = [package["sdist"]] if "sdist" in package else []
        files = {
            _file_name(entry): str(entry.get("hash", "no hash"))
            for entry in [*sdist, *package.get("wheels", [])]
        }
        packages[package["name"], package.get("version", "no version")] = files
    return packages


def _file_name(entry: Mapping[str, str]) -> str:
    address = entry.get("url") or entry.get("path") or entry.get("filename") or "?"
    return re.split(r"[?#]", address)[0].rsplit("/", 1)[-1]


def compare(locked: str, working: str) -> list[str]:
    """Return one line per difference in versions, files or hashes; empty if there is none.

    A file that the locked text has and the working copy lacks is no difference: a mirror may hold
    fewer files, and nothing unseen can be installed through the gap.
    """
    old, new = read_packages(locked), read_packages(working)
    found = []
    for name in sorted({name for name, _ in old} | {name for name, _ in new}):
        before = sorted(version for other, version in old if other == name)
        after = sorted(version for other, version in new if other == name)
        if before != after:
            found.append(f"{name}: {_join(before)} is locked, {_join(after)} was resolved")
        for version in sorted(set(before) & set(after)):
            found += _compare_files(f"{name} {version}", old[name, version], new[name, version])
    return found


def _join(versions: Sequence[str]) -> str:
    return " and ".join(versions) or "nothing"


def _compare_files(package: str, locked: Files, working: Files) -> Iterator[str]:
    for file, digest in sorted(working.items()):
        if file not in locked:
            yield f"{package}: {file} ({digest}) is not in the lock"
        elif locked[file] != digest:
            yield f"{package}: {file} is locked as {locked[file]} but came as {digest}"
    if locked and not working:
        yield f"{package}: none of its {len(locked)} locked files was found"


def hosts_of(text: str) -> set[str]:
    """Return the hosts (with port) that an uncut lock downloads from."""
    return set(re.findall(r'(?:registry|url) = "[a-z+]+://(?:[^@/"]*@)?([^/"]+)', text))


def find_addresses(root: Path, hosts: Sequence[str]) -> list[str]:
    """Return ``path:line:text`` for each line known to git that names a host or an index page.

    git's copy is searched and not the working one, because uv writes addresses into the latter.
    """
    patterns = [re.escape(host) for host in hosts] + list(INDEX_SHAPES)
    arguments = [part for pattern in patterns for part in ("-e", pattern)]
    result = _git(root, "grep", "--cached", "-nIiE", *arguments)
    if result.returncode > 1:
        raise LockError(f"git grep failed: {result.stderr.strip()}")
    in_lock = _git(root, "grep", "--cached", "-nF", "://", "--", LOCK)
    return list(dict.fromkeys((result.stdout + in_lock.stdout).splitlines()))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )


def _write(root: Path) -> int:
    path = root / LOCK
    text = path.read_text(encoding="utf-8")
    after = cut(text)
    if after != text:
        path.write_text(after, encoding="utf-8")
    print(f"{LOCK}: {'cut' if after != text else 'has no address, left as it is'}")
    return 0


def _check(root: Path) -> int:
    head = _git(root, "show", f"HEAD:{LOCK}")
    if head.returncode:
        raise LockError(f"HEAD has no {LOCK}: {head.stderr.strip()}. Commit a cut lock first.")
    differences = compare(head.stdout, (root / LOCK).read_text(encoding="utf-8"))
    for line in differences:
        print(line)
    if differences:
        print(
            f"{LOCK}: {len(differences)} differences from HEAD. If they are meant, run "
            "`python tools/lock.py` and commit the lock; if not, do not install from this index."
        )
        return 1
    count = len(read_packages(head.stdout))
    print(f"{LOCK}: all {count} packages have the versions and hashes of HEAD")
    return 0


def _addresses(root: Path) -> int:
    working = (root / LOCK).read_text(encoding="utf-8")
    found = find_addresses(root, sorted({*KNOWN_HOSTS, *hosts_of(working)}))
    for line in found[:SHOWN]:
        print(line[:200])
    if found:
        print(f"{len(found)} lines name a package index. For {LOCK}, run `python tools/lock.py`.")
        return 1
    print("no file known to git names a package index")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="compare with HEAD's versions, hashes")
    choice.add_argument("--addresses", action="store_true", help="search every file known to git")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args(arguments)
    run = _check if options.check else _addresses if options.addresses else _write
    try:
        return run(options.root)
    except (LockError, OSError, tomllib.TOMLDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
