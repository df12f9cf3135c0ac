"""One session in several threads: one video at a time, in order, each as if it were alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kinema
from kinema.errors import Cancelled, InputError
from kinema.interfaces import Controller, Detach
from kinema.offers import BackboneOffer
from kinema.plugins import Plugins
from kinema.testing import ToyBackbone, toy_plugin

#: Longer than any machine needs; only a test that fails waits for so long.
PATIENCE = 60.0

FEW = {"steps": 2}

Pixels = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def motion(number: int) -> kinema.Motion:
    end = (24.0 + 4 * number, 30.0 + 2 * (number % 5))
    return kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), end])])


def photo_of(number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 255, (64, 96, 3), dtype=np.uint8)


def opened(controller: str) -> kinema.Session:
    session = kinema.Session("toy", controller=controller, sample={**FEW, "motion_guidance": 1.5})
    if controller == "toy-feature":
        weights: Any = session.controller
        for weight in weights.parameters():
            torch.nn.init.ones_(weight)
    return session


@pytest.mark.parametrize("controller", ["", "toy-feature", "toy-latent", "toy-noise"])
def test_threads_get_what_they_would_have_got_alone(toys: Plugins, controller: str) -> None:
    def make(session: kinema.Session, number: int) -> Pixels:
        video = session.animate(photo_of(number), motion(number), frames=3, seed=number)
        return video.frames

    with opened(controller) as session:
        alone = [make(session, number) for number in range(48)]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda number: make(session, number), range(48)))
    assert len({one.tobytes() for one in alone}) == 48
    assert all(map(np.array_equal, together, alone))


def waiting(session: kinema.Session) -> int:
    """How many callers wait for a session."""
    return max(0, len(session._turns._queue) - 1)


def until(holds: Callable[[], bool]) -> None:
    """Let other threads run until something holds."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.001)):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to hold")


class Gate:
    """Holds a run at its first step until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, step: int, steps: int) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE)


def test_a_session_makes_one_video_at_a_time_in_the_order_of_asking(
    toys: Plugins, photo: Pixels
) -> None:
    gate = Gate()
    log: list[str] = []

    def make(name: str) -> None:
        session.animate(photo, motion(1), frames=2, on_progress=lambda *_: log.append(name))

    with opened("") as session, ThreadPoolExecutor(5) as pool:
        first = pool.submit(session.animate, photo, motion(0), frames=2, on_progress=gate)
        assert gate.reached.wait(PATIENCE)
        rest = []
        for number, name in enumerate("abcd"):
            rest.append(pool.submit(make, name))
            until(lambda: waiting(session) == number + 1)  # noqa: B023
        assert log == []
        gate.open.set()
        first.result(PATIENCE)
        for each in rest:
            each.result(PATIENCE)
    assert "".join(log) == "aabbccdd"


def test_two_sessions_work_at_once(toys: Plugins, photo: Pixels) -> None:
    # Each waits in its first step for the other to be in its first step as well.
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet(step: int, steps: int) -> None:
        both.wait()

    def make(_: int) -> Pixels:
        with opened("toy-latent") as session:
            return session.animate(photo, motion(3), frames=2, on_progress=meet).frames

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(make, range(2))
    assert np.array_equal(one, two)


def test_a_caller_that_waits_may_give_up(toys: Plugins, photo: Pixels) -> None:
    gate, given_up = Gate(), threading.Event()
    with opened("") as session, ThreadPoolExecutor(3) as pool:
        first = pool.submit(session.animate, photo, motion(0), frames=2, on_progress=gate)
        assert gate.reached.wait(PATIENCE)
        second = pool.submit(session.animate, photo, motion(1), cancel=given_up.is_set)
        until(lambda: waiting(session) == 1)
        third = pool.submit(session.animate, photo, motion(2), frames=2)
        until(lambda: waiting(session) == 2)
        given_up.set()
        with pytest.raises(Cancelled, match=r"^The run was cancelled while it waited for its turn"):
            second.result(PATIENCE)
        assert not first.done()
        gate.open.set()
        alone = session.animate(photo, motion(2), frames=2).frames
        assert np.array_equal(third.result(PATIENCE).frames, alone)


@pytest.mark.parametrize("inner", ["animate", "close"])
def test_a_call_from_within_a_run_is_refused(toys: Plugins, photo: Pixels, inner: str) -> None:
    def call(step: int, steps: int) -> None:
        if inner == "close":
            session.close()
        else:
            session.animate(photo, motion(1))

    with opened("") as session:
        with pytest.raises(
            InputError,
            match=r"^A session was called from within its own run, which would wait for itself\. "
            r"Make the next video after this one, or open a second session\.$",
        ):
            session.animate(photo, motion(0), frames=2, on_progress=call)
        assert session.animate(photo, motion(0), frames=2).frames.shape[0] == 2


def test_another_session_may_be_called_from_within_a_run(toys: Plugins, photo: Pixels) -> None:
    inner: list[Pixels] = []

    def call(step: int, steps: int) -> None:
        inner.append(second.animate(photo, motion(0), frames=2).frames)

    with opened("") as session, opened("") as second:
        video = session.animate(photo, motion(0), frames=2, on_progress=call)
    assert all(np.array_equal(each, video.frames) for each in inner)


def test_a_run_that_fails_leaves_the_session_to_others(toys: Plugins, photo: Pixels) -> None:
    def fail(step: int, steps: int) -> None:
        raise OSError("the connection is gone")

    with opened("") as session:
        with pytest.raises(OSError, match="the connection is gone"):
            session.animate(photo, motion(0), on_progress=fail)
        assert session.animate(photo, motion(0), frames=2).frames.shape[0] == 2


# -- closing --------------------------------------------------------------------------------------


class Detaching(ToyBackbone):
    """Says when its controller was detached."""

    log: list[str]

    def attach(self, controller: Controller) -> Detach:
        detach = super().attach(controller)

        def undo() -> None:
            detach()
            self.log.append("detached")

        return undo


def test_closing_waits_for_the_video_that_is_being_made(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    [toy] = toy_plugin.kinema_backbones()
    offering("detaching", attrs.evolve(toy, name="detaching", factory=lambda _: Detaching()))
    session = kinema.Session("detaching", controller="toy-latent", sample=FEW)
    backbone: Any = session.backbone
    log: list[str] = []
    backbone.log = log
    closing = threading.Thread(target=session.close)

    def on_progress(step: int, steps: int) -> None:
        if step == 1:
            closing.start()
            until(lambda: waiting(session) == 1)
        log.append(f"step {step}")

    session.animate(photo, motion(0), frames=2, on_progress=on_progress)
    closing.join(PATIENCE)
    assert log == ["step 1", "step 2", "detached"]


def test_a_closed_session_makes_nothing_more(toys: Plugins, photo: Pixels) -> None:
    session = opened("toy-latent")
    session.close()
    closed = r"^The session is closed; open another one to make videos\.$"
    with pytest.raises(InputError, match=closed):
        session.animate(photo, motion(0))
    with pytest.raises(InputError, match=closed):
        session.animate_all([])
    session.close()


def test_a_closed_session_warms_nothing_up(toys: Plugins, offering: Any) -> None:
    class Rehearsing(ToyBackbone):
        def warm_up(self, request: Any) -> None:
            raise AssertionError

    [toy] = toy_plugin.kinema_backbones()
    offer: BackboneOffer = attrs.evolve(toy, name="slow", factory=lambda _: Rehearsing())
    offering("slow", offer)
    session = kinema.Session("slow")
    session.close()
    with pytest.raises(InputError, match=r"^The session is closed; open another one to make vid"):
        session.warm_up("96x64", 2)


def test_callers_that_wait_while_it_closes_are_told(toys: Plugins, photo: Pixels) -> None:
    gate = Gate()
    session = opened("")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(session.animate, photo, motion(0), frames=2, on_progress=gate)
        assert gate.reached.wait(PATIENCE)
        closing = pool.submit(session.close)
        until(lambda: waiting(session) == 1)
        late = pool.submit(session.animate, photo, motion(1), frames=2)
        until(lambda: waiting(session) == 2)
        gate.open.set()
        assert first.result(PATIENCE).frames.shape[0] == 2
        closing.result(PATIENCE)
        with pytest.raises(InputError, match="The session is closed"):
            late.result(PATIENCE)
