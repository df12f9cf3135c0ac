"""A source that is moved away in the middle of a preparation, and comes back."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.clips.preparation.report import Report
from kinema.errors import KinemaError
from kinema.media.video import Video

pytestmark = [
    pytest.mark.all_packages,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there"),
]

FILMS = 12


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Small videos of which each gives one clip, with captions."""
    folder = tmp_path / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(FILMS):
        tiny = Image.fromarray(rng.integers(30, 220, (6, 10, 3), dtype=np.uint8))
        wide = np.asarray(tiny.resize((136, 64), Image.Resampling.BICUBIC))
        frames = np.stack([wide[:, 4 * t : 4 * t + 96] for t in range(8)])
        Video(frames, 8.0).save(folder / f"{number:02}.mp4", manifest=False)
        (folder / f"{number:02}.txt").write_text(f"film {number}")
    return folder


def asked(films: Path, out: Path, workers: int) -> PrepareConfig:
    return PrepareConfig(
        source="videos",
        backbone="preview",
        tracker="dis",
        out=str(out),
        size=(64, 48),
        frames=4,
        fps=8.0,
        shard=2,
        workers=workers,
        options={"source": {"folder": str(films), "most_per_video": 1}},
    )


def whole(report: Report, out: Path) -> None:
    assert (report.clips, report.kept, report.dropped) == (FILMS, FILMS, {})
    clips = ClipDataset(out)
    assert sorted(clips[n].caption for n in range(len(clips))) == sorted(
        f"film {number}" for number in range(FILMS)
    )


def test_a_source_that_is_moved_away_ends_the_work_with_a_word(films: Path, tmp_path: Path) -> None:
    out, away = tmp_path / "clips", tmp_path / "elsewhere"

    def move(done: int, of: int) -> None:
        if 0 < done < of and films.exists():
            os.rename(films, away)

    with pytest.raises(KinemaError, match="could not be read, since its source is gone") as caught:
        prepare(asked(films, out, workers=2), on_progress=move)
    assert "run the same again when it is back" in str(caught.value)
    assert away.is_dir(), "it was moved in the middle"
    os.rename(away, films)
    whole(prepare(asked(films, out, workers=2)), out)


@contextlib.contextmanager
def flapping(films: Path, away: Path) -> Iterator[None]:
    """The folder goes and comes back, again and again."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            os.rename(films, away)
            time.sleep(0.02)
            os.rename(away, films)
            ended.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_source_that_comes_and_goes_costs_no_clip(films: Path, tmp_path: Path) -> None:
    out, refusals = tmp_path / "clips", 0
    with flapping(films, tmp_path / "elsewhere"):
        for _ in range(6):
            try:
                report = prepare(asked(films, out, workers=1))
            except KinemaError:
                refusals += 1
            else:
                whole(report, out)
                break
    assert refusals > 0, "the folder was never gone when it was needed"
    whole(prepare(asked(films, out, workers=2)), out)
