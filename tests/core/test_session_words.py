"""What a session says: of what nothing reads, and of everything a caller can get wrong."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import kinema
from kinema.errors import InputError
from kinema.interfaces import Request, Term
from kinema.offers import BackboneOffer, Input
from kinema.plugins import Plugins
from kinema.session.job import Job
from kinema.testing import ToyBackbone, toy_plugin

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])
STILL = kinema.Motion(canvas=(96, 64))
FEW = {"steps": 1}

Pixels = NDArray[np.uint8]


def notes_of(photo: Pixels, motion: kinema.Motion = MOTION, **more: Any) -> tuple[str, ...]:
    video = kinema.animate(photo, motion, backbone="toy", frames=2, sample=FEW, **more)
    assert video.manifest is not None
    return video.manifest.notes


# -- what nothing reads ---------------------------------------------------------------------------


def test_a_motion_that_nothing_reads_is_noted(toys: Plugins, photo: Pixels) -> None:
    assert notes_of(photo, controller="") == (
        "nothing reads the motion: the backbone 'toy' reads none by itself, and no controller is "
        "named",
    )
    assert notes_of(photo, STILL, controller="") == ()
    assert notes_of(photo, controller="toy-noise") == ()


def test_a_motion_that_the_backbone_reads_itself_is_not_noted(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    [toy] = toy_plugin.kinema_backbones()
    offering("own", attrs.evolve(toy, name="own", conditions=("toy-shift",)))
    video = kinema.animate(photo, MOTION, "own", frames=2, sample=FEW)
    assert video.manifest is not None
    assert video.manifest.notes == ()


def test_texts_that_nothing_reads_are_noted(toys: Plugins, photo: Pixels) -> None:
    assert notes_of(photo, STILL, prompt="a dog", negative_prompt="blur") == (
        "the backbone 'toy' reads no prompt, so that text is left aside",
        "the backbone 'toy' reads no negative prompt, so that text is left aside",
    )
    assert notes_of(photo, STILL, prompt="", negative_prompt=None) == ()


@pytest.mark.parametrize(
    ("what", "words"), [("last_image", "last image"), ("references", "references")]
)
def test_pictures_that_nothing_reads_are_refused(
    toys: Plugins, photo: Pixels, what: str, words: str
) -> None:
    given = {"last_image": photo, "references": [photo]}[what]
    with pytest.raises(
        InputError,
        match=rf"^The backbone 'toy' reads no {words}; leave it out, or choose another backbone\.$",
    ):
        notes_of(photo, STILL, **{what: given})


class Reading(ToyBackbone):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []

    def embed(self, request: Request) -> Mapping[Term, Any]:
        self.asked.append(request)
        return super().embed(request)


def test_a_backbone_that_reads_them_is_given_them_on_its_canvas(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    [toy] = toy_plugin.kinema_backbones()
    reads: tuple[Input, ...] = ("prompt", "negative-prompt", "last-image", "references")
    offering("read", attrs.evolve(toy, name="read", factory=lambda _: Reading(), reads=reads))
    wide = np.repeat(photo, 2, axis=1)
    with kinema.Session("read", sample=FEW) as session:
        backbone: Any = session.backbone
        session.animate(photo, STILL, frames=2)
        video = session.animate(
            photo, STILL, frames=2, size=(48, 32), prompt="a dog", negative_prompt="blur",
            last_image=photo[::-1], references=[wide, photo],
        )  # fmt: skip
    assert video.manifest is not None
    assert video.manifest.notes == ()
    plain, told = backbone.asked
    assert (plain.prompts, plain.negative_prompts, plain.references) == ((), (), [])
    assert plain.last_image is None
    assert (told.prompts, told.negative_prompts) == (["a dog"], ["blur"])
    assert told.last_image.shape == told.image.shape == (1, 3, 32, 48)
    assert [tuple(each.shape) for each in told.references] == [(1, 3, 32, 48)] * 2
    assert torch.allclose(told.last_image.flip(2), told.image, atol=0.01)


# -- what a caller can get wrong ------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "motion dict": (
        {"motion": {"canvas": [96, 64]}},
        r"^A motion must be a kinema\.Motion, got dict\. Read a document with "
        r"kinema\.Motion\.from_dict\.$",
    ),
    "motion path": (
        {"motion": Path("m.json")},
        r"^A motion must be a kinema\.Motion, got \w+Path\. Read a motion file with "
        r"kinema\.Motion\.load, or kinema\.formats\.read_motion\.$",
    ),
    "motion text": ({"motion": "m.json"}, r"got str\. Read a motion file with"),
    "motion none": ({"motion": None}, r"^A motion must be a kinema\.Motion, got NoneType\.$"),
    "frames float": ({"frames": 8.0}, r"^frames must be a whole number, got 8\.0\.$"),
    "frames text": ({"frames": "8"}, r"^frames must be a whole number, got '8'\.$"),
    "frames bool": ({"frames": True}, r"^frames must be a whole number, got True\.$"),
    "frames negative": ({"frames": -3}, r"^frames must be at least 2, got -3\.$"),
    "fps text": ({"fps": "8"}, r"^fps must be a positive number, got '8'\.$"),
    "fps bool": ({"fps": True}, r"^fps must be a positive number, got True\.$"),
    "fps nan": ({"fps": float("nan")}, r"^fps must be a positive number, got nan\.$"),
    "seed float": ({"seed": 1.5}, r"^A seed must be a whole number from -\d+ to \d+, got 1\.5\.$"),
    "seed text": ({"seed": "1"}, r"^A seed must be a whole number from .* got '1'\.$"),
    "seed bool": ({"seed": False}, r"^A seed must be a whole number from .* got False\.$"),
    "seed none": ({"seed": None}, r"^A seed must be a whole number from .* got None\.$"),
    "size": ({"size": 96}, r"^The size must be \(width, height\) or 'WxH', got 96\.$"),
    "prompt": ({"prompt": None}, r"^A prompt must be a text, got None\.$"),
    "prompts": ({"prompt": ["a"]}, r"^A prompt must be a text, got \['a'\]\.$"),
    "negative": ({"negative_prompt": 3}, r"^A negative prompt must be a text, got 3\.$"),
    "photo none": ({"photo": None}, r"^A photo must be a path, bytes, .*, got NoneType\.$"),
    "photo dict": ({"photo": {}}, r"^A photo must be a path, bytes, .*, got dict\.$"),
    "photo gone": ({"photo": "gone.png"}, r"^The photo 'gone\.png' does not exist\.$"),
    "last image": ({"last_image": 3}, r"^A photo must be a path, bytes, .*, got int\.$"),
    "reference": ({"references": "a.png"}, r"^References are a list of photos, got str\.$"),
    "references": ({"references": [None]}, r"^A photo must be a path, .*, got NoneType\.$"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_caller_gets_wrong_is_an_input_error(
    toys: Plugins, photo: Pixels, case: str
) -> None:
    wrong, message = WRONG[case]
    given: dict[str, Any] = {"photo": photo, "motion": MOTION, **wrong}
    with (
        kinema.Session("toy", sample=FEW) as session,
        pytest.raises(InputError, match=message),
    ):
        session.animate(given.pop("photo"), given.pop("motion"), **given)


@pytest.mark.parametrize("case", [name for name in WRONG if name != "size"])
def test_a_job_is_refused_when_it_is_made(photo: Pixels, case: str) -> None:
    wrong, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        Job(**{"photo": photo, "motion": MOTION, **wrong})


def test_whole_numbers_of_numpy_and_torch_are_whole_numbers(toys: Plugins, photo: Pixels) -> None:
    given: dict[str, Any] = {"frames": np.int64(3), "fps": np.float32(4), "seed": np.int32(5)}
    with kinema.Session("toy", sample=FEW) as session:
        video = session.animate(photo, STILL, **given)
        plain = session.animate(photo, STILL, frames=3, fps=4, seed=5)
    assert np.array_equal(video.frames, plain.frames)
    assert video.manifest is not None
    assert plain.manifest is not None
    assert video.manifest.to_json() == plain.manifest.to_json()


# -- photos in memory -----------------------------------------------------------------------------


def png(photo: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return file.getvalue()


def test_bytes_and_open_files_are_photos(toys: Plugins, photo: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(photo))
    content = png(photo)

    with kinema.Session("toy", sample=FEW) as session, path.open("rb") as file:
        from_path = session.animate(path, STILL, frames=2)
        for given in (content, bytearray(content), memoryview(content), io.BytesIO(content), file):
            video = session.animate(given, STILL, frames=2)
            assert np.array_equal(video.frames, from_path.frames)
            assert video.manifest is not None
            assert from_path.manifest is not None
            assert video.manifest.photo["sha256"] == from_path.manifest.photo["sha256"]
            assert video.manifest.photo["path"] == ""


def test_an_offer_of_one_step_has_no_solver_to_name(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    @attrs.frozen(kw_only=True)
    class Nothing:
        """No options of sampling at all."""

    class Instant(ToyBackbone):
        def schedule(self, config: Any) -> Any:
            return super().schedule(kinema.SampleConfig(steps=1))

        def guidance(self, config: Any, schedule: Any, frames: int) -> Any:
            return super().guidance(kinema.SampleConfig(), schedule, frames)

    offering(
        "instant",
        BackboneOffer(
            name="instant", summary="One step.", factory=lambda _: Instant(), sample=Nothing
        ),
    )
    video = kinema.animate(photo, STILL, "instant", frames=2)
    assert video.manifest is not None
    assert "solver" not in video.manifest.offers
    assert video.manifest.sample == {}
    with pytest.raises(InputError, match=r"^The config of sampling with 'instant' has no option"):
        kinema.Session("instant", sample={"steps": 3})


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"solver": "ddim"}, r"^Unknown solver 'ddim'\. .*Choose one of: euler, heun\."),
        ([("steps", 3)], r"^The sampling options of the backbone 'toy' are a mapping or a Sampl"),
    ],
)
def test_bad_sampling_is_named_when_a_session_opens(
    toys: Plugins, sample: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kinema.Session("toy", sample=sample)
