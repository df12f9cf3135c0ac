"""The clip source ``videos``: a folder of videos, cut into clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.errors import InputError
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema_apps.sources.configs import VideosConfig
from kinema_apps.sources.decoding import (
    SUFFIXES,
    duration_of,
    existing_folder,
    has_cut,
    read_stretch,
    sha256_of_path,
)


class VideosSource:
    """Every video of a folder, cut into neighbouring clips.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, config: VideosConfig) -> None:
        self.config = config
        self.folder = existing_folder("videos", config.folder)

    def items(self, form: ClipForm) -> Sequence[ClipItem]:
        """As many clips of each video as its header promises; one of a video that has no header.

        Raises:
            InputError: the folder holds no video.
        """
        paths = sorted(
            path
            for path in self.folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not paths:
            raise InputError(
                f"The folder {str(self.folder)!r} holds no video ({', '.join(SUFFIXES)})."
            )
        return [item for path in paths for item in self._of(path, form)]

    def _of(self, path: Path, form: ClipForm) -> Iterator[ClipItem]:
        name = path.relative_to(self.folder).as_posix()
        length = form.frames / form.fps
        try:
            whole = duration_of(str(path), name)
        except InputError:
            whole = 0.0  # reading it will say why, and drop it
        # The last frame of a clip is shown for a while after it has begun.
        fits = int((whole - length + 1 / form.fps) // (self.config.stride or length)) + 1
        most = self.config.most_per_video or fits
        for number in range(max(1, min(fits, most))):
            start = round(number * (self.config.stride or length), 6)
            yield ClipItem(key=f"{name}@{start:g}", place=(name, start, path.stat().st_size))

    def read(self, item: ClipItem, form: ClipForm) -> RawClip:
        """Decode one stretch.

        Raises:
            InputError: the video cannot be read, or is shorter than a clip.
        """
        name, start = str(item.place[0]), float(item.place[1])
        path = self.folder / name
        frames = read_stretch(str(path), name, start, form)
        words = path.with_suffix(".txt")
        caption = words.read_text(encoding="utf-8").strip() if words.is_file() else ""
        return RawClip(
            frames=frames,
            caption=caption,
            licence=self.config.licence,
            source=f"{name} at {start:g} s",
            source_sha256=sha256_of_path(str(path)),
            fault="scene cut" if has_cut(frames, self.config.cut) else "",
        )
