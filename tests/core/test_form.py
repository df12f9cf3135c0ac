"""Which size, frame count and rate a video gets: one rule for all backbones."""

from __future__ import annotations

from typing import Any

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

import kinema
from kinema.errors import FormError, InputError
from kinema.interfaces import check_form
from kinema.offers import NativeForm
from kinema.plugins import Plugins
from kinema.session.form import VideoForm, choose_form, size_like
from kinema.testing import ToyBackbone, toy_plugin

NATIVE = NativeForm(size=(96, 64), frames=9, fps=16.0, multiple=16)

Pixels = NDArray[np.uint8]


class Folding(ToyBackbone):
    """Multiples of 16, and 4n + 1 frames, as models make whose VAE folds time by 4."""

    def nearest(self, size: tuple[int, int], frames: int) -> tuple[tuple[int, int], int]:
        width, height = (max(16, round(side / 16) * 16) for side in size)
        return (width, height), max(5, round((frames - 1) / 4) * 4 + 1)


def form(
    canvas: Any = (96, 64),
    native: NativeForm | None = NATIVE,
    size: Any = None,
    frames: Any = None,
    fps: Any = None,
    **motion: Any,
) -> VideoForm:
    asked = kinema.Motion(canvas=canvas, **motion)
    return choose_form(Folding(), "folding", native, asked, size=size, frames=frames, fps=fps)


# -- the rule -------------------------------------------------------------------------------------


def test_what_is_left_open_is_native() -> None:
    assert form() == VideoForm(size=(96, 64), frames=9, fps=16.0)
    assert form(native=None, fps=8, frames=5) == VideoForm(size=(96, 64), frames=5, fps=8.0)


def test_a_motion_with_a_timing_of_its_own_keeps_it() -> None:
    assert form(fps=None, frames=None, duration=1.625) == VideoForm(
        size=(96, 64), frames=13, fps=8.0
    )


def test_a_motions_frames_become_those_the_backbone_makes_with_a_word() -> None:
    # 2 s at 8 fps are 16 frames, of which a model of 4n + 1 frames makes 17.
    found = form(native=None)
    assert (found.frames, found.fps) == (17, 8.0)
    assert found.notes == ("the motion has 16 frames, the backbone 'folding' makes 17 of them",)
    assert form(duration=3.0).notes == (
        "the motion has 24 frames, the backbone 'folding' makes 25 of them",
    )
    assert form(duration=1.125).notes == ()


def test_what_is_named_is_made_or_refused() -> None:
    named = form(size=(48, 32), frames=13, fps=3)
    assert named == VideoForm(size=(48, 32), frames=13, fps=3.0)
    with pytest.raises(FormError) as told:
        form(frames=16)
    error = told.value
    assert (error.backbone, error.asked, error.nearest) == (
        "folding",
        ((96, 64), 16),
        ((96, 64), 17),
    )
    assert isinstance(error, InputError)
    assert error.exit_code == 2
    assert str(error) == (
        "The backbone 'folding' cannot make 16 frames of 96x64 pixels. The nearest that it makes "
        "is frames=17."
    )
    with pytest.raises(FormError, match=r"The nearest that it makes is size=\(96, 64\)\.$"):
        form(size=(100, 60), frames=9)
    with pytest.raises(FormError, match=r"is size=\(96, 64\), frames=17\.$"):
        form(size="100x60", frames=16)


def test_a_size_that_is_named_is_not_bent_by_the_frames_of_the_motion() -> None:
    # The frames were left open, so they follow; the size was not.
    with pytest.raises(FormError) as told:
        form(size=(100, 60), duration=2.5)
    assert told.value.asked == ((100, 60), 21)
    assert told.value.way_out() == "size=(96, 64)"


def test_the_way_out_is_told_in_the_callers_language() -> None:
    error = FormError("wan", ((100, 60), 16), ((96, 64), 17))
    assert error.way_out("--size {w}x{h}", "--frames {0}", " ") == "--size 96x64 --frames 17"
    assert FormError("wan", ((96, 64), 16), ((96, 64), 17)).way_out("--size {w}x{h}", "--frames {0}") == "--frames 17"  # fmt: skip  # noqa: E501


def test_a_canvas_that_the_backbone_makes_is_the_size() -> None:
    assert form(canvas=(160, 48)).size == (160, 48)


def test_another_canvas_becomes_a_size_of_its_shape_and_the_native_area() -> None:
    for canvas, size in (((1601, 1200), (80, 64)), ((1080, 1920), (64, 112)), ((97, 63), (96, 64))):
        found = form(canvas=canvas)
        assert found.size == size
        assert 0.6 <= size[0] * size[1] / (96 * 64) <= 1.4
    # Without a native form, the nearest there is.
    assert form(canvas=(101, 60), native=None).size == (96, 64)


def test_check_form_lets_pass_what_can_be_made() -> None:
    check_form(Folding(), "folding", (96, 64), 17)
    with pytest.raises(FormError, match=r"^The backbone 'folding' cannot make 18 frames of 96x64"):
        check_form(Folding(), "folding", (96, 64), 18)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames": 9.0}, r"^frames must be a whole number, got 9\.0\.$"),
        ({"frames": 1}, r"^frames must be at least 2, got 1\.$"),
        ({"fps": "8"}, r"^fps must be a positive number, got '8'\.$"),
        ({"fps": -1}, r"^fps must be a positive number, got -1\.$"),
        ({"size": (0, 64)}, r"^The size must "),
    ],
)
def test_bad_values_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        form(**wrong)


# -- in a session ---------------------------------------------------------------------------------


@pytest.fixture
def folding(offering: Any) -> str:
    [toy] = toy_plugin.kinema_backbones()
    offer = attrs.evolve(toy, name="folding", factory=lambda _: Folding(), native=NATIVE)
    offering("folding", offer)
    return "folding"


def test_a_session_takes_the_native_form_for_any_photo(folding: str) -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    motion = kinema.Motion(canvas=(400, 300))
    with kinema.Session(folding, sample={"steps": 1}) as session:
        assert session.form(motion) == VideoForm(size=(80, 64), frames=9, fps=16.0)
        assert session.native_size(motion) == (80, 64)
        video = session.animate(photo, motion)
    assert video.frames.shape == (9, 64, 80, 3)
    assert video.fps == 16.0


def test_what_was_chosen_is_in_the_manifest(folding: str, photo: Pixels) -> None:
    motion = kinema.Motion(canvas=(96, 64), duration=1.0)
    video = kinema.animate(photo, motion, folding, sample={"steps": 1})
    assert video.manifest is not None
    assert (video.manifest.frames, video.manifest.size) == (9, (96, 64))
    assert video.manifest.notes == (
        "the motion has 8 frames, the backbone 'folding' makes 9 of them",
    )


def test_a_session_refuses_what_was_named_with_the_way_out(folding: str, photo: Pixels) -> None:
    motion = kinema.Motion(canvas=(96, 64))
    with (
        kinema.Session(folding) as session,
        pytest.raises(FormError, match=r"^The backbone 'folding' cannot make 16 frames of 96x64"),
    ):
        session.animate(photo, motion, frames=16)


def test_without_a_backbone_the_default_is_taken(toys: Plugins, offering: Any) -> None:
    with pytest.raises(InputError, match=r"^Name a backbone: none installed is the default\. Choo"):
        kinema.Session()
    [toy] = toy_plugin.kinema_backbones()
    offering("usual", attrs.evolve(toy, name="usual", default=True))
    with kinema.Session() as session:
        assert session.backbone_name == "usual"


# -- sizes of a shape -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((512, 320), (512, 320)),
        ((4032, 3024), (512, 384)),
        ((6000, 4000), (576, 384)),
        ((4000, 6000), (384, 576)),
        ((1920, 1080), (576, 320)),
        ((1000, 1000), (384, 384)),
    ],
)
def test_a_size_follows_the_shape(shape: tuple[int, int], size: tuple[int, int]) -> None:
    assert size_like(shape, 512 * 320, 64) == size


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_a_size_is_a_multiple_near_the_area_and_the_shape(width: int, height: int) -> None:
    w, h = size_like((width, height), 512 * 320, 64)
    assert w % 64 == 0
    assert h % 64 == 0
    assert 0.6 <= w * h / (512 * 320) <= 1.4
    if 1 / 3 <= width / height <= 3:
        assert (w / h) / (width / height) == pytest.approx(1, abs=0.11)


def test_an_area_too_small_for_a_choice_is_one_step() -> None:
    assert size_like((3, 2), 60, 64) == (64, 64)
