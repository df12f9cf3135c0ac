"""The benchmark ``movebench``: clips with tracks, masks and captions (Wan-Move, NeurIPS 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.files import read_text
from kinema.formats.reading import numeric, open_array
from kinema.interfaces import BenchmarkItem, Case, Truth
from kinema.media.photo import read_photo
from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.motion.tracks import Tracks
from kinema_apps.benchmarks.configs import MoveBenchConfig
from kinema_apps.benchmarks.missing import MOVEBENCH

#: The lists of items, and the subset that each is here.
MODES = {"single": "single-object", "multi": "multi-object"}

#: Frames per second of its clips.
FPS = 16.0


class MoveBench:
    """Photos, tracks and captions, with the real clips as truth where they are there.

    Frames are resized to the size of the photo. Fewer frames than the tracks have are taken evenly
    from the whole clip.
    """

    def __init__(self, config: MoveBenchConfig) -> None:
        self.config = config

    @property
    def _folder(self) -> Path:
        return Path(self.config.folder) / self.config.language

    def items(self) -> Sequence[BenchmarkItem]:
        """As the lists say, single objects first.

        Raises:
            InputError: the folder or its lists are absent, or a line of one is no item.
        """
        MOVEBENCH.checked(self.config.folder)
        found: list[BenchmarkItem] = []
        for mode, subset in MODES.items():
            path = self._folder / f"{mode}_track.txt"
            if path.is_file():
                found += [
                    BenchmarkItem(key=f"{mode}/{name}", subset=subset, place=(mode, name, caption))
                    for name, caption in _listed(path)
                ]
        if not found:
            raise MOVEBENCH.missing(
                self.config.folder, f"{self.config.language}/single_track.txt lists no item"
            )
        return found

    def read(self, item: BenchmarkItem) -> Case:
        """Photo, tracks and, if it is there, the clip.

        Raises:
            InputError: a file is absent or damaged, or they contradict one another.
        """
        mode, name, caption = map(str, item.place)
        photo = _photo(self._folder / "first_frame", name)
        size = photo.shape[1], photo.shape[0]
        base = self._folder / "track" / mode
        tracks = _array(base / f"{name}_tracks.npy", 3)
        visible = _array(base / f"{name}_visibility.npy", 2).astype(bool)
        if tracks.shape[:2] != visible.shape or tracks.shape[-1] != 2:
            raise InputError(
                f"The tracks {tracks.shape!r} and their visibility {visible.shape!r} of {name!r} "
                "are not (T, N, 2) and (T, N)."
            )
        count = self.config.frames or len(tracks)
        picks = np.linspace(0, len(tracks) - 1, count).round().astype(int)
        tracks, visible = tracks[picks], visible[picks]
        # A point that the photo does not show has nothing to be moved.
        shown = visible[0] & (tracks[0] >= 0).all(-1) & (tracks[0] <= np.array(size) - 1).all(-1)
        if not shown.any():
            raise InputError(f"No track of {name!r} starts at a visible point of the photo.")
        tracks, visible = tracks[:, shown], visible[:, shown]
        fps = FPS * (count - 1) / max(1, int(picks[-1]))
        clip = _clip(self._folder / "video", name)
        return Case(
            photo=photo,
            motion=Motion(
                canvas=size,
                tracks=Tracks(points=tracks.tolist(), visible=visible.tolist()),
                fps=fps,
                duration=count / fps,
            ),
            size=size,
            frames=count,
            fps=fps,
            prompt=caption,
            truth=Truth(
                frames=None if clip is None else _frames(clip, picks, size, name),
                tracks=torch.from_numpy(tracks).float(),
                visible=torch.from_numpy(visible),
            ),
            licence="MIT",
        )


def _listed(path: Path) -> list[tuple[str, str]]:
    found = []
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, comma, caption = line.partition(",")
        if not comma:
            raise InputError(f"Line {number} of {str(path)!r} is not of the form VIDEO,CAPTION.")
        found.append((Path(name.strip()).stem, caption.strip()))
    return found


def _photo(folder: Path, name: str) -> NDArray[np.uint8]:
    for suffix in (".jpg", ".png", ".jpeg"):
        if (path := folder / f"{name}{suffix}").is_file():
            return read_photo(path).pixels
    raise InputError(f"There is no photo {name}.jpg in {str(folder)!r}.")


def _array(path: Path, dimensions: int) -> NDArray[np.float64]:
    try:
        array = numeric(open_array(path), f"The array {str(path)!r}")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}.") from None
    if array.ndim == dimensions + 1 and len(array) == 1:
        array = array[0]
    if array.ndim != dimensions or not np.isfinite(array).all():
        raise InputError(
            f"{str(path)!r} must have {dimensions} dimensions of finite numbers, got "
            f"{array.shape!r}."
        )
    return np.asarray(array, dtype=np.float64)


def _clip(folder: Path, name: str) -> Video | None:
    path = folder / f"{name}.mp4"
    return Video.load(path) if path.is_file() else None


def _frames(
    clip: Video, picks: NDArray[np.int64], size: tuple[int, int], name: str
) -> torch.Tensor:
    from kinema.media.fit import Fit

    if len(clip.frames) <= picks[-1]:
        raise InputError(
            f"The clip of {name!r} has {len(clip.frames)} frames, its tracks {picks[-1] + 1}."
        )
    fit = Fit.of(clip.size, size)
    return torch.from_numpy(np.stack([fit(clip.frames[pick]) for pick in picks]))
