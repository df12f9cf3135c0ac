"""Random purposes of a run: one seed, a stream each, and the global generator left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import kinema
from kinema.interfaces import Request, Term
from kinema.noise import Streams, draw_noise, seeded, unit_noise
from kinema.plugins import Plugins
from kinema.testing import ToyBackbone, toy_plugin

PURPOSES = ("noise", "photo", "sigma", "noise_aug", "conditions", "drop motion", "solver")

Pixels = NDArray[np.uint8]


def numbers(generator: torch.Generator) -> Tensor:
    return torch.randn(2000, generator=generator)


def test_every_purpose_has_numbers_of_its_own() -> None:
    drawn = torch.stack([numbers(Streams(7).of(purpose)) for purpose in PURPOSES])
    alike = torch.corrcoef(drawn) - torch.eye(len(PURPOSES))
    assert float(alike.abs().max()) < 0.1
    assert not any(bool((one == other).any()) for i, one in enumerate(drawn) for other in drawn[:i])


def test_a_stream_is_the_same_whenever_it_is_asked_for() -> None:
    first = numbers(Streams(7).of("photo"))
    assert torch.equal(numbers(Streams("7").of("photo")), first)
    streams = Streams(7)
    numbers(streams.of("noise"))
    assert torch.equal(numbers(streams.of("photo")), first)
    assert not torch.equal(numbers(Streams(8).of("photo")), first)
    assert Streams(7) == Streams("7") != Streams(8)


def test_streams_are_the_same_on_every_machine() -> None:
    drawn = torch.randint(2**31, (3,), generator=Streams("7 0 1").of("photo"))
    assert drawn.tolist() == [1504698415, 1547812075, 1038076333]


def test_seeds_that_look_alike_are_told_apart() -> None:
    keys = [Streams(seed) for seed in (0, -1, 2**63, 2**64 - 1)]
    assert len({tuple(numbers(key.of("noise"))[:4].tolist()) for key in keys}) == 4


def test_a_video_has_the_same_noise_in_every_batch() -> None:
    alone = draw_noise((2, 3, 4, 4), [5])
    together = draw_noise((2, 3, 4, 4), [1, 5, 9])
    assert torch.equal(alone[0], together[1])
    assert not torch.equal(together[0], together[1])


def test_unit_noise_takes_one_generator_or_one_for_each() -> None:
    def of(seed: int) -> torch.Generator:
        return Streams(seed).of("photo")

    each = unit_noise((2, 3, 4), [of(1), of(2)])
    assert torch.equal(each[1], torch.randn(3, 4, generator=of(2)))
    assert torch.equal(unit_noise((2, 3), of(1)), torch.randn(2, 3, generator=of(1)))
    before = torch.random.get_rng_state()
    assert unit_noise((2, 3), None).shape == (2, 3)
    assert not torch.equal(torch.random.get_rng_state(), before)
    torch.random.set_rng_state(before)


# -- in a run -------------------------------------------------------------------------------------


class Noisy(ToyBackbone):
    """Notes its photo's noise and its latents' noise."""

    def __init__(self) -> None:
        super().__init__()
        self.photos: list[Tensor] = []
        self.latents: list[Tensor] = []

    def embed(self, request: Request) -> Mapping[Term, Any]:
        self.photos.append(unit_noise(request.image.shape, request.generators("photo")))
        return super().embed(request)

    def start(self, noise: Tensor, level: Any) -> Tensor:
        self.latents.append(noise)
        return super().start(noise, level)


def test_the_photos_noise_is_not_that_of_the_latents(
    toys: Plugins, offering: Any, photo: Pixels
) -> None:
    [toy] = toy_plugin.kinema_backbones()
    offering("noisy", attrs.evolve(toy, name="noisy", factory=lambda _: Noisy()))
    still = kinema.Motion(canvas=(96, 64))
    with kinema.Session("noisy", sample={"steps": 1}) as session:
        backbone: Any = session.backbone
        for seed in (3, 3, 4):
            session.animate(photo, still, seed=seed)
    once, again, other = (each.flatten() for each in backbone.photos)
    latents = [each.flatten() for each in backbone.latents]
    assert torch.equal(once, again)
    assert torch.equal(latents[0], latents[1])
    assert not bool((once == other).any())
    count = min(len(once), len(latents[0]))
    assert not bool((once[:count] == latents[0][:count]).any())


def test_a_session_leaves_the_global_generator_alone(toys: Plugins, photo: Pixels) -> None:
    still = kinema.Motion(canvas=(96, 64))
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    with kinema.Session("toy", sample={"steps": 1}) as session:
        assert torch.equal(torch.random.get_rng_state(), before)
        session.animate(photo, still, frames=2)
    assert torch.equal(torch.random.get_rng_state(), before)


# -- seeded ---------------------------------------------------------------------------------------


def test_what_is_seeded_draws_as_if_from_the_start() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    with seeded(5):
        assert torch.equal(torch.rand(4), expected)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_leaves_the_generator_alone_where_it_fails() -> None:
    def fail() -> None:
        torch.rand(4)
        raise OSError("no such weights")

    before = torch.random.get_rng_state()
    with pytest.raises(OSError, match="no such weights"), seeded(5):
        fail()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_may_be_nested() -> None:
    with seeded(5):
        expected = torch.rand(8)
    with seeded(5):
        first = torch.rand(4)
        with seeded(6):
            torch.rand(100)
        assert torch.equal(torch.cat([first, torch.rand(4)]), expected)


def test_threads_do_not_draw_from_one_another() -> None:
    def draws(seed: int) -> Tensor:
        with seeded(seed):
            return torch.cat([torch.randn(1) for _ in range(50)])

    alone = [draws(seed) for seed in range(16)]
    before = torch.random.get_rng_state()
    together = in_threads(draws, 16)
    assert all(map(torch.equal, together, alone))
    assert torch.equal(torch.random.get_rng_state(), before)


def in_threads(work: Callable[[int], Tensor], count: int) -> list[Tensor]:
    """``work`` in four threads that begin at once."""
    ready = threading.Barrier(4, timeout=60)

    def share(first: int) -> list[Tensor]:
        ready.wait()
        return [work(number) for number in range(first, count, 4)]

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(share, range(4)))
    return [shares[number % 4][number // 4] for number in range(count)]
