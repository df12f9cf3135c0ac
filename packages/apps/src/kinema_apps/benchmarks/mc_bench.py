"""The benchmark ``mc-bench``: photos with drags and a brushed mask (MotionPro, CVPR 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinema.interfaces import BenchmarkItem, Case
from kinema_apps.benchmarks.configs import McBenchConfig
from kinema_apps.benchmarks.folder import case_of
from kinema_apps.benchmarks.missing import MC_BENCH

#: The folders of the two classes, and the subset that each is here.
CLASSES = {"Fine_grained_control": "fine-grained", "object_control": "object-level"}


class McBench:
    """``CLASS/ITEM/`` with ``first_frame.png``, ``first_frame_mask.png`` and the key points.

    The key points lie in ``meta_data.json`` or ``meta_data_new.json``; where both are there they
    have to agree. Every folder of a class is an item, so one that lacks a file is reported.
    """

    def __init__(self, config: McBenchConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """By class, then by name: numbers by their value.

        Raises:
            InputError: the folder is absent, or holds neither class.
        """
        folder = MC_BENCH.checked(self.config.folder)
        found = [
            BenchmarkItem(key=f"{name}/{item}", subset=subset, place=(name, item))
            for name, subset in CLASSES.items()
            for item in _folders(folder / name)
        ]
        if not found:
            raise MC_BENCH.missing(
                self.config.folder, f"it holds neither {' nor '.join(CLASSES)} with an item"
            )
        return found

    def read(self, item: BenchmarkItem) -> Case:
        """Photo, drags and region.

        Raises:
            InputError: a file is absent or damaged, or they contradict one another.
        """
        folder = Path(self.config.folder).joinpath(*map(str, item.place))
        return case_of(folder / "first_frame.png", folder, self.config.frames)


def _folders(path: Path) -> list[str]:
    names = [each.name for each in path.iterdir() if each.is_dir()] if path.is_dir() else []
    return sorted(names, key=lambda name: (int(name), "") if name.isdecimal() else (-1, name))
