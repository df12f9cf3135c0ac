"""What preparing costs beside its models: the whole of it, and reading and tracking alone.

Videos of 512x320 and 16 frames, the tracker ``dis``, one thread, one process. The backbone is the
toy, whose latents have the size of a real one's and cost nothing, so the ratio of the two rows is
the worst case: with a real autoencoder both rows are longer by the same time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from kinema.clips.preparation import stages
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.interfaces import ClipForm, Tracker
from kinema.media.video import Video
from kinema.plugins import Plugins
from kinema.testing import toy_plugin

pytest.importorskip("kinema_apps")
pytest.importorskip("kinema_conditions")

CLIPS = 2
FORM = ClipForm(size=(512, 320), frames=16, fps=8.0)
GROUP = f"preparing {CLIPS} clips"


@pytest.fixture(autouse=True)
def one_thread_each() -> Iterator[None]:
    import cv2

    before, opencv = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before)
    cv2.setNumThreads(opencv)


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    found = Plugins()
    found.load_entry_points()
    found.register(toy_plugin, "toys")
    return found


@pytest.fixture(scope="module")
def videos(plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    source = plugins.build("clip source", "synthetic", {"count": CLIPS})
    for number, item in enumerate(source.items(FORM)):
        frames = source.read(item, FORM).frames.numpy()
        Video(frames, fps=FORM.fps).save(folder / f"{number}.mp4")
    return folder


def test_the_models_alone(benchmark: BenchmarkFixture, plugins: Plugins, videos: Path) -> None:
    benchmark.group = GROUP
    source = plugins.build("clip source", "videos", {"folder": str(videos), "cut": 1.0})
    tracker: Tracker = plugins.build("tracker", "dis", {})

    def see() -> int:
        raws = [stages.read(source, item, FORM) for item in source.items(FORM)]
        return sum(len(stages.track(raw, tracker).visible) for raw in raws)

    seen = benchmark.pedantic(see, warmup_rounds=1, rounds=3)  # type: ignore[no-untyped-call]
    assert seen == CLIPS * FORM.frames


def test_the_whole(
    benchmark: BenchmarkFixture, plugins: Plugins, videos: Path, tmp_path: Path
) -> None:
    benchmark.group = GROUP
    numbers = itertools.count()

    def work() -> int:
        config = PrepareConfig(
            source="videos",
            tracker="dis",
            backbone="toy",
            out=str(tmp_path / str(next(numbers))),
            size=FORM.size,
            frames=FORM.frames,
            fps=FORM.fps,
            options={"source": {"folder": str(videos), "cut": 1.0}},
        )
        return prepare(config, plugins=plugins).kept

    kept = benchmark.pedantic(work, warmup_rounds=1, rounds=3)  # type: ignore[no-untyped-call]
    assert kept == CLIPS
