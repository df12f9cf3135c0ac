"""Killed before each file operation: outputs, preparations and trainings are whole or not there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.media.manifest import Manifest
from kinema.media.video import Video, check_bound, manifest_path
from kinema.outputs import SCRATCH, sweep
from kinema.plugins import Plugins
from kinema.testing import toy_clips as toy_source
from kinema.testing import toy_plugin
from kinema.testing.killed import killed_before_each

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith(SCRATCH)]


def video(seed: int) -> Video:
    """Three frames of one grey that tells whose they are."""
    record = Manifest(
        offers={}, sample={}, motion={}, photo={}, size=(8, 8), frames=3, fps=8.0, seed=seed
    )
    return Video(np.full((3, 8, 8, 3), 40 * seed, np.uint8), 8.0, record)


# No MP4: its encoder's threads are not forked with the test. What is renamed is the same.
@pytest.mark.parametrize(
    "name", ["frames", *(pytest.param(n, marks=pytest.mark.slow) for n in ("a.gif", "f%02d.png"))]
)
def test_an_output_and_its_manifest_are_replaced_together(tmp_path: Path, name: str) -> None:
    target = tmp_path / "out" / name
    beside = manifest_path(target)

    def before() -> None:
        emptied(target.parent)
        video(1).save(target)

    tried = 0
    for _ in killed_before_each(lambda: video(2).save(target), before):
        tried += 1
        check_bound(beside)
        shades = Video.load(target).frames.reshape(3, -1)
        assert len({round(float(shade.mean()) / 40) for shade in shades}) == 1
        assert round(float(shades.mean()) / 40) == Manifest.load(beside).seed
        video(3).save(target)
        assert left(target.parent) == []
        assert Manifest.load(beside).seed == 3
    assert tried > 8


def test_a_new_folder_without_exchange_is_put_in_place_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema.outputs._exchange", lambda one, other: False)
    target = tmp_path / "out" / "frames"

    def before() -> None:
        emptied(target.parent)
        video(1).save(target)

    for _ in killed_before_each(lambda: video(2).save(target), before):
        sweep(target.parent)
        assert left(target.parent) == []
        shades = Video.load(target).frames.reshape(3, -1).mean(1) / 40
        assert shades.tolist() in ([1, 1, 1], [2, 2, 2])
        check_bound(manifest_path(target))


@pytest.mark.parametrize("most", [14, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_preparation_goes_on_to_the_same_end(tmp_path: Path, most: int) -> None:
    plugins = Plugins()
    plugins.register(toy_plugin, "toys")
    plugins.register(toy_source, "toy-clips")

    def config(out: str) -> PrepareConfig:
        return PrepareConfig(
            source="toy-clips",
            tracker="toy-drift",
            backbone="toy",
            out=str(tmp_path / out),
            options={"source": {"count": 4, "broken": (1,)}},
            size=(32, 16),
            frames=4,
            fps=8.0,
            shard=2,
            reduction=2,
        )

    prepare(config("whole"), plugins=plugins)
    whole = contents(tmp_path / "whole")
    out = tmp_path / "clips"
    for _ in killed_before_each(
        lambda: prepare(config("clips"), plugins=plugins),
        lambda: shutil.rmtree(out, ignore_errors=True),
        most,
    ):
        prepare(config("clips"), plugins=plugins)
        assert contents(out) == whole
        assert left(out) == []


# In a process of its own, because autograd refuses to work in the fork of one where it has seen
# another device than the CPU, which tests that only count let it see.
@pytest.mark.parametrize("most", [8, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_training_goes_on_to_the_same_weights(tmp_path: Path, most: int) -> None:
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), str(most)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= min(most, 20)
