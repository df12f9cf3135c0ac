"""The page of an evaluation: what is in it, and what cannot get into it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import InputError
from kinema.evaluation import Results
from kinema.media.video import Video
from kinema.motion.camera import CameraPath
from kinema.motion.motion import Motion
from kinema_apps.report.clips import GRID, WIDEST, choose, drawn_paths, player
from kinema_apps.report.content import content
from kinema_apps.report.folder import motion_finder, video_opener, write_report
from kinema_apps.report.html import SCRIPTS, one_script, render

MakeResults = Callable[..., Results]


def shifted(frames: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A tracker that sees everything move by one pixel to the right in each frame."""
    steps = np.arange(len(frames))[:, None, None] * np.array([1.0, 0.0])
    return np.asarray(starts[None] + steps)


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_report_of_a_folder_holds_everything(evaluated: Path) -> None:
    page = write_report(evaluated, clips=6).read_text()
    data = data_of(page)
    assert [model["name"] for model in data["models"]] == ["weak", "strong"]
    assert data["primary"] == "path-error"
    assert len(data["items"]) == 24
    assert len(data["summary"]) == 12
    assert (data["comparisons"][0]["a"], data["comparisons"][0]["b"]) == ("weak", "strong")
    assert data["faults"][0]["reason"] == "It broke."
    assert len(data["clips"]) == 6
    for clip in data["clips"]:
        assert set(clip["videos"]) == {"weak", "strong"}
        assert base64.b64decode(clip["videos"]["weak"]["data"])[4:8] == b"ftyp"
    scores = data["scores"]["path-error"]["weak"]
    assert scores.count(None) == 12, "those of the camera have no path error"


def test_best_and_worst_of_every_part_have_clips(evaluated: Path) -> None:
    data = data_of(write_report(evaluated, clips=8).read_text())
    shown = {clip["index"] for clip in data["clips"]}
    scores = data["scores"]["path-error"]["strong"]
    there = [index for index, value in enumerate(scores) if value is not None]
    assert min(there, key=scores.__getitem__) in shown
    assert max(there, key=scores.__getitem__) in shown
    # A part without that number is ordered by one it has.
    likeness = data["scores"]["likeness[small]"]["strong"]
    camera = [index for index, item in enumerate(data["items"]) if item[0] == "camera"]
    assert max(camera, key=likeness.__getitem__) in shown
    assert min(camera, key=likeness.__getitem__) in shown


def test_the_order_of_choice_is_worst_best_next_worst() -> None:
    assert choose([[1, 2, 3, 4]], 3) == [1, 3, 4]
    assert choose([[1, 2], [3, 4]], 3) == [1, 2, 4]
    assert choose([[], [5]], 9) == [5]


def test_the_page_loads_nothing_and_runs_its_own_code_alone(evaluated: Path) -> None:
    page = write_report(evaluated, clips=0).read_text()
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "url(" not in page
    assert "@import" not in page
    hosts = set(re.findall(r"https?://[^\s\"'`]+", page))
    assert hosts == {"http://www.w3.org/2000/svg"}
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert policy
    assert script
    assert style
    for kind, text in (("script", script[1]), ("style", style[1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]


def test_names_and_errors_cannot_become_markup(make_results: MakeResults) -> None:
    def gone(model: str, place: Any) -> Video:
        raise InputError("</script><script>alert(1)</script>")

    evil = "</script><img src=x onerror=alert(1)>{{script}}<!--"
    data = content(
        make_results(hostile=evil), open_video=gone, find_motion=lambda s, k: None, follow=None
    )
    page = render(f"<b>{evil}", data)
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert page.count("<!--") == 0
    assert data_of(page)["items"][0][1].startswith(evil)
    assert data_of(page)["clips"][0]["videos"]["weak"]["lack"].startswith("</script>")


def test_drawn_and_obtained_paths_are_in_the_pixels_of_the_clip() -> None:
    motion = Motion(canvas=(640, 320), drags=[[(100, 100), (300, 100)]])
    video = Video(np.zeros((5, 320, 640, 3), np.uint8), 8)
    shown = player(video, motion, shifted)
    assert (shown["width"], shown["height"]) == (WIDEST, 160)
    assert shown["drawn"][0][0] == [49.8, 49.8]  # pixel centres are integers
    assert shown["drawn"][0][-1] == [149.8, 49.8]
    assert shown["obtained"][0][-1] == [51.8, 49.8]
    assert len(shown["drawn"][0]) == len(shown["obtained"][0]) == 5


def test_a_camera_path_has_followed_points_and_no_drawn_ones() -> None:
    motion = Motion(canvas=(64, 48), camera=CameraPath.parse("zoom:1.2"))
    shown = player(Video(np.zeros((4, 48, 64, 3), np.uint8), 8), motion, shifted)
    assert shown["drawn"] == []
    assert len(shown["obtained"]) == GRID[0] * GRID[1]
    assert drawn_paths(motion, (64, 48), 4).shape == (4, 0, 2)


def test_what_is_not_known_is_left_out() -> None:
    video = Video(np.zeros((4, 48, 64, 3), np.uint8), 8)
    assert player(video, None, shifted)["drawn"] == []
    motion = Motion(canvas=(64, 48), drags=[[(10, 10), (20, 10)]])
    assert player(video, motion, None)["obtained"] == []


def test_videos_that_were_not_kept_are_said(evaluated: Path, tmp_path: Path) -> None:
    results = Results.load(evaluated)
    open_video = video_opener(evaluated, results)
    assert open_video("weak", ("objects", "objects-1", 0)).size == (64, 48)
    with pytest.raises(InputError, match="was not made, or not kept"):
        open_video("weak", ("objects", "objects-1", 7))
    assert motion_finder(evaluated)("objects", "nothing") is None


def test_a_number_that_is_not_there_is_said(evaluated: Path) -> None:
    with pytest.raises(InputError, match="no number 'x' of single videos to choose clips by"):
        write_report(evaluated, by="x")
    with pytest.raises(InputError, match="There are no results in"):
        write_report(evaluated / "videos")


def test_the_same_folder_gives_the_same_page(evaluated: Path) -> None:
    def page() -> str:
        text = write_report(evaluated, clips=2).read_text()
        # FFmpeg's conversion to YUV is not exact to the last bit, so the clips' bytes may differ.
        return re.sub(r'"data":"[^"]+"', "", text)

    assert page() == page()


def test_modules_become_one_script() -> None:
    folder = files("kinema_apps.report") / "page" / "script"
    there = {each.name.removesuffix(".js") for each in folder.iterdir()}
    assert there == set(SCRIPTS)
    own: list[str] = []
    for place, name in enumerate(SCRIPTS):
        text = (folder / f"{name}.js").read_text(encoding="utf-8")
        imported = set(re.findall(r'^import .* from "\./([\w-]+)\.js";$', text, re.M))
        assert imported <= set(SCRIPTS[:place]), f"{name} imports what comes later"
        assert len(imported) == len(re.findall(r"\bimport\b", text)), f"{name} has another import"
        own += re.findall(r"^(?:export )?(?:async )?(?:function|const|let) (\w+)", text, re.M)
        exported = set(re.findall(r"^export .*?(?:function|const|let) (\w+)", text, re.M))
        for each in re.findall(r'^import \{ (.*) \} from "\./', text, re.M):
            for used in each.split(", "):
                assert re.search(rf"\b{used}\b", text.split(each, 1)[1]), f"{name}: {used} unused"
        assert exported or name == "page"
    assert len(own) == len(set(own)), "names of one scope"
    script = one_script(['import { a } from "./b.js";\nexport const x = a;\n', "const y = 1;\n"])
    assert script == '"use strict";\nconst x = a;\n\nconst y = 1;\n'


def test_papers_stand_beside_what_was_found(evaluated: Path, tmp_path: Path) -> None:
    paper = tmp_path / "paper.json"
    numbers = {"strong": {"likeness": 0.75, "Seconds per video": 17}, "theirs": {"likeness": 0.5}}
    paper.write_text(
        json.dumps(
            {
                "format": "kinema.published/1",
                "source": "A paper, table 9",
                "protocol": "50 items, tracked by CoTracker.",
                "subset": "camera",
                "numbers": numbers,
            }
        )
    )
    times = evaluated / "times" / "strong" / "objects"
    times.mkdir(parents=True)
    (times / "objects-0-seed0.json").write_text('{"video": 3.5}')
    (table,) = data_of(write_report(evaluated, clips=0, published=[paper]).read_text())["published"]
    assert table["source"] == "A paper, table 9"
    cells = {(row["method"], row["metric"]): row for row in table["rows"]}
    assert cells["strong", "likeness"]["published"] == 0.75
    (here,) = cells["strong", "likeness"]["here"]
    assert (here["metric"], here["subset"]) == ("likeness[small]", "camera")
    assert cells["strong", "Seconds per video"]["here"][0]["value"] == 3.5
    assert cells["theirs", "likeness"]["here"] == []
    assert cells["weak", "likeness"]["published"] is None
    assert len(cells["weak", "likeness"]["here"]) == 1
    words = " ".join(table["differs"])
    assert "There: 50 items, tracked by CoTracker." in words
    assert "12 of camera" in words
    assert "likeness[small] stands in for likeness" in words
    assert "strong here: the backbone" in words
    assert data_of(write_report(evaluated, clips=0).read_text())["published"] == []
