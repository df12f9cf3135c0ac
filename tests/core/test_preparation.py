"""Preparing: stages, shards that can be resumed, and what the report says."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation import stages
from kinema.clips.preparation.config import Limits, PrepareConfig, read_recipe
from kinema.clips.preparation.engine import prepare
from kinema.clips.preparation.report import Histogram, Report
from kinema.errors import Cancelled, InputError, KinemaError
from kinema.files import claimed
from kinema.interfaces import ClipForm, ClipItem, RawClip
from kinema.plugins import Plugins
from kinema.testing import toy_clips, toy_plugin
from kinema.testing.toy_clips import ToyClips, drift

torch.set_num_threads(2)

Ask = Callable[..., PrepareConfig]


@pytest.fixture
def toys() -> Plugins:
    plugins = Plugins()
    plugins.register(toy_plugin, "toys")
    plugins.register(toy_clips, "toy-clips")
    return plugins


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def make(out: str = "clips", **changes: Any) -> PrepareConfig:
        source = {"count": 8, **changes.pop("source_options", {})}
        given = {"size": (32, 16), "frames": 4, "fps": 8.0, "shard": 3, "reduction": 2, **changes}
        return PrepareConfig(
            source="toy-clips",
            tracker="toy-drift",
            backbone="toy",
            out=str(tmp_path / out),
            options={"source": source},
            **given,
        )

    return make


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_clips_come_out_as_the_source_and_the_backbone_made_them(
    toys: Plugins, ask: Ask, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    report = prepare(ask(), plugins=toys, on_progress=lambda *step: steps.append(step))
    assert (report.kept, report.shards, steps) == (8, 3, [(0, 8), (3, 8), (6, 8), (8, 8)])
    dataset = ClipDataset(tmp_path / "clips")
    assert [dataset[number].id for number in range(len(dataset))] == [f"toy-{n}" for n in range(8)]
    clip = dataset[5]
    raw = ToyClips().read(ClipItem(key="", place=(5,)), ClipForm(size=(32, 16), frames=4, fps=8))
    backbone = toys.build("backbone", "toy")
    latents = backbone.encode(raw.frames.movedim(-1, 1)[None].float() / 255)[0]
    torch.testing.assert_close(clip.latents, latents.half(), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        clip.observation().displacement, drift(raw.frames, 1).displacement, atol=0.01, rtol=0
    )
    assert (clip.caption, clip.source, clip.fps) == ("noise 5", "toy-5", 8.0)
    assert dataset.meta["backbone"] == "toy"
    assert dataset.meta["tracker"] == "toy-drift"
    assert dataset.meta["reduction"] == 2


def test_a_clip_that_cannot_be_used_is_dropped_for_a_reason(
    toys: Plugins, ask: Ask, tmp_path: Path
) -> None:
    config = ask(source_options={"broken": (0, 1, 2), "still": (4, 5)})
    report = prepare(config, plugins=toys)
    assert report.dropped == {"broken": 3, "static": 2}
    assert report.examples["broken"] == "toy-0: The toy clip 0 cannot be read."
    assert (report.clips, report.kept) == (8, 3)
    # The first shard would be empty, and is not written.
    names = [path.name for path in sorted((tmp_path / "clips").glob("*.parquet"))]
    assert names == ["shard-000001.parquet", "shard-000002.parquet"]
    said = json.loads((tmp_path / "clips" / "report.json").read_text())
    assert (said["kept"], said["dropped"]) == (3, {"broken": 3, "static": 2})
    assert sum(said["motion"]["counts"]) == 3
    page = (tmp_path / "clips" / "report.html").read_text()
    assert "3 of 8 clips kept" in page
    assert page.count("<svg") == 2


def test_no_clip_at_all_is_an_error_that_says_why(toys: Plugins, ask: Ask) -> None:
    with pytest.raises(
        InputError,
        match=r"^None of 2 clips could be kept; 2 were 'broken', such as toy-0: The toy clip 0 "
        r"cannot be read\. See .*report\.html'\.$",
    ):
        prepare(ask(source_options={"count": 2, "broken": (0, 1)}), plugins=toys)


class Stopped(Exception):
    pass


def test_work_that_was_interrupted_ends_up_the_same(
    toys: Plugins, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(ask("whole"), plugins=toys)
    plain, reads, fatal = ToyClips.read, [], "toy-4"

    def failing(self: ToyClips, item: ClipItem, form: ClipForm) -> RawClip:
        reads.append(item.key)
        if item.key == fatal:
            raise Stopped
        return plain(self, item, form)

    monkeypatch.setattr(ToyClips, "read", failing)
    with pytest.raises(Stopped):
        prepare(ask("clips"), plugins=toys)
    shards = sorted(path.name for path in (tmp_path / "clips").glob("*.parquet"))
    assert shards == ["shard-000000.parquet"]
    # A writer that is killed leaves its scratch folder and no shard.
    (tmp_path / "clips" / ".shard-000001.parquet.x1y2").mkdir()
    fatal = ""
    reads.clear()
    prepare(ask("clips"), plugins=toys)
    assert reads == [f"toy-{number}" for number in range(3, 8)]
    assert contents(tmp_path / "clips") == contents(tmp_path / "whole")
    assert not list((tmp_path / "clips").glob(".*"))


def test_a_source_that_is_gone_ends_the_work_and_costs_no_clip(
    toys: Plugins, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(ask("whole"), plugins=toys)
    plain, gone = ToyClips.read, True

    def failing(self: ToyClips, item: ClipItem, form: ClipForm) -> RawClip:
        if gone and item.key == "toy-4":
            try:
                (tmp_path / "unplugged").read_bytes()
            except OSError:
                raise InputError("The video cannot be read.") from None
        return plain(self, item, form)

    monkeypatch.setattr(ToyClips, "read", failing)
    with pytest.raises(KinemaError, match=r"^The clip 'toy-4' could not be read, since its source"):
        prepare(ask("clips"), plugins=toys)
    gone = False
    prepare(ask("clips"), plugins=toys)
    assert contents(tmp_path / "clips") == contents(tmp_path / "whole")


def test_a_clip_that_may_not_be_read_is_tried_again(
    toys: Plugins, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(ask("whole"), plugins=toys)
    plain, locked = ToyClips.read, True

    def failing(self: ToyClips, item: ClipItem, form: ClipForm) -> RawClip:
        if locked and item.key == "toy-4":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "toy-4")
        return plain(self, item, form)

    monkeypatch.setattr(ToyClips, "read", failing)
    assert prepare(ask("clips"), plugins=toys).dropped == {"unreadable": 1}
    locked = False
    prepare(ask("clips"), plugins=toys)
    assert contents(tmp_path / "clips") == contents(tmp_path / "whole")


def test_a_folder_that_was_hardly_begun_is_gone_on_with(
    toys: Plugins, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "clips" / "records").mkdir(parents=True)
    assert prepare(ask("clips"), plugins=toys).kept == 8


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_a_damaged_shard_is_made_again(
    toys: Plugins, ask: Ask, tmp_path: Path, damage: bytes
) -> None:
    prepare(ask(), plugins=toys)
    before = contents(tmp_path / "clips")
    (tmp_path / "clips" / "shard-000001.parquet").write_bytes(damage)
    prepare(ask(), plugins=toys)
    assert contents(tmp_path / "clips") == before


def test_what_a_lost_worker_left_half_written_is_swept(toys: Plugins, ask: Ask) -> None:
    out = Path(ask().out)

    def lose(*_: int) -> None:
        (out / ".shard-000000.parquet.k3x").mkdir(parents=True, exist_ok=True)

    prepare(ask(), plugins=toys, on_progress=lose)
    assert not [path for path in out.rglob(".*") if path.is_dir()]


def test_a_folder_of_another_preparation_is_refused(
    toys: Plugins, ask: Ask, tmp_path: Path
) -> None:
    prepare(ask(), plugins=toys)
    before = contents(tmp_path / "clips")
    with pytest.raises(
        InputError,
        match=r"clips' was prepared otherwise: fps was 8\.0, now 6\.0; frames was 4, now 5\. "
        r"Choose another folder, or remove that one\.$",
    ):
        prepare(ask(frames=5, fps=6.0), plugins=toys)
    with pytest.raises(InputError, match=r"options\.source\.count was 8, now 9\. "):
        prepare(ask(source_options={"count": 9}), plugins=toys)
    assert contents(tmp_path / "clips") == before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(InputError, match=r"photos' holds something else than prepared clips\.$"):
        prepare(ask("photos"), plugins=toys)


def test_two_at_once_in_one_folder_are_refused(toys: Plugins, ask: Ask, tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "clips", "preparation"),
        pytest.raises(InputError, match=r"^Another preparation is at work in the folder '.*clips'"),
    ):
        prepare(ask(), plugins=toys)
    prepare(ask(), plugins=toys)


def test_a_wrong_size_leaves_nothing_behind(toys: Plugins, ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^The backbone 'toy' cannot make 4 frames of 30x16 pixels\."
    ):
        prepare(ask(size=(30, 16)), plugins=toys)
    assert not (tmp_path / "clips").exists()


def test_a_full_disk_is_named_and_leaves_no_half_shard(
    toys: Plugins, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("kinema.clips.clip._write_rows", full)
    with pytest.raises(
        KinemaError,
        match=r"^Shard 0 could not be written to '.*clips': No space left on device\. Finished "
        r"shards stay; run the same again to go on\.$",
    ):
        prepare(ask(), plugins=toys)
    assert sorted(contents(tmp_path / "clips")) == ["prepare.json"]


def test_it_can_be_cancelled_between_shards(toys: Plugins, ask: Ask, tmp_path: Path) -> None:
    answers = iter([False, True])
    with pytest.raises(Cancelled, match="finished shards stay"):
        prepare(ask(), plugins=toys, cancel=lambda: next(answers))
    assert len(list((tmp_path / "clips").glob("*.parquet"))) == 1


# -- stages ----------------------------------------------------------------------------------------


def test_limits_tell_reasons_apart() -> None:
    frames = torch.zeros(4, 16, 32, 3, dtype=torch.uint8)
    seen, size = drift(frames, 1), (32, 16)
    assert stages.fastest_motion(seen) == 3.0
    stages.judge(seen, size, Limits())
    for limits, reason in (
        (Limits(least_motion=0.1), "static"),
        (Limits(most_motion=0.05), "erratic"),
        (Limits(least_visible=0.99), "too little visible"),
    ):
        with pytest.raises(stages.Dropped) as dropped:
            stages.judge(seen, size, limits)
        assert dropped.value.reason == reason
    with pytest.raises(stages.Dropped) as dropped:
        stages.glance(RawClip(frames=frames), Limits())
    assert dropped.value.reason == "blank"


def test_a_source_that_gives_another_form_is_dropped_as_broken() -> None:
    class Odd(ToyClips):
        def read(self, item: ClipItem, form: ClipForm) -> RawClip:
            return RawClip(frames=torch.zeros(2, 16, 32, 3, dtype=torch.uint8))

    with pytest.raises(stages.Dropped, match=r"\(2, 16, 32, 3\).*instead of \(4, 16, 32, 3\)"):
        stages.read(Odd(), ClipItem(key="a"), ClipForm(size=(32, 16), frames=4, fps=8))


def test_configs_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Unknown engine 'spark'\. Choose one of: local, ray\.$"):
        PrepareConfig(source="a", out="b", backbone="c", engine="spark")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^Options are given for 'trackers'; choose out of: "):
        PrepareConfig(source="a", out="b", backbone="c", options={"trackers": {}})
    with pytest.raises(InputError, match=r"^The limit least_motion must be a number from 0 up"):
        Limits(least_motion=-1)
    with pytest.raises(InputError, match=r"nowhere\.toml' cannot be read: No such file"):
        read_recipe(tmp_path / "nowhere.toml")


def test_the_report_says_what_matters() -> None:
    histogram = Histogram.of([1.0, 2.0, 3.0])
    report = Report(
        out="clips", clips=4, kept=3, dropped={"static": 1}, examples={"static": "<a>"},
        motion=histogram, visible=Histogram.of([0.5, 0.6, 0.9], 1.0), shards=1, bytes=3_000_000,
        facts={},
    )  # fmt: skip
    assert report.lines() == [
        "3 of 4 clips kept (75 %), in 1 shards of 3.0 MB in all, 1.000 MB per clip.",
        "       1 dropped: static, <a>",
        "Each is named in the folder records/.",
        "Of those kept, half move by 2.0 pixels or more, and keep 60 % of the first frame visible "
        "or more.",
    ]
