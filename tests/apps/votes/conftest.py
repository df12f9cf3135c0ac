"""Videos of made-up models, and a study of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema_apps.votes.study import Study
from kinema_apps.votes.videos import gather, named_folders, prepare

SaveVideo = Callable[[Path, int], None]
PlainStudy = Callable[..., Study]


def _save_video(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 256, (1, 6, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    pixels = np.concatenate([np.roll(block, 2 * frame, 2) for frame in range(4)])
    Video(pixels, 8).save(path)


@pytest.fixture
def save_video() -> SaveVideo:
    """Writes four frames of 64x48 that move."""
    return _save_video


@pytest.fixture
def plain() -> PlainStudy:
    """Makes a study without videos; its models are p, q, r, ..."""

    def make(items: int = 6, models: int = 3, checks: int = 2) -> Study:
        names = tuple("pqrstu"[:models])
        return Study(
            models=names,
            videos={str(item): names for item in range(items)},
            drawn=frozenset(),
            checks=checks,
            ties=False,
            secret="ab" * 16,
        )

    return make


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """Folders of three models with the same four items; one model writes GIFs."""
    for index, (name, suffix) in enumerate([("ours", ".mp4"), ("theirs", ".gif"), ("old", ".mp4")]):
        for item in range(4):
            _save_video(tmp_path / name / "boats" / f"{item}{suffix}", 10 * index + item)
    motion = Motion(canvas=(64, 48), drags=[[(20, 20), (30, 24)]])
    motion.save(tmp_path / "ours" / "boats" / "0.json")
    return {name: tmp_path / name for name in ("ours", "theirs", "old")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    return tmp_path / "study"


@pytest.fixture
def study(models: dict[str, Path], folder: Path) -> Study:
    words = [str(path) for path in models.values()]
    return prepare(folder, gather(named_folders(words)), items=None, checks=2, ties=True)
