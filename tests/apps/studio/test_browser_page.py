"""Rendering, files and annotation, as a person does it in a browser."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kinema.media.manifest import Manifest
from kinema.media.video import manifest_path
from kinema.motion.motion import Motion
from kinema_apps.cli import cli
from kinema_apps.service.testing import Running
from kinema_apps.studio.annotation import Annotation

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

Studio = Callable[..., Running]

#: (width, height) of the photo, and the middle of the red thing on it.
SIZE, MIDDLE = (192, 120), (85, 62)


def test_rendering_cancelling_and_running_again(
    studio: Studio, person: Callable[..., Any], photo_file: Path
) -> None:
    from kinema_apps.service.testing import ScriptedEngine

    engine = ScriptedEngine(by_itself=False)
    running = studio(engine)
    hand = person(f"{running.url}/studio/")
    hand.open(photo_file)
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    render = hand.page.get_by_role("button", name="Render")
    render.first.click()
    hand.page.locator(".render").get_by_role("button", name="Render", exact=True).click()
    task = engine.wait_for(1)
    cards = hand.page.locator(".card")
    cards.first.get_by_role("button", name="Cancel").click()
    hand.page.wait_for_timeout(200)
    engine.say("w0", "cancelled")
    cards.first.get_by_text("cancelled").first.wait_for()
    cards.first.get_by_role("button", name="Rerun").click()
    again = engine.wait_for(2)
    assert again.job != task.job
    engine.say("w0", "progress", step=1, steps=2)
    cards.first.get_by_role("progressbar").wait_for()
    engine.succeed("w0")
    cards.first.get_by_text("succeeded").wait_for()
    requests = [running.client.status(job).id for job in (task.job, again.job)]
    assert len(set(requests)) == 2
    cards.first.get_by_role("button", name="Command").click()
    command = hand.page.locator("dialog pre").inner_text()
    assert command.startswith("kinema animate photo.png")
    hand.page.get_by_role("button", name="Close").click()
    # Two that are done are seen side by side.
    cards.first.get_by_role("button", name="Rerun").click()
    engine.wait_for(3)
    cards.nth(2).wait_for()
    engine.succeed("w0")
    boxes = hand.page.get_by_role("checkbox", name="compare")
    boxes.nth(1).wait_for()
    for box in boxes.all():
        box.check()
    hand.page.get_by_role("button", name="Compare 2").click()
    assert hand.page.get_by_role("dialog", name="Side by side").locator("figure video").count() == 2
    hand.page.get_by_role("button", name="Close").click()
    cards.first.get_by_role("button", name="Edit").click()
    hand.page.wait_for_function(
        "document.querySelector('kinema-editor').state.motion.drags.length === 1"
    )


def test_rough_pictures_of_the_steps_are_shown_until_the_video_is_there(
    studio: Studio, person: Callable[..., Any], photo_file: Path
) -> None:
    from kinema_apps.service.testing import ScriptedEngine

    engine = ScriptedEngine(by_itself=False)
    hand = person(f"{studio(engine).url}/studio/")
    hand.open(photo_file)
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    hand.page.get_by_role("button", name="Render").first.click()
    hand.page.locator(".render").get_by_role("button", name="Render", exact=True).click()
    folder = Path(engine.wait_for(1).folder)
    rough = hand.page.get_by_alt_text("Rough picture of the unfinished video")
    for step, width in ((1, 24), (2, 48)):
        name = f"step-{step:04d}.webp"
        Image.new("RGB", (width, 15), (200, 60, 40)).save(folder / name)
        engine.say("w0", "progress", step=step, steps=3)
        engine.say("w0", "picture", step=step, steps=3, name=name)
        hand.page.wait_for_function(
            "(width) => document.querySelector('.card img')?.naturalWidth === width", arg=width
        )
    progress = hand.page.get_by_role("progressbar", name="Progress")
    assert (progress.get_attribute("value"), progress.get_attribute("max")) == ("2", "3")
    engine.succeed("w0")
    hand.page.locator(".card video").wait_for()
    assert rough.count() == 0


def test_what_is_copied_makes_the_very_same_video(
    studio: Studio,
    person: Callable[..., Any],
    photo_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kinema_apps.service.local_engine import LocalEngine

    hand = person(f"{studio(LocalEngine()).url}/studio/")
    hand.open(photo_file)
    hand.brush()
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    hand.page.get_by_role("navigation").get_by_role("button", name="Render").click()
    form = hand.page.locator(".render")
    form.get_by_label("Backbone").select_option("preview")
    form.get_by_label("Seed").fill("7")
    form.get_by_label("Frames", exact=True).fill("5")
    form.get_by_text("Options of preview").click()
    form.get_by_label("attached").select_option("never")
    form.get_by_text("webp").click()
    form.get_by_role("button", name="Render", exact=True).click()
    card = hand.page.locator(".card")
    card.get_by_text("succeeded").wait_for(timeout=120_000)
    for form in ("MP4", "WEBP"):
        with hand.page.expect_download() as saved:
            card.get_by_role("button", name=f"Download {form}").click()
        assert Path(saved.value.path()).stat().st_size > 500
    texts = []
    for name in ("Command", "Python"):
        card.get_by_role("button", name=name).click()
        texts.append(hand.page.locator("dialog pre").inner_text())
        for file in ("photo.png", "motion.json"):
            with hand.page.expect_download() as saved:
                hand.page.get_by_role("button", name=f"Save {file}").click()
            saved.value.save_as(tmp_path / file)
        hand.page.get_by_role("button", name="Close").click()
    (made,) = hand.page.evaluate("fetch('/v1/jobs').then((answer) => answer.json())")["jobs"]
    hashes = []
    monkeypatch.chdir(tmp_path)
    words = shlex.split(texts[0].replace("\\\n", " "))
    assert words[:2] == ["kinema", "animate"]
    assert CliRunner().invoke(cli, words[1:], catch_exceptions=False).exit_code == 0
    hashes.append(Manifest.load(manifest_path("video.mp4")).frames_sha256)
    Path("video.mp4").unlink()
    exec(compile(texts[1], "copied", "exec"), {})
    hashes.append(Manifest.load(manifest_path("video.mp4")).frames_sha256)
    assert hashes == [made["result"]["frames_sha256"]] * 2


def test_three_photos_are_annotated(
    studio: Studio, person: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    running = studio(annotation=Annotation(folder, tmp_path / "items"))
    hand = person(f"{running.url}/studio/")
    for name in ("a.png", "b.jpg", "c.png"):
        hand.page.wait_for_function(
            "(name) => window.kinema?.editor.state.photo?.name === name", arg=name
        )
        hand.page.wait_for_function("window.kinema.editor.state.motion.drags.length === 0")
        hand.brush()
        hand.tool("drag")
        hand.pull(MIDDLE, (110, 60))
        hand.page.get_by_role("button", name="Save and next").click()
        hand.page.get_by_text(f"Saved Fine_grained_control/{Path(name).stem}").wait_for()
    items = sorted(path.name for path in (tmp_path / "items" / "Fine_grained_control").iterdir())
    assert items == ["a", "b", "c"]
    points = json.loads((tmp_path / "items/Fine_grained_control/a/meta_data.json").read_text())[
        "traj_key_points"
    ]
    assert np.allclose(points[0][0], MIDDLE, atol=1.5)


def test_the_page_works_under_its_own_policy(
    studio: Studio, look: Callable[..., Any], photo_file: Path
) -> None:
    page = look(f"{studio().url}/studio/", bypass_csp=False)
    editor = page.locator("kinema-editor")
    with page.expect_file_chooser() as chosen:
        editor.get_by_role("button", name="Choose a photo").click()
    chosen.value.set_files(photo_file)
    editor.get_by_role("button", name="Use it").click()
    editor.get_by_role("button", name="Pin").click()
    editor.locator(".stage canvas").click()
    editor.get_by_role("button", name="Choose pin 1").first.wait_for()
    # The marks of the timeline stand where they should: their style is not refused.
    editor.get_by_role("button", name="Drag (D)").click()
    box = editor.locator(".stage canvas").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 380, box["y"] + 220, steps=5)
    page.mouse.up()
    marks = editor.locator(".knot")
    marks.nth(1).wait_for()
    left, right = (marks.nth(k).bounding_box()["x"] for k in (0, 1))
    assert right > left + 100


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    studio: Studio,
    person: Callable[..., Any],
    photo_file: Path,
    width: int,
    height: int,
    scheme: str,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    hand = person(f"{studio().url}/studio/", width, height, color_scheme=scheme)
    page = hand.page
    for view in ("Draw", "Render", "Gallery"):
        page.get_by_role("navigation").get_by_role("button", name=view).click()
        if view == "Draw":
            hand.open(photo_file)
            hand.brush()
            hand.tool("drag")
            hand.pull(MIDDLE, (110, 60))
        found = axe.run(page).response["violations"]
        serious = [
            (each["id"], each["nodes"][0]["html"][:120], each["nodes"][0]["failureSummary"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert not serious, serious


def test_the_element_works_in_a_foreign_page_without_a_server(
    person: Callable[..., Any], photo_file: Path, tmp_path: Path
) -> None:
    """Files of the package alone, served by nobody that knows kinema."""
    import http.server
    import shutil
    import threading
    from functools import partial

    from kinema_apps.studio import EDITOR

    shutil.copytree(EDITOR, tmp_path / "site" / "editor")
    (tmp_path / "site" / "index.html").write_text(
        "<!doctype html><html lang=en><title>t</title><link rel=icon href=data:,>"
        "<kinema-editor style='height:90vh'></kinema-editor>"
        "<script type=module src=editor/kinema-editor.js></script>"
        "<script type=module>window.told = []; document.querySelector('kinema-editor')"
        ".addEventListener('kinema-motion', (e) => window.told.push(e.detail));</script></html>"
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "site")
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        hand = person(f"http://127.0.0.1:{server.server_port}/index.html")
        hand.open(photo_file)
        hand.tool("drag")
        hand.pull(MIDDLE, (110, 60))
        hand.page.wait_for_function("window.told.some((motion) => motion.drags.length)")
        told = hand.page.evaluate("window.told.at(-1)")
        assert Motion.from_dict(told).drags[0].points[0] == pytest.approx(MIDDLE, abs=1)
    finally:
        server.shutdown()
        server.server_close()


def test_the_motion_of_a_video_is_shown_and_edited(
    studio: Studio, person: Callable[..., Any], clip: Path
) -> None:
    hand = person(f"{studio().url}/studio/")
    # No photo is open, so the first frame of the video becomes it.
    with hand.page.expect_file_chooser() as chosen:
        hand.page.get_by_role("button", name="Observe a video").click()
    hand.wait_for_preview(lambda: chosen.value.set_files(clip))
    tracks = hand.motion().tracks
    assert tracks is not None
    all_of_them = len(tracks.points[0])
    hand.editor.get_by_role("button", name="Keep what moves").click()
    tracks = hand.motion().tracks
    assert tracks is not None
    assert 4 <= len(tracks.points[0]) < all_of_them / 3
    hand.editor.get_by_role("button", name="Edit as drags").click()
    motion = hand.motion()
    assert motion.tracks is None
    ways = [np.subtract(drag.points[-1], drag.points[0]) for drag in motion.drags]
    assert np.median(ways, axis=0) == pytest.approx((16, 0), abs=1.5)
    canvas = hand.editor.locator(".stage canvas")
    for _ in range(2):
        canvas.press("Control+z")
    again = hand.motion().tracks
    assert again is not None
    assert len(again.points[0]) == all_of_them


def test_a_camera_path_of_a_file_comes_beside_what_is_drawn(
    hand: Any, tmp_path: Path, refused: list[str]
) -> None:
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    poses = np.tile(np.eye(3, 4), (9, 1, 1))
    poses[:, 0, 3] = np.linspace(0, -0.2, 9)
    np.save(tmp_path / "poses.npy", poses)
    with hand.page.expect_file_chooser() as chosen:
        hand.page.get_by_role("button", name="Open motion").click()
    chosen.value.set_files(tmp_path / "poses.npy")
    # Matrices do not say which way they go, so a person is asked.
    what = hand.page.get_by_role("dialog", name="What is this file?")
    what.get_by_label("Form").select_option("poses-w2c")

    def read() -> None:
        what.get_by_role("button", name="Read it").click()
        # Before this is seen, the preview that comes may still be the one of the drag.
        hand.editor.get_by_text("A path of 9 poses.").wait_for()

    hand.wait_for_preview(read)
    assert len(refused) == 1
    refused.clear()
    motion = hand.motion()
    assert len(motion.drags) == 1
    assert motion.camera is not None
    assert np.shape(motion.camera.world_to_camera)[0] == 9
    hand.editor.locator(".stage canvas").press("Control+z")
    assert hand.motion().camera is None
