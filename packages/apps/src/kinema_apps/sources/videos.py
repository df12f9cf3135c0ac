"""The clip source ``videos``: a folder of videos, cut into clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.errors import InputError
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema.media.decoding import holds_video
from kinema_apps.sources.captions import printable, read_caption
from kinema_apps.sources.configs import VideosConfig
from kinema_apps.sources.decoding import (
    BESIDE,
    SUFFIXES,
    check_there,
    duration_of,
    existing_folder,
    has_cut,
    is_companion,
    read_stretch,
    sha256_of_path,
)


class VideosSource:
    """Every video of a folder, cut into neighbouring clips.

    A video is what is called like one, or what FFmpeg sees moving pictures in. Files that lie
    beside videos by custom (captions, subtitles, pictures) are passed over, and so are the
    companions that macOS writes (``._name``); any other file is named in ``notes``.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, config: VideosConfig) -> None:
        self.config = config
        self.folder = existing_folder("videos", config.folder)
        self.notes: tuple[str, ...] = ()

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """As many clips of each video as its header promises; one of a video that has no header.

        Raises:
            InputError: the folder holds no video.
        """
        paths: list[Path] = []
        others: list[Path] = []
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            if path.suffix.lower() in SUFFIXES and not is_companion(path):
                paths.append(path)
            elif path.suffix.lower() not in BESIDE and not path.name.startswith("."):
                (paths if holds_video(path) else others).append(path)
        self.notes = _left_aside(others)
        if not paths:
            raise InputError(
                f"The folder {str(self.folder)!r} holds no video ({', '.join(SUFFIXES)})."
            )
        return [item for path in paths for item in self._of(path, form)]

    def _of(self, path: Path, form: ClipForm) -> Iterator[ClipItem]:
        name = path.relative_to(self.folder).as_posix()
        shown = printable(name)
        length = form.frames / form.fps
        try:
            whole = duration_of(str(path), shown)
        except InputError:
            whole = 0.0  # reading it will say why, and drop it
        # The last frame of a clip is shown for a while after it has begun.
        fits = int((whole - length + 1 / form.fps) // (self.config.stride or length)) + 1
        most = self.config.most_per_video or fits
        for number in range(max(1, min(fits, most))):
            start = round(number * (self.config.stride or length), 6)
            yield ClipItem(key=f"{shown}@{start:g}", place=(name, start, path.stat().st_size))

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """Decode one stretch.

        Raises:
            InputError: the video cannot be read, or is shorter than a clip.
        """
        name, start = str(item.place[0]), float(item.place[1])
        path, shown = self.folder / name, printable(name)
        check_there(path)
        frames = read_stretch(str(path), shown, start, form)
        return RawClip(
            frames=frames,
            caption=_caption(path),
            licence=self.config.licence,
            source=f"{shown} at {start:g} s",
            source_sha256=sha256_of_path(str(path)),
            fault="scene cut" if has_cut(frames, self.config.cut) else "",
        )


def _caption(video: Path) -> str:
    """The caption beside a video; empty if there is none.

    Raises:
        FileNotFoundError: the video itself is gone, and so nobody knows.
        InputError: it is no text.
    """
    words = video.with_suffix(".txt")
    if not words.is_file():
        check_there(video)
        if not words.is_file():  # it may have come back with the video
            return ""
    return read_caption(words, printable(words.name))


def _left_aside(others: Sequence[Path]) -> tuple[str, ...]:
    if not others:
        return ()
    names = ", ".join(printable(path.name) for path in others[:6])
    more = f" and {len(others) - 6} more" if len(others) > 6 else ""
    return (f"left aside, for they hold no video: {names}{more}",)
