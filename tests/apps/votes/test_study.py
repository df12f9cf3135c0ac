"""What is brought into a study, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.errors import InputError
from kinema.media.video import Video
from kinema_apps.votes import videos
from kinema_apps.votes.study import MEDIA, Study
from kinema_apps.votes.videos import find_videos, gather, named_folders, prepare

SaveVideo = Callable[[Path, int], None]


def test_all_that_raters_see_lies_in_the_study_under_names_that_say_nothing(
    study: Study, folder: Path
) -> None:
    names = {path.name for path in (folder / MEDIA).iterdir()}
    assert names == study.media()
    assert len(names) == 3 * 4 + 1 + 2 * 2
    assert not any(word in name for name in names for word in ("ours", "theirs", "boats", "check"))
    assert all(len(name) == len("0" * 32 + ".mp4") for name in names)


def test_every_two_models_of_an_item_are_a_comparison(study: Study) -> None:
    assert len(study.pairs) == 4 * 3
    assert study.drawn == {"boats/0"}
    assert "trajectory-alignment" in study.questions("boats/0")
    assert "trajectory-alignment" not in study.questions("boats/1")


def test_what_browsers_play_is_copied_and_what_they_do_not_is_encoded(
    study: Study, folder: Path, models: dict[str, Path]
) -> None:
    copied = (folder / MEDIA / study.video("boats/1", "ours")).read_bytes()
    assert copied == (models["ours"] / "boats" / "1.mp4").read_bytes()
    encoded = Video.load(folder / MEDIA / study.video("boats/1", "theirs"))
    source = Video.load(models["theirs"] / "boats" / "1.gif")
    assert encoded.frames.shape == source.frames.shape
    assert (
        np.abs(encoded.frames.astype(int) - source.frames).mean() < 16
    )  # half of the colour is gone


def test_the_broken_side_of_a_check_is_plainly_worse(study: Study, folder: Path) -> None:
    intact = Video.load(folder / MEDIA / study.check(0, True)).frames.astype(int)
    broken = Video.load(folder / MEDIA / study.check(0, False)).frames.astype(int)
    steps = [np.abs(np.diff(frames, axis=0)).mean() for frames in (intact, broken)]
    assert steps[1] > 1.3 * steps[0]


def test_a_study_goes_on_and_another_one_is_refused(
    study: Study, folder: Path, models: dict[str, Path]
) -> None:
    gathered = gather(models)
    assert prepare(folder, gathered, items=None, checks=2, ties=True) == study
    with pytest.raises(InputError, match="holds a study of other models, items or options"):
        prepare(folder, gathered, items=None, checks=3, ties=True)
    (folder / "study.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match=r"must say 'format': 'kinema.votes/1', got 'other'"):
        Study.load(folder)


def test_items_of_one_model_only_are_named(models: dict[str, Path], save_video: SaveVideo) -> None:
    save_video(models["ours"] / "alone.mp4", 5)
    gathered = gather(models)
    assert gathered.alone == ("alone",)
    assert "alone" not in gathered.videos


def test_folders_are_named_by_their_last_part_or_as_asked(models: dict[str, Path]) -> None:
    ours, theirs = str(models["ours"]), str(models["theirs"])
    assert list(named_folders([ours, f"xy:{theirs}"])) == ["ours", "xy"]
    with pytest.raises(InputError, match="Two folders of videos are called 'ours'"):
        named_folders([ours, ours])
    with pytest.raises(InputError, match="2 models or more"):
        named_folders([ours])
    with pytest.raises(InputError, match="'nowhere' is no folder of videos"):
        named_folders([ours, "nowhere"])


def test_a_link_out_of_a_folder_is_refused(
    tmp_path: Path, models: dict[str, Path], save_video: SaveVideo
) -> None:
    save_video(tmp_path / "secret.mp4", 3)
    (models["ours"] / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(InputError, match="leads out of its folder"):
        find_videos(models["ours"])


def test_two_videos_of_one_item_are_refused(models: dict[str, Path], save_video: SaveVideo) -> None:
    save_video(models["ours"] / "boats" / "1.gif", 3)
    with pytest.raises(InputError, match="two videos of the item 'boats/1'"):
        find_videos(models["ours"])


def test_what_is_no_video_or_too_large_is_refused(
    models: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch, save_video: SaveVideo
) -> None:
    (models["ours"] / "boats" / "2.mp4").write_bytes(b"<html>" * 100)
    with pytest.raises(InputError, match=r"2.mp4' cannot be read"):
        prepare(folder, gather(models), items=None, checks=0, ties=False)
    save_video(models["ours"] / "boats" / "2.mp4", 2)
    monkeypatch.setattr(videos, "MOST_PIXELS", 1000)
    with pytest.raises(InputError, match="4 frames of 64x48 pixels, which is too much"):
        prepare(folder, gather(models), items=None, checks=0, ties=False)
    monkeypatch.setattr(videos, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="a study takes files of up to"):
        prepare(folder, gather(models), items=None, checks=0, ties=False)


def test_folders_without_a_video_or_a_match_are_said(tmp_path: Path, save_video: SaveVideo) -> None:
    save_video(tmp_path / "a" / "one.mp4", 1)
    save_video(tmp_path / "b" / "two.mp4", 1)
    (tmp_path / "c").mkdir()
    with pytest.raises(InputError, match="No two models have a video of the same name"):
        gather({"a": tmp_path / "a", "b": tmp_path / "b"})
    with pytest.raises(InputError, match="There is no video in"):
        gather({"a": tmp_path / "a", "c": tmp_path / "c"})
