"""Numbers of which no picture can be made are named where they arise, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import kinema
from kinema.errors import NotFiniteError
from kinema.plugins import Plugins
from kinema.sampling import check_finite
from kinema.testing import ToyBackbone, toy_plugin

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])


@pytest.fixture
def plugins(kinema_plugins: Plugins) -> Plugins:
    kinema_plugins.register(toy_plugin, "toys", "kinema", "0.1.0")
    return kinema_plugins


def spoilt(method: Callable[..., Any], value: float, call: int = 1) -> Callable[..., Any]:
    """The method, but its ``call``-th result has a number replaced."""
    calls = 0

    def act(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        result: Tensor = method(*args, **more).clone()
        if calls == call:
            result.view(-1)[5] = value
        return result

    return act


def make() -> kinema.Video:
    photo = np.full((64, 96, 3), 99, np.uint8)
    return kinema.animate(photo, MOTION, backbone="toy", sample={"steps": 3})


def test_a_network_that_gives_nan_is_named_with_the_step(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoise = ToyBackbone.denoise
    monkeypatch.setattr(ToyBackbone, "denoise", spoilt(denoise, float("nan"), call=2))
    with pytest.raises(
        NotFiniteError,
        match=r"^The network gave NaN \(1 of \d+ numbers\) in step 2 of 3, for the .* prediction\.",
    ):
        make()


def test_a_decoder_that_gives_infinity_is_named(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyBackbone, "decode", spoilt(ToyBackbone.decode, float("inf")))
    with pytest.raises(
        NotFiniteError, match=r"^The decoder gave infinity \(1 of \d+ numbers\) of "
    ):
        make()


def test_an_embedding_that_is_nan_is_named_before_any_step(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = ToyBackbone.embed

    def spoilt_embed(backbone: ToyBackbone, request: Any) -> Any:
        embeddings = embed(backbone, request)
        embeddings["conditional"].mask[0, 0] = float("nan")
        return embeddings

    monkeypatch.setattr(ToyBackbone, "embed", spoilt_embed)
    with pytest.raises(
        NotFiniteError, match=r"^Before the first step, the embedding conditional\.mask holds NaN"
    ):
        make()


def test_what_to_try_depends_on_the_dtype() -> None:
    check_finite(torch.zeros(0), "Nothing gave {found}")
    check_finite(torch.tensor([1.0, -65504.0], dtype=torch.float16), "A half gave {found}")
    with pytest.raises(NotFiniteError, match=r"infinity \(1 of 2 numbers\)\. Try dtype float32"):
        check_finite(torch.tensor([1.0, torch.inf], dtype=torch.float16), "A half gave {found}")
    with pytest.raises(NotFiniteError, match=r"NaN \(1 of 2 numbers\)\. Check the weights and"):
        check_finite(torch.tensor([1.0, torch.nan]), "A {brace} gave {found}")
