"""Sessions of the first-party backbones: threads, and what they leave alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kinema
from kinema.interfaces import Request
from kinema.noise import draw_noise, unit_noise

Pixels = NDArray[np.uint8]

VIDEOS = 12


def photo_of(number: int) -> Pixels:
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 255, (6, 10, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def motion_of(number: int) -> kinema.Motion:
    end = (20.0 + 4 * number, 16.0 + 2 * (number % 5))
    return kinema.Motion(canvas=(80, 48), drags=[kinema.Drag([(30, 20), end])])


@pytest.mark.slow
@pytest.mark.all_packages
@pytest.mark.parametrize("controller", [None, ""])
def test_four_threads_of_twelve_videos_are_as_one_after_the_other(controller: str | None) -> None:
    def make(number: int) -> Pixels:
        return session.animate(photo_of(number), motion_of(number), frames=2, seed=number).frames

    with kinema.Session("tiny", controller=controller, sample={"steps": 1}) as session:
        assert session.controller_name == ("" if controller == "" else "tiny-modulation")
        alone = [make(number) for number in range(VIDEOS)]
        with ThreadPoolExecutor(4) as pool:
            # Each thread makes all of them, each beginning with another one.
            orders = [
                [(first + number) % VIDEOS for number in range(VIDEOS)] for first in (0, 3, 6, 9)
            ]
            shares = list(pool.map(lambda order: [make(number) for number in order], orders))
    for order, share in zip(orders, shares, strict=True):
        assert all(
            np.array_equal(video, alone[number]) for number, video in zip(order, share, strict=True)
        )
    assert len({video.tobytes() for video in alone}) == VIDEOS


@pytest.mark.parametrize(
    "backbone", ["tiny", pytest.param("preview", marks=pytest.mark.all_packages)]
)
def test_opening_a_session_leaves_the_global_generator_alone(backbone: str) -> None:
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state(legacy=False)
    with kinema.Session(backbone, controller=""):
        pass
    assert torch.equal(torch.random.get_rng_state(), before)
    assert str(np.random.get_state(legacy=False)) == str(numpy_before)


def test_an_untrained_backbone_leaves_it_alone_too() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    made = [
        kinema.Session("tiny", controller="", options={"untrained": True, "seed": seed})
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    weights: list[Any] = [
        torch.cat([w.flatten() for w in each.backbone.network.unet.parameters()])  # type: ignore[attr-defined]
        for each in made
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_photos_noise_is_not_that_of_the_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[Any] = []
    session = kinema.Session("tiny", controller="", sample={"steps": 1})
    embed = session.backbone.embed

    def seen(request: Request) -> Any:
        streams.extend(request.streams)
        return embed(request)

    monkeypatch.setattr(session.backbone, "embed", seen)
    session.animate(photo_of(0), motion_of(0), frames=2, seed=7)
    shape = session.backbone.latent_shape((80, 48), 2)
    latents = draw_noise(shape, [7]).flatten()
    photo = unit_noise((1, 3, 48, 80), [streams[0].of("photo")]).flatten()
    count = min(len(photo), len(latents))
    assert not bool((photo[:count] == latents[:count]).any())
