"""A video is what its request says, whatever else the session makes, made or makes at once."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import kinema
from kinema.errors import Cancelled
from kinema.interfaces import Request
from kinema.noise import draw_noise, unit_noise
from kinema.session import steering
from kinema.session.job import Job
from kinema_backbones.svd import images
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.network import Embedding, Network

OpenSession = Callable[..., kinema.Session]
Frames = NDArray[np.uint8]

SIZE = (32, 32)
BACKBONES = ["svd", "tiny"]

with_control = pytest.mark.parametrize(
    "controller",
    ["", pytest.param("tiny-modulation", marks=pytest.mark.all_packages)],
    ids=["alone", "controlled"],
)


def job(number: int) -> dict[str, Any]:
    """Another photo, another drag and another seed for each number."""
    steps = torch.arange(32.0)
    waves = torch.sin(steps * (0.2 + 0.03 * number))[:, None] * torch.cos(steps * 0.3)
    length = 2.0 + 1.5 * number
    return {
        "photo": (waves * 0.4 + 0.5).expand(3, -1, -1),
        "motion": kinema.Motion(canvas=SIZE, drags=[kinema.Drag([(8, 12), (8 + length, 16)])]),
        "frames": 2,
        "seed": number,
    }


def frames(session: kinema.Session, number: int = 0, **more: Any) -> Frames:
    return session.animate(**job(number), **more).frames


@with_control
def test_threads_share_a_session_as_if_alone(open_session: OpenSession, controller: str) -> None:
    session = open_session("tiny", controller=controller, sample={"steps": 1})
    numbers = range(12)
    alone = [frames(session, number) for number in numbers]
    assert len({video.tobytes() for video in alone}) == len(alone)

    def work(thread: int) -> list[Frames]:
        order = np.random.default_rng(thread).permutation(12)
        made = {int(number): frames(session, int(number)) for number in order}
        return [made[number] for number in numbers]

    with ThreadPoolExecutor(4) as threads:
        for videos in threads.map(work, range(4)):
            for video, expected in zip(videos, alone, strict=True):
                assert np.array_equal(video, expected)


@pytest.mark.parametrize(
    "backbone", [*BACKBONES, pytest.param("preview", marks=pytest.mark.all_packages)]
)
def test_opening_a_session_leaves_the_global_generator_alone(
    open_session: OpenSession, backbone: str
) -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    open_session(backbone, controller="")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.all_packages
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_new_controller_leaves_the_global_generator_alone(
    open_session: OpenSession, backbone: str
) -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    frames(open_session(backbone, controller="modulation"))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_photo_and_latents_have_noise_of_their_own(
    open_session: OpenSession, backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Tensor] = {}

    def photo(shape: Sequence[int], generator: Any) -> Tensor:
        drawn["photo"] = unit_noise(shape, generator)
        return drawn["photo"]

    def latents(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
        drawn["latents"] = draw_noise(shape, seeds)
        return drawn["latents"]

    monkeypatch.setattr(images, "unit_noise", photo)
    monkeypatch.setattr(steering, "draw_noise", latents)
    frames(open_session(backbone, controller=""))
    first, second = (drawn[name].flatten() for name in ("photo", "latents"))
    shared = min(len(first), len(second))
    assert shared >= 128
    assert int((first[:shared] == second[:shared]).sum()) == 0


@pytest.mark.parametrize(
    ("backbone", "sample", "sets"),
    [
        ("svd", {"steps": 4}, 1),
        # The later steps leave the unconditional term out.
        ("svd", {"steps": 4, "guidance_stop": 0.5}, 2),
        ("svd", {"steps": 4, "solver": "heun"}, 1),
        # It calls its network once for each term.
        ("tiny", {"steps": 4, "motion_guidance": 1.5}, 2),
        ("tiny", {"steps": 4, "motion_guidance": 1.0}, 1),
    ],
    ids=str,
)
def test_terms_are_put_together_once_and_not_in_every_step(
    open_session: OpenSession,
    monkeypatch: pytest.MonkeyPatch,
    backbone: str,
    sample: dict[str, Any],
    sets: int,
) -> None:
    session = open_session(backbone, controller="", sample=sample)
    combined: list[int] = []
    combine = Network.combine

    def counted(self: Network, embeddings: Sequence[Embedding]) -> Any:
        combined.append(len(embeddings))
        return combine(self, embeddings)

    monkeypatch.setattr(Network, "combine", counted)
    for videos in (1, 2):
        frames(session)
        assert len(combined) == videos * sets


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("cut_short", [False, True], ids=["finished", "cancelled"])
def test_nothing_of_a_run_stays(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch, backbone: str, cut_short: bool
) -> None:
    session = open_session(backbone, controller="")
    seen: list[weakref.ref[Any]] = []
    embed = SvdBackbone.embed

    def watched(self: SvdBackbone, request: Request) -> Mapping[Any, Embedding]:
        embeddings = embed(self, request)
        for embedding in embeddings.values():
            seen.append(weakref.ref(embedding))
            seen.append(weakref.ref(embedding.image_latents))
        return embeddings

    monkeypatch.setattr(SvdBackbone, "embed", watched)
    asked: list[int] = []

    def cancel() -> bool:
        asked.append(len(asked))
        return cut_short and len(asked) == 2

    with contextlib.suppress(Cancelled):
        frames(session, cancel=cancel)
    gc.collect()
    assert len(asked) == 2
    assert len(seen) == 4  # two guidance terms
    assert [reference() for reference in seen] == [None] * len(seen)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.all_packages
def test_a_video_can_be_made_twice_in_a_row(open_session: OpenSession, backbone: str) -> None:
    controller = "modulation" if backbone == "svd" else "tiny-modulation"
    session = open_session(backbone, controller=controller)
    first = frames(session)
    other = frames(session, 3)
    assert np.array_equal(frames(session), first)
    assert np.array_equal(frames(session, 3), other)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("backbone", "controller"),
    [
        ("svd", ""),
        ("tiny", ""),
        pytest.param("tiny", "tiny-modulation", marks=pytest.mark.all_packages),
    ],
)
def test_many_at_once_are_what_each_is_alone(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch, backbone: str, controller: str
) -> None:
    """To the bit: rounding would show in few pixels only, but make a manifest untrue."""
    latents: list[Tensor] = []
    decode = SvdBackbone.decode

    def watched(self: SvdBackbone, video: Tensor) -> Tensor:
        latents.append(video)
        return decode(self, video)

    monkeypatch.setattr(SvdBackbone, "decode", watched)
    session = open_session(backbone, controller=controller)
    alone = [frames(session, number) for number in range(4)]
    together = session.animate_all([Job(**job(number)) for number in range(4)])
    for video, expected in zip(together, alone, strict=True):
        assert np.array_equal(video.frames, expected)
    assert all(torch.equal(*pair) for pair in zip(latents[:4], latents[4:], strict=True))
