"""Several videos in one pass where the backbone can, each as if it were made alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

import kinema
from kinema.errors import Cancelled, InputError, PluginError
from kinema.interfaces import Request, Term
from kinema.offers import BACKBONE, Input
from kinema.plugins import Plugins
from kinema.session.job import Job
from kinema.testing import ToyBackbone, toy_plugin

FEW = {"steps": 3}

Pixels = NDArray[np.uint8]


class Batching(ToyBackbone):
    """Keeps what it was asked, pass by pass."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []

    def embed(self, request: Request) -> Mapping[Term, Any]:
        self.asked.append(request)
        return super().embed(request)

    @property
    def passes(self) -> list[tuple[int, int, int]]:
        """Of each pass: videos, width, frames."""
        return [(len(each.image), each.size[0], each.frames) for each in self.asked]


@pytest.fixture
def batching(offering: Any) -> None:
    [toy] = toy_plugin.kinema_backbones()
    reads: tuple[Input, ...] = ("prompt", "negative-prompt", "last-image", "references")
    one = attrs.evolve(toy, name="one", factory=lambda _: Batching(), reads=reads)
    offering("batching", one, attrs.evolve(one, name="many", batches="exact"))


def photo_of(number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 255, (64, 96, 3), dtype=np.uint8)


def job(number: int, **more: Any) -> Job:
    end = (24.0 + 8 * number, 30.0 + number)
    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), end])])
    return Job(**{"photo": photo_of(number), "motion": motion, "seed": number, "frames": 3, **more})


def mixed() -> list[Job]:
    """Seven jobs of three forms, not side by side."""
    return [
        job(0),
        job(1, size=(48, 32)),
        job(2),
        job(3, frames=5),
        job(4, size="48x32"),
        job(5),
        job(6, frames=5),
    ]


@pytest.mark.usefixtures("batching")
@pytest.mark.parametrize("controller", ["", "toy-latent", "toy-noise", "toy-feature"])
def test_a_video_of_a_pass_is_what_it_would_be_alone(controller: str) -> None:
    sample = {**FEW, "motion_guidance": 1.5}
    with kinema.Session("one", controller=controller, sample=sample) as session:
        alone = [session.animate_all([each])[0] for each in mixed()]
    with kinema.Session("many", controller=controller, sample=sample) as session:
        together = session.animate_all(mixed())
        backbone: Any = session.backbone
        # One pass for each form, in the order in which the forms were first asked for.
        assert backbone.passes == [(3, 96, 3), (2, 48, 3), (2, 96, 5)]
    assert [video.frames.shape[:3] for video in together] == [
        (3, 64, 96), (3, 32, 48), (3, 64, 96), (5, 64, 96), (3, 32, 48), (3, 64, 96), (5, 64, 96),
    ]  # fmt: skip
    for one, video in zip(alone, together, strict=True):
        assert np.array_equal(one.frames, video.frames)
        assert one.manifest is not None
        assert video.manifest is not None
        notes = [note.replace("'one'", "'many'") for note in one.manifest.notes]
        named = attrs.evolve(one.manifest, offers=video.manifest.offers, notes=notes)
        assert named == video.manifest
    assert len({video.frames.tobytes() for video in together}) == 7


@pytest.mark.usefixtures("batching")
def test_a_backbone_that_makes_one_at_a_time_makes_one_at_a_time() -> None:
    with kinema.Session("one", sample=FEW) as session:
        session.animate_all(mixed())
        backbone: Any = session.backbone
        assert [count for count, _, _ in backbone.passes] == [1] * 7


@pytest.mark.usefixtures("batching")
@pytest.mark.parametrize(("exact", "passes"), [(True, [1, 1, 1]), (False, [3])])
def test_a_backbone_that_rounds_otherwise_in_a_batch_is_asked_to(
    offering: Any, toys: Plugins, exact: bool, passes: list[int]
) -> None:
    offer = toys.find(BACKBONE, "one").offer
    offering("close", attrs.evolve(offer, name="close", batches="close"))
    with kinema.Session("close", sample=FEW) as session:
        session.animate_all([job(number) for number in range(3)], exact=exact)
        backbone: Any = session.backbone
        assert [count for count, _, _ in backbone.passes] == passes


@pytest.mark.usefixtures("batching")
def test_a_pass_may_be_limited() -> None:
    with kinema.Session("many", sample=FEW) as session:
        session.animate_all([job(number) for number in range(5)], at_once=2)
        backbone: Any = session.backbone
        assert [count for count, _, _ in backbone.passes] == [2, 2, 1]


@pytest.mark.usefixtures("batching")
@pytest.mark.parametrize("at_once", [0, -1, 1.5, True, "2"])
def test_a_wrong_limit_is_refused(at_once: Any) -> None:
    with (
        kinema.Session("many", sample=FEW) as session,
        pytest.raises(InputError, match=r"^at_once must be "),
    ):
        session.animate_all([job(0)], at_once=at_once)


@pytest.mark.usefixtures("batching")
def test_progress_is_counted_over_all_passes() -> None:
    seen: list[tuple[int, int]] = []
    with kinema.Session("many", sample=FEW) as session:
        session.animate_all(mixed(), on_progress=lambda step, steps: seen.append((step, steps)))
        assert seen == [(step, 9) for step in range(1, 10)]
        assert session.animate_all([]) == []


@pytest.mark.usefixtures("batching")
def test_all_jobs_are_checked_before_the_first_is_begun() -> None:
    seen: list[int] = []
    with kinema.Session("many", sample=FEW) as session:
        with pytest.raises(InputError, match=r"^The backbone 'many' cannot make 3 frames of 50x50"):
            session.animate_all(
                [job(0), job(1, size=(50, 50))], on_progress=lambda step, _: seen.append(step)
            )
        backbone: Any = session.backbone
        assert seen == backbone.passes == []


@pytest.mark.usefixtures("batching")
def test_what_is_no_job_is_refused() -> None:
    with (
        kinema.Session("many", sample=FEW) as session,
        pytest.raises(InputError, match=r"^animate_all takes kinema\.Job, got tuple\."),
    ):
        session.animate_all([(photo_of(0), kinema.Motion(canvas=(96, 64)))])  # type: ignore[list-item]


@pytest.mark.usefixtures("batching")
def test_a_pass_is_cancelled_as_a_whole() -> None:
    seen: list[int] = []
    with (
        kinema.Session("many", sample=FEW) as session,
        pytest.raises(Cancelled, match=r"^The run was cancelled after 1 of 3 steps\.$"),
    ):
        session.animate_all(
            mixed(), on_progress=lambda step, _: seen.append(step), cancel=lambda: len(seen) == 4
        )


@pytest.mark.usefixtures("batching")
def test_texts_and_pictures_stay_with_their_videos() -> None:
    jobs = [
        job(0, prompt="a"),
        job(1, prompt="b", negative_prompt="c"),
        job(2, last_image=photo_of(9)),
        job(3),
        job(4, last_image=photo_of(8), references=[photo_of(7)]),
    ]
    with kinema.Session("many", sample=FEW) as session:
        session.animate_all(jobs)
        backbone: Any = session.backbone
    plain, last, both = backbone.asked
    # Videos with a last frame or with references are made apart from those without.
    assert [len(each.image) for each in backbone.asked] == [3, 1, 1]
    assert plain.prompts == ["a", "b", ""]
    assert plain.negative_prompts == [None, "c", None]
    assert plain.last_image is None
    assert last.last_image.shape == both.last_image.shape == (1, 3, 64, 96)
    assert (last.prompts, last.negative_prompts, last.references) == ((), (), [])
    assert [tuple(each.shape) for each in both.references] == [(1, 3, 64, 96)]


class Watcher:
    """Notes what it is told of every video."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @kinema.hookimpl
    def kinema_run_started(self, run: Any) -> None:
        self.seen.append(("started", run.seed, run.prompt))

    @kinema.hookimpl
    def kinema_step_finished(
        self, run: Any, step: int, steps: int, latents: Any, level: Any, clean: Any
    ) -> None:
        shapes = tuple(latents.shape), tuple(clean.shape)
        assert shapes == ((1, 3, 3, 8, 12),) * 2
        # At the clean level, the latents are the clean prediction.
        assert bool((latents == clean).all()) == (float(level.sigma) == 0.0) == (step == steps)
        self.seen.append((step, run.seed))

    @kinema.hookimpl
    def kinema_sample_finished(self, run: Any, video: Any) -> None:
        self.seen.append(("finished", run.seed, video.manifest.seed))

    @kinema.hookimpl
    def kinema_run_failed(self, run: Any, error: BaseException) -> None:
        self.seen.append(("failed", run.seed, type(error).__name__))


@pytest.mark.usefixtures("batching")
def test_observers_are_told_of_every_video_of_a_pass(toys: Plugins) -> None:
    watcher = Watcher()
    toys.register(watcher, "watcher")
    with kinema.Session("many", sample={"steps": 2}, events=["watcher"]) as session:
        session.animate_all([job(4, prompt="a dog"), job(5)])
        assert watcher.seen == [
            ("started", 4, "a dog"), ("started", 5, ""),
            (1, 4), (1, 5), (2, 4), (2, 5),
            ("finished", 4, 4), ("finished", 5, 5),
        ]  # fmt: skip
        watcher.seen.clear()
        with pytest.raises(Cancelled):
            session.animate_all([job(4), job(5)], cancel=lambda: True)
        assert watcher.seen[-2:] == [("failed", 4, "Cancelled"), ("failed", 5, "Cancelled")]


@pytest.mark.usefixtures("batching")
def test_notes_of_conditions_stay_with_their_videos(offering: Any) -> None:
    from kinema.offers import ConditionOffer
    from kinema.testing.toys import ToyShift

    class Noting(ToyShift):
        def from_motion(self, motion: Any, scene: Any) -> Any:
            signal = super().from_motion(motion, scene)
            down = motion.drags[0].points[-1][1] > 32
            return attrs.evolve(signal, notes=("it goes down",) if down else ())

    offering("noting", ConditionOffer(name="noting", summary="Notes.", factory=lambda _: Noting()))
    with kinema.Session(
        "many", controller="toy-noise", conditions=["noting"], sample=FEW
    ) as session:
        videos = session.animate_all([job(1), job(5)])
    notes = [video.manifest.notes for video in videos if video.manifest is not None]
    assert notes == [(), ("it goes down",)]


def test_a_controller_that_cannot_batch_is_named(offering: Any, batching: None) -> None:
    from kinema.offers import ControllerOffer

    class Wrong:
        def actions(self, signal: Any, sites: Any, scenes: Any) -> Any:
            assert len(scenes) == 2
            return {"noise": lambda noise: noise[:1]}

    offering(
        "wrong",
        ControllerOffer(
            name="wrong", summary="Wrong.", factory=lambda _: Wrong(), conditions=("toy-shift",)
        ),
    )
    with (
        kinema.Session("many", controller="wrong", sample=FEW) as session,
        pytest.raises(
            PluginError,
            match=r"^The controller 'wrong' of kinema-wrong 1\.2 makes \(1, 3, 3, 8, 12\) of "
            r"\(2, 3, 3, 8, 12\) at the site 'noise'; an action gives a tensor of the same",
        ),
    ):
        session.animate_all([job(0), job(1)])
