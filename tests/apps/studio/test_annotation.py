"""Photos to annotate, and the items that are made of them."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.errors import InputError
from kinema.formats import read_motion
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema_apps.studio.annotation import Annotation

MOTION = Motion(
    canvas=(192, 120),
    drags=[Drag([(80, 60), (110, 50)]), Drag([(10, 10)])],
    regions=[Region.from_array(np.eye(120, 192, dtype=bool))],
)


def test_photos_are_given_in_order_and_are_done_once_saved(
    folder: Path, tmp_path: Path, png: bytes
) -> None:
    annotation = Annotation(folder, tmp_path / "items")
    assert annotation.next("ann") == "a.png"
    assert annotation.save("a.png", "object_control", png, MOTION) == "object_control/a"
    assert annotation.next("ann") == "b.jpg"
    assert [photo.items for photo in annotation.photos()] == [("object_control/a",), (), ()]
    # Another server goes on where this one ended.
    assert Annotation(folder, tmp_path / "items").next("bob") == "b.jpg"


def test_an_item_is_read_as_mc_bench(folder: Path, tmp_path: Path, png: bytes) -> None:
    annotation = Annotation(folder, tmp_path / "items")
    item = tmp_path / "items" / annotation.save("a.png", "Fine_grained_control", png, MOTION)
    names = {path.name for path in item.iterdir()}
    assert {"first_frame.png", "first_frame_mask.png", "user_drag.png", "meta_data.json"} <= names
    read = read_motion(item)
    assert read.canvas == MOTION.canvas
    assert np.allclose(read.drags[0].path(16), MOTION.drags[0].path(16))
    mask = read.regions[0].rasterize(read.canvas)
    assert np.array_equal(mask, MOTION.regions[0].rasterize(MOTION.canvas))
    assert Motion.from_dict(json.loads((item / "motion.json").read_text())) == MOTION


def test_two_annotators_get_different_photos_and_lose_nothing(
    folder: Path, tmp_path: Path, png: bytes
) -> None:
    annotation = Annotation(folder, tmp_path / "items")
    assert annotation.next("ann") != annotation.next("bob")
    assert annotation.next("cid") == "c.png"
    assert annotation.next("dan") is None
    with ThreadPoolExecutor(8) as pool:
        saved = list(
            pool.map(lambda _: annotation.save("a.png", "object_control", png, MOTION), range(16))
        )
    assert len(set(saved)) == 16
    assert len(annotation.photos()[0].items) == 16


def test_skipping_goes_on_behind_the_photo(folder: Path, tmp_path: Path) -> None:
    annotation = Annotation(folder, tmp_path / "items")
    assert annotation.next("ann", skip="b.jpg") == "c.png"
    assert annotation.next("ann", skip="c.png") == "a.png"


def test_a_save_that_breaks_leaves_nothing_behind(
    folder: Path, tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotation = Annotation(folder, tmp_path / "items")
    monkeypatch.setattr("kinema_apps.studio.annotation.drawn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        annotation.save("a.png", "object_control", png, MOTION)
    assert not list((tmp_path / "items" / "object_control").iterdir())


def test_what_a_killed_server_left_is_swept(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "items" / "object_control" / ".part-dead"
    part.mkdir(parents=True)
    Annotation(folder, tmp_path / "items")
    assert not part.exists()


def test_bad_input_is_refused_by_name(folder: Path, tmp_path: Path, png: bytes) -> None:
    with pytest.raises(InputError, match="no folder"):
        Annotation(tmp_path / "none", tmp_path / "items")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no photo"):
        Annotation(tmp_path / "empty", tmp_path / "items")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Annotation(folder, tmp_path / "file")
    annotation = Annotation(folder, tmp_path / "items")
    for photo in ("../a.png", "notes.txt", "/etc/passwd"):
        with pytest.raises(InputError, match="There is no photo"):
            annotation.path(photo)
    with pytest.raises(InputError, match="Unknown group"):
        annotation.save("a.png", "../x", png, MOTION)
    with pytest.raises(InputError, match="at least one drag"):
        annotation.save("a.png", "object_control", png, Motion(canvas=(192, 120)))
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, "PNG")
    with pytest.raises(InputError, match="8x8"):
        annotation.save("a.png", "object_control", small.getvalue(), MOTION)
