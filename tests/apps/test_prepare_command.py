"""``kinema prepare``: words, recipes, folders and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import pytest
from PIL import Image

import kinema.clips.preparation.engine
from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.report import Histogram, Report
from kinema.media.video import Video

Kinema = Callable[..., click.testing.Result]

SMALL = ("--size", "64x48", "--frames", "4", "--backbone", "preview", "--workers", "1")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PrepareConfig]:
    """The preparations that the command asks for; none is done."""
    configs: list[PrepareConfig] = []

    def prepare(config: PrepareConfig, **_: object) -> Report:
        configs.append(config)
        return Report(
            out=config.out, clips=1, kept=1, dropped={}, examples={}, motion=Histogram.of([1.0]),
            visible=Histogram.of([1.0]), shards=1, bytes=1000, facts={},
        )  # fmt: skip

    monkeypatch.setattr(kinema.clips.preparation.engine, "prepare", prepare)
    return configs


def test_words_and_a_recipe_ask_for_the_same(kinema: Kinema, asked: list[PrepareConfig]) -> None:
    kinema(
        *("prepare", "videos", "--out", "clips", "--backbone", "preview", "--size", "64x48"),
        *("--fps", "4", "--tracker", "dis", "--set", "tracker.quality=high", "--set", "shard=5"),
        *("--set", "source.folder=films", "--set", "source.most-per-video=2"),
        *("--set", "limits.least_visible=0.5"),
    )
    Path("recipe.toml").write_text("""
source = "videos"
out = "elsewhere"
backbone = "preview"
size = "64x48"
fps = 4
tracker = "dis"
shard = 5

[options.source]
folder = "films"
most_per_video = "2"

[options.tracker]
quality = "high"

[limits]
least_visible = 0.5
""")
    kinema("prepare", "recipe.toml", "--out", "clips")
    assert asked[0] == asked[1]
    assert asked[0].limits.least_visible == 0.5


@pytest.mark.parametrize(
    ("file", "source"),
    [("a.mp4", "videos"), ("a.tar", "webdataset"), ("clip/video.mp4", "motionpro-folder")],
)
def test_a_folder_is_read_as_what_it_holds(
    kinema: Kinema, asked: list[PrepareConfig], file: str, source: str
) -> None:
    path = Path("films") / file
    path.parent.mkdir(parents=True)
    path.touch()
    if source == "motionpro-folder":
        path.with_name("flow.npy").touch()
    result = kinema("prepare", "films", "--out", "clips", "--weights", "w")
    assert f"Reading films as '{source}'." in result.stderr
    [config] = asked
    assert config.source == source
    assert config.options == {"source": {"folder": "films"}, "backbone": {"weights": "w"}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("films/none", "--out", "a"), "There is no folder 'films/none' to prepare clips from."),
        (("vidoes", "--out", "a"), "Unknown clip source 'vidoes'. Did you mean 'videos'?"),
        (("videos",), "A preparation needs 'out'; name it in the recipe or by --out."),
        (("videos", "--out", "a", "--set", "trackr.quality=high"), "--set 'trackr.quality' is not"),
        (("videos", "--out", "a", "--set", "colour=red"), "The preparation has no option 'colour'"),
        pytest.param(
            ("videos", "--out", "a", "--backbone", "preview"),
            "The clip source 'videos' needs a fol",
            marks=pytest.mark.all_packages,
        ),
        (("gone.toml", "--out", "a"), "The recipe 'gone.toml' cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_named(kinema: Kinema, words: tuple[str, ...], message: str) -> None:
    assert message in kinema("prepare", *words, code=2).stderr
    assert not Path("a").exists()


@pytest.mark.all_packages
@pytest.mark.slow
def test_videos_become_clips_in_processes_of_their_own(kinema: Kinema) -> None:
    rng = np.random.default_rng(0)
    tiny = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    wide = np.asarray(tiny.resize((160, 72), Image.Resampling.BICUBIC))
    slide = np.stack([wide[:, 2 * t : 2 * t + 96] for t in range(8)])
    Path("films").mkdir()
    Video(slide, 8.0).save("films/slide.mp4", manifest=False)
    Video(slide[:1].repeat(8, 0), 8.0).save("films/still.mp4", manifest=False)
    Path("films/broken.mp4").write_bytes(b"nothing")
    result = kinema("prepare", "films", "--out", "clips", *SMALL)
    assert "2 of 5 clips kept (40 %)" in result.stdout
    assert "2 dropped: static" in result.stdout
    assert "1 dropped: broken" in result.stdout
    clip = ClipDataset("clips")[0]
    moved = clip.displacement[3, 8:16, 4:24, 0].median().item()
    # The view slides to the right by 2 of 96 pixels a frame, and is shown at 64.
    assert moved == pytest.approx(-3 * 2 * 64 / 96, abs=0.7)
    again = kinema("prepare", "films", "--out", "clips", *SMALL)
    assert again.stdout == result.stdout
    shutil.rmtree("clips")


def test_its_help_loads_no_array_library() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from kinema_apps.cli import cli\n"
        "assert CliRunner().invoke(cli, ['prepare', '--help']).exit_code == 0\n"
        "print([n for n in ('torch', 'numpy', 'av', 'ray') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
