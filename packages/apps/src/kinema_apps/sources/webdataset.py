"""The clip source ``webdataset``: videos and their captions in tar files.

Nothing is ever unpacked to the disk: members are found by reading the tar's headers, and read by
their offsets, so that what a member calls itself leads nowhere.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from kinema.errors import InputError
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema_apps.sources.captions import MOST_TEXT, caption_in, caption_of, printable
from kinema_apps.sources.configs import WebDatasetConfig
from kinema_apps.sources.decoding import (
    SUFFIXES,
    check_there,
    existing_folder,
    has_cut,
    read_stretch,
)

#: The largest video that is read of a tar, in bytes; its whole is held in memory.
MOST_VIDEO = 2**32


class WebDatasetSource:
    """Every video of the tars of a folder, the first clip of each.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, config: WebDatasetConfig) -> None:
        self.config = config
        self.folder = existing_folder("webdataset", config.folder)

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """One per video.

        Raises:
            InputError: there is no tar.
        """
        tars = sorted(self.folder.glob("*.tar"))
        if not tars:
            raise InputError(f"The folder {str(self.folder)!r} holds no .tar file.")
        return [item for tar in tars for item in _members(tar)]

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """Decode the first frames of one video.

        Raises:
            InputError: the video cannot be read, or is shorter than a clip.
        """
        tar = self.folder / str(item.place[0])
        check_there(tar)
        if len(item.place) == 1:
            raise InputError(_unreadable(tar))
        place = [int(part) for part in item.place[1:]]
        if place[1] > MOST_VIDEO:
            raise InputError(
                f"The video {item.key!r} has {place[1]} bytes, more than {MOST_VIDEO} that are "
                "read of a tar; put it into a folder of videos."
            )
        video = _slice(tar, place[0], place[1], item.key)
        words, record = item.key + " (.txt)", item.key + " (.json)"
        text = caption_of(_slice(tar, place[2], place[3], words, MOST_TEXT + 1), words)
        told = _slice(tar, place[4], place[5], record, MOST_TEXT + 1)
        frames = read_stretch(video, item.key, 0.0, form)
        return RawClip(
            frames=frames,
            caption=text or caption_in(told, self.config.caption_key, record),
            licence=self.config.licence,
            source=item.key,
            source_sha256=hashlib.sha256(video).hexdigest(),
            fault="scene cut" if has_cut(frames, self.config.cut) else "",
        )


def _members(tar: Path) -> Iterator[ClipItem]:
    """Offsets and sizes of each video and of the caption beside it.

    Of a tar that breaks off, what comes before; one item more stands for the rest.
    """
    videos: dict[str, tuple[str, int, int]] = {}
    texts: dict[tuple[str, str], tuple[int, int]] = {}
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                if not member.isreg() or member.issparse():
                    continue
                path = PurePosixPath(member.name)
                stem, _, ending = path.name.partition(".")
                name, suffix = str(path.with_name(stem)) if stem else "", f".{ending.lower()}"
                span = member.offset_data, member.size
                if suffix in SUFFIXES:
                    videos.setdefault(name, (suffix, *span))
                elif suffix in (".txt", ".json"):
                    texts.setdefault((name, suffix), span)
            broken = _breaks_off(tar, archive.offset)
    except tarfile.TarError:
        broken = True
    if broken:
        yield ClipItem(key=printable(tar.name), place=(tar.name,))
    nothing = (0, 0)
    for name, (suffix, start, size) in videos.items():
        text, record = (texts.get((name, kind), nothing) for kind in (".txt", ".json"))
        place = (tar.name, start, size, *text, *record)
        yield ClipItem(key=printable(f"{tar.name}/{name}{suffix}"), place=place)


def _unreadable(tar: Path) -> str:
    """Why a tar cannot be read to its end."""
    try:
        with tarfile.open(tar, "r:") as archive:
            for _ in archive:
                pass
            at = archive.offset
    except tarfile.TarError as error:
        return f"The tar {printable(str(tar))!r} cannot be read: {error}."
    return f"The tar {printable(str(tar))!r} cannot be read beyond byte {at}: no header is there."


def _breaks_off(tar: Path, offset: int) -> bool:
    """Whether something else than the end follows the last header that could be read."""
    with tar.open("rb") as file:
        file.seek(offset)
        return any(file.read(tarfile.BLOCKSIZE))


def _slice(tar: Path, offset: int, size: int, name: str, most: int = sys.maxsize) -> bytes:
    with tar.open("rb") as file:
        file.seek(offset)
        data = file.read(min(size, most))
    if len(data) < min(size, most):
        raise InputError(f"{name!r} is cut off: {str(tar)!r} ends within it.")
    return data
