"""The benchmark ``folder``: any photos with a motion beside each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kinema.errors import InputError
from kinema.formats import read_motion
from kinema.interfaces import BenchmarkItem, Case
from kinema.media.photo import read_photo
from kinema_apps.benchmarks.configs import FolderConfig

#: Photos that may lie beside a motion file of the same name.
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class FolderBenchmark:
    """``NAME.json`` with a motion beside the photo ``NAME.png``, or folders of MC-Bench's form.

    The subset of an item is the folder that it lies in, ``all`` for the topmost one.
    """

    def __init__(self, config: FolderConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """By their paths.

        Raises:
            InputError: there is none.
        """
        folder = Path(self.config.folder)
        if not self.config.folder or not folder.is_dir():
            raise InputError(
                f"The benchmark 'folder' needs a folder of photos and motions, got "
                f"{self.config.folder!r}; name it with --data FOLDER or its option 'folder'."
            )
        found = list(_items(folder))
        if not found:
            raise InputError(
                f"There is no item in {str(folder)!r}: no MC-Bench folder with first_frame.png and "
                "meta_data.json, and no NAME.json beside a photo NAME.png or NAME.jpg."
            )
        return found

    def read(self, item: BenchmarkItem) -> Case:
        """The photo and its motion.

        Raises:
            InputError: one of them cannot be read, or they are of different sizes.
        """
        folder = Path(self.config.folder)
        photo, motion = (folder / str(part) for part in item.place)
        return case_of(photo, motion, self.config.frames)


def _items(folder: Path) -> Iterator[BenchmarkItem]:
    for photo in sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES):
        place = photo.relative_to(folder)
        beside = photo.with_suffix(".json")
        if photo.name == "first_frame.png" and any(photo.parent.glob("meta_data*.json")):
            name, motion = place.parent, place.parent
        elif beside.is_file():
            name, motion = place.with_suffix(""), beside.relative_to(folder)
        else:
            continue
        subset = name.parent.as_posix()
        yield BenchmarkItem(
            key=name.as_posix(),
            subset="all" if subset == "." else subset,
            place=(place.as_posix(), motion.as_posix()),
        )


def case_of(photo: Path, motion_path: Path, frames: int = 0) -> Case:
    """An item of a photo and a motion file, or an MC-Bench folder.

    Raises:
        InputError: one of them cannot be read.
    """
    pixels = read_photo(photo).pixels
    height, width = pixels.shape[:2]
    form = "mc-bench" if motion_path.is_dir() else None
    motion = read_motion(motion_path, format=form, canvas=(width, height))
    if motion.canvas != (width, height):
        raise InputError(
            f"The photo {str(photo)!r} is {width}x{height}, and its motion is on a canvas of "
            f"{motion.canvas[0]}x{motion.canvas[1]}."
        )
    return Case(
        photo=pixels,
        motion=motion,
        frames=frames or None,
    )
