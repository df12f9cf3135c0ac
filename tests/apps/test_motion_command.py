import json
from pathlib import Path
from typing import Any

import attrs
import pytest

import kinema as k


@pytest.fixture
def motion(tmp_path: Path) -> k.Motion:
    motion = k.Motion(canvas=(128, 64), drags=[[(20, 20), (30, 30)]], fps=4, duration=2)
    motion.save(tmp_path / "motion.json")
    return motion


def test_check_of_a_good_file(kinema: Any, motion: k.Motion) -> None:
    assert kinema("motion", "check", "motion.json").stdout == "motion.json: no errors.\n"


def test_check_names_warnings_and_errors(kinema: Any, motion: k.Motion) -> None:
    attrs.evolve(motion, drags=[[(20, 20), (500, 30)]]).save("far.json")
    result = kinema("motion", "check", "far.json")
    assert result.stdout.startswith("warning at drags[0]: ")
    assert result.stdout.endswith("far.json: no errors, 2 warnings.\n")
    data = json.loads(Path("motion.json").read_text())
    data["drags"][0]["points"][0] = [999, 20]
    Path("bad.json").write_text(json.dumps(data))
    result = kinema("motion", "check", "bad.json", code=2)
    assert "error at drags[0]: " in result.stdout
    assert result.stderr == "Error: 'bad.json' has 1 error.\n"


def test_check_takes_the_canvas_and_the_photo(kinema: Any, motion: k.Motion, photo: Path) -> None:
    assert "128x64" in kinema("motion", "check", "motion.json", "--canvas", "64x64", code=2).stdout
    kinema("motion", "check", "motion.json", "--photo", str(photo))


def test_convert_there_and_back(kinema: Any, motion: k.Motion) -> None:
    kinema("motion", "convert", "motion.json", "tracks.json", "--to", "comfyui-tracks")
    result = kinema("motion", "convert", "tracks.json", "back.json", "--size", "128x64")
    assert result.stdout == "Wrote back.json.\n"
    back = k.Motion.load("back.json")
    assert back.canvas == (128, 64)
    assert back.tracks is not None
    assert len(back.tracks.points) == motion.frames


def test_convert_refuses_what_would_be_lost(kinema: Any, motion: k.Motion) -> None:
    region = k.Region(polygon=[(1, 1), (9, 1), (9, 9)])
    attrs.evolve(motion, regions=[region]).save("region.json")
    words = ("motion", "convert", "region.json", "a.json", "--to", "comfyui-tracks")
    assert "this Motion would lose" in kinema(*words, code=2).stderr
    assert not Path("a.json").exists()
    kinema(*words, "--lossy")


def test_convert_to_an_unknown_form_lists_the_forms(kinema: Any, motion: k.Motion) -> None:
    error = kinema("motion", "convert", "motion.json", "a", "--to", "atti", code=2).stderr
    assert "Unknown motion format 'atti'. Did you mean 'ati'? Choose one of: motion, " in error


def test_schema_prints_the_published_schema(kinema: Any, motion: k.Motion) -> None:
    import jsonschema

    schema = json.loads(kinema("motion", "schema").stdout)
    jsonschema.validate(json.loads(Path("motion.json").read_text()), schema)
