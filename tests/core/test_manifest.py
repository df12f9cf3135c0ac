"""Manifests: records that are values, of every file that was read, old ones included."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import kinema
from kinema.errors import InputError, PluginError
from kinema.interfaces import DepthMap
from kinema.media.manifest import Manifest
from kinema.offers import (
    BackboneOffer,
    ConditionOffer,
    ControllerOffer,
    DepthEstimatorOffer,
    Input,
)
from kinema.plugins import Plugins
from kinema.session.replay import differences
from kinema.testing import ToyBackbone, toy_plugin
from kinema.testing.toys import ToyBackboneConfig, ToyShift

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])
FEW = {"steps": 2}

Pixels = NDArray[np.uint8]


def record_of(video: kinema.Video) -> Any:
    assert video.manifest is not None
    return video.manifest


# -- records are values ---------------------------------------------------------------------------


class Wall:
    def estimate(self, image: torch.Tensor, fit: Any) -> DepthMap:
        return DepthMap(depth=torch.ones(image.shape[1:]), metric=False, source="a wall")


class AsksForDepth(ToyShift):
    """Looks at the depth of photos whose drags go down."""

    def from_motion(self, motion: Any, scene: Any) -> Any:
        if motion.drags[0].points[-1][1] > motion.drags[0].points[0][1]:
            scene.depth()
        return super().from_motion(motion, scene)


def test_a_later_video_does_not_change_the_record_of_an_earlier_one(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    offering(
        "depths",
        DepthEstimatorOffer(name="wall", summary="A wall.", factory=lambda _: Wall(), default=True),
        ConditionOffer(name="asks", summary="Asks.", factory=lambda _: AsksForDepth()),
    )
    down = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (40, 50)])])
    with kinema.Session("toy", controller="toy-latent", conditions=["asks"], sample=FEW) as session:
        first = record_of(session.animate(photo, MOTION, frames=2))
        before = first.to_json()
        second = record_of(session.animate(photo, down, frames=2))
        third = record_of(session.animate(photo, MOTION, frames=2))
    assert "depth estimator" not in first.offers
    assert [each["name"] for each in second.offers["depth estimator"]] == ["wall"]
    assert first.to_json() == before
    # Nor does what a caller does to a record reach the session, or another record.
    second.offers["backbone"][0]["config"]["seed"] = 9
    second.offers["depth estimator"].clear()
    assert third.offers["backbone"][0]["config"]["seed"] == 0
    assert len(third.offers["depth estimator"]) == 1


class Deciding(ToyBackbone):
    """Decides more with every video."""

    def __init__(self) -> None:
        super().__init__()
        self.decided: dict[str, Any] = {"kernels": {}}

    def choices(self, embeddings: Any) -> Any:
        self.decided["kernels"][str(len(self.decided["kernels"]))] = "fast"
        return self.decided


def test_what_was_decided_at_run_time_is_recorded_as_it_was(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    [toy] = toy_plugin.kinema_backbones()
    offering("deciding", attrs.evolve(toy, name="deciding", factory=lambda _: Deciding()))
    with kinema.Session("deciding", sample=FEW) as session:
        first, second = (record_of(session.animate(photo, MOTION, frames=2)) for _ in range(2))
    assert first.choices["kernels"] == {"0": "fast"}
    assert second.choices["kernels"] == {"0": "fast", "1": "fast"}


# -- the first form -------------------------------------------------------------------------------


def first_form(video: kinema.Video, **changes: Any) -> dict[str, Any]:
    """The record of a video as the first version wrote it."""
    record = json.loads(record_of(video).to_json())
    for name in ("prompt", "negative_prompt", "last_image", "references"):
        del record[name]
    del record["offers"]["solver"]
    sample = {
        "steps": 2, "sampler": "euler", "sigma_max": 700.0, "sigma_min": 0.002, "rho": 7.0,
        "guidance_min": 1.0, "guidance_max": 2.5, "guidance_start": 0.0, "guidance_stop": 1.0,
        "motion_guidance": 1.0,
    }  # fmt: skip
    return {**record, "format": "kinema.manifest/1", "sample": sample, **changes}


def test_a_manifest_of_the_first_form_is_read_and_made_again(
    toys: Plugins, photo: Pixels, tmp_path: Path
) -> None:
    video = kinema.animate(photo, MOTION, "toy", controller="toy-latent", sample=FEW, seed=4)
    path = tmp_path / "old.manifest.json"
    path.write_text(json.dumps(first_form(video, frames_sha256="0" * 64)))
    old = Manifest.load(path)
    assert (old.format, old.prompt, old.references, old.seed) == ("kinema.manifest/1", "", (), 4)
    again = kinema.rerun(path, photo=photo)
    assert np.array_equal(again.frames, video.frames)
    assert record_of(again).format == "kinema.manifest/2"
    assert differences(old, record_of(again))[:2] == [
        "the frames differ",
        "the draw of random numbers has changed: kinema.manifest/1 then, kinema.manifest/2 now, "
        "so a seed means other noise",
    ]
    # It stays what it was when it is written again.
    assert Manifest.load(old.save(tmp_path / "copy.json")) == old


def test_the_sampler_of_the_first_form_is_the_solver(
    toys: Plugins, photo: Pixels, tmp_path: Path
) -> None:
    heun = kinema.animate(photo, MOTION, "toy", sample={**FEW, "solver": "heun"})
    record = first_form(heun)
    record["sample"]["sampler"] = "heun"
    path = tmp_path / "old.manifest.json"
    path.write_text(json.dumps(record))
    again = record_of(kinema.rerun(path, photo=photo))
    assert again.sample == {"steps": 2, "solver": "heun", "motion_guidance": 1.0}
    assert [each["name"] for each in again.offers["solver"]] == ["heun"]


def test_equal_frames_of_both_forms_are_no_difference(
    toys: Plugins, photo: Pixels, tmp_path: Path
) -> None:
    video = kinema.animate(photo, MOTION, "toy", sample=FEW)
    path = tmp_path / "old.manifest.json"
    path.write_text(json.dumps(first_form(video)))
    assert differences(Manifest.load(path), record_of(video)) == []


# -- what it remembers of a job -------------------------------------------------------------------


class Reading(ToyBackbone):
    """Adds up all that it is told."""

    def embed(self, request: Any) -> Any:
        image = request.image
        if request.last_image is not None:
            image = image + 0.1 * request.last_image
        for picture in request.references:
            image = image + 0.1 * picture
        texts = [*request.prompts, *(text or "" for text in request.negative_prompts)]
        image = image + 0.01 * sum(map(len, texts))
        return super().embed(attrs.evolve(request, image=image))


@pytest.fixture
def reading(offering: Any) -> str:
    [toy] = toy_plugin.kinema_backbones()
    reads: tuple[Input, ...] = ("prompt", "negative-prompt", "last-image", "references")
    offering("read", attrs.evolve(toy, name="reading", factory=lambda _: Reading(), reads=reads))
    return "reading"


def test_texts_and_pictures_are_recorded_and_told_again(
    reading: str, photo: Pixels, tmp_path: Path
) -> None:
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.roll(photo, 7 * number, axis=1)).save(paths[-1])
    first, last, reference = paths
    video = kinema.animate(
        first, MOTION, reading, sample=FEW, prompt="a dog runs", negative_prompt="blur",
        last_image=last, references=[reference],
    )  # fmt: skip
    record = record_of(video)
    assert (record.prompt, record.negative_prompt) == ("a dog runs", "blur")
    assert record.last_image == {"path": str(last), "sha256": digest(last)}
    assert record.references == ({"path": str(reference), "sha256": digest(reference)},)
    plain = kinema.animate(first, MOTION, reading, sample=FEW)
    assert not np.array_equal(plain.frames, video.frames)
    path = record.save(tmp_path / "m.json")
    assert np.array_equal(kinema.rerun(path).frames, video.frames)
    Image.fromarray(photo).save(reference)
    with pytest.raises(InputError, match=r"^The reference .*2\.png is not the one of the manifest"):
        kinema.rerun(path)
    last.unlink()
    with pytest.raises(InputError, match=r"^The manifest's last image .*1\.png is not there; pass"):
        kinema.rerun(path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- the files that were read ---------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class TableConfig:
    """Options of a third party's condition."""

    table: str = ""
    """A file of numbers."""
    title: str = "table.txt"
    """A text that is no file."""


class Table(ToyShift):
    """Shifts by what its file says."""

    def __init__(self, config: TableConfig) -> None:
        self.factor = float(Path(config.table).read_text())

    def from_motion(self, motion: Any, scene: Any) -> Any:
        signal = super().from_motion(motion, scene)
        return attrs.evolve(signal, maps=signal.dense() * self.factor)


@pytest.fixture
def table(offering: Any) -> str:
    offering(
        "tables",
        ConditionOffer(
            name="table",
            summary="By a file.",
            config=TableConfig,
            factory=Table,
            files=lambda config: [Path(config.table)],
        ),
    )
    return "table"


def test_a_third_partys_files_are_hashed_and_absolute(
    table: str, photo: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.txt"
    file.write_text("1.5")
    monkeypatch.chdir(tmp_path)
    video = kinema.animate(
        photo, MOTION, "toy", controller="toy-latent", conditions=[table], sample=FEW,
        condition_options={table: {"table": "table.txt", "title": "other.txt"}},
    )  # fmt: skip
    record = record_of(video)
    assert record.files == {str(file): digest(file)}
    [condition] = record.offers["control condition"]
    assert condition["config"] == {"table": str(file), "title": "other.txt"}
    assert (condition["distribution"], condition["version"]) == ("kinema-tables", "1.2")
    # It is made again from anywhere, as long as the file is the same.
    monkeypatch.chdir("/")
    assert np.array_equal(kinema.rerun(record, photo=photo).frames, video.frames)
    file.write_text("2.5")
    with pytest.raises(
        InputError, match=r"^The file '.*table\.txt' has changed since the manifest"
    ):
        kinema.rerun(record, photo=photo)


def test_a_file_that_changed_is_hashed_again(table: str, photo: Pixels, tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    digests = []
    for text in ("1.5", "-2.5"):
        file.write_text(text)
        video = kinema.animate(
            photo, MOTION, "toy", controller="toy-latent", conditions=[table], sample=FEW,
            condition_options={table: {"table": str(file)}}, frames=2,
        )  # fmt: skip
        digests.append(record_of(video).files[str(file)])
    assert len(set(digests)) == 2


@attrs.frozen(kw_only=True)
class FolderConfig(ToyBackboneConfig):
    """Options of a backbone with a folder of weights."""

    weights: str = ""
    """That folder."""


def test_weights_are_those_that_were_read(
    toys: Plugins, offering: Any, photo: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w").mkdir()
    weights = tmp_path / "w" / "net.safetensors"
    weights.write_bytes(b"weights")
    (tmp_path / "w" / "notes.txt").write_text("not read")
    offering(
        "weights",
        BackboneOffer(
            name="weighty",
            summary="Reads a folder.",
            config=FolderConfig,
            factory=lambda config: ToyBackbone(),
            files=lambda config: [Path(config.weights) / "net.safetensors"],
        ),
    )
    monkeypatch.chdir(tmp_path)
    with kinema.Session("weighty", weights="w", sample=FEW) as session:
        monkeypatch.chdir("/")
        record = record_of(session.animate(photo, MOTION))
    assert record.files == {str(weights): digest(weights)}
    assert record.offers["backbone"][0]["config"]["weights"] == str(tmp_path / "w")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (KeyError("weights"), r" failed in files\(\): KeyError: 'weights'\. Please report it to"),
        (
            Path("gone.bin"),
            r" says that it reads '.*gone\.bin', which is no file\. Please report it",
        ),
    ],
)
def test_a_plugin_that_cannot_name_its_files_is_blamed_before_any_work(
    toys: Plugins, offering: Any, said: Any, message: str
) -> None:
    def files(config: Any) -> list[Path]:
        if isinstance(said, Path):
            return [said]
        raise said

    [noise] = [each for each in toy_plugin.kinema_controllers() if each.name == "toy-noise"]
    offer: ControllerOffer = attrs.evolve(noise, name="lost", files=files)
    offering("lost", offer)
    with pytest.raises(PluginError, match=r"^The controller 'lost' of kinema-lost 1\.2" + message):
        kinema.Session("toy", controller="lost")
