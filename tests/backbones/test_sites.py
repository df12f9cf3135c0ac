"""Where controllers may act on svd and tiny beside the features, and that it reaches the video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import kinema
from kinema import hookimpl, offers
from kinema.interfaces import Actions, Controller, Scene, Site, SiteKind, Step
from kinema.plugins import Plugins
from kinema.signals import MotionSignal
from kinema.testing import toy_plugin

OpenSession = Callable[..., kinema.Session]

SIZE, FRAMES, STEPS = (64, 32), 3, 2
CHANNELS = {"svd": 4, "tiny": 16}
KINDS: tuple[SiteKind, ...] = ("image-latent", "noise", "network-input", "sampler-step")

#: How often an action is called: once for each guidance term, once, in every network call, before
#: every step and at the end.
CALLS = {"image-latent": 2, "noise": 1, "network-input": STEPS, "sampler-step": STEPS + 1}


@attrs.define
class Probe:
    """Acts at the sites of one kind, and notes what it is given."""

    kind: SiteKind
    change: Callable[[Tensor], Tensor]
    shapes: list[tuple[int, ...]] = attrs.field(factory=list)
    steps: list[int] = attrs.field(factory=list)

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        def act(latents: Tensor, *told: Step) -> Tensor:
            self.shapes.append(tuple(latents.shape))
            self.steps += [step.index for step in told]
            return self.change(latents)

        return {site.name: act for site in sites if site.kind == self.kind}


@attrs.frozen
class Offering:
    """A plugin whose only controller is a probe."""

    probe: Controller

    @hookimpl
    def kinema_controllers(self) -> Iterable[offers.ControllerOffer]:
        yield offers.ControllerOffer(
            name="probe",
            summary="Acts at one kind of site.",
            factory=lambda config: self.probe,
            conditions=("toy-shift",),
        )


def film(open_session: OpenSession, backbone: str, probe: Probe | None) -> NDArray[np.uint8]:
    plugins = Plugins()
    plugins.load_entry_points()
    plugins.register(toy_plugin, "toys")
    if probe is not None:
        plugins.register(Offering(probe), "probes")
    session = open_session(
        backbone,
        controller="" if probe is None else "probe",
        sample={"steps": STEPS, **({"motion_guidance": 2.0} if backbone == "tiny" else {})},
        plugins=plugins,
    )
    width, height = SIZE
    photo = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    motion = kinema.Motion(canvas=SIZE, drags=[kinema.Drag([(8, 8), (20, 12)])])
    video: NDArray[np.uint8] = session.animate(photo, motion, frames=FRAMES).frames
    return video


def softened(latents: Tensor) -> Tensor:
    return latents * 0.5


@pytest.mark.parametrize("backbone", list(CHANNELS))
@pytest.mark.parametrize("kind", KINDS)
def test_an_action_is_given_frames_and_changes_the_video(
    open_session: OpenSession, backbone: str, kind: SiteKind
) -> None:
    plain = film(open_session, backbone, None)
    idle, acting = Probe(kind, lambda latents: latents), Probe(kind, softened)
    assert np.array_equal(film(open_session, backbone, idle), plain)
    assert not np.array_equal(film(open_session, backbone, acting), plain)
    width, height = SIZE
    shape = (1, FRAMES, CHANNELS[backbone], height // 8, width // 8)
    assert acting.shapes == [shape] * CALLS[kind]
    expected: dict[Any, list[int]] = {"network-input": [0, 1], "sampler-step": [0, 1, 2]}
    assert acting.steps == expected.get(kind, [])


@pytest.mark.parametrize("backbone", list(CHANNELS))
def test_one_frame_of_the_image_latent_can_differ(open_session: OpenSession, backbone: str) -> None:
    def last(latents: Tensor) -> Tensor:
        changed = latents.clone()
        changed[:, -1] = 0.0
        return changed

    plain = film(open_session, backbone, None)
    acted = film(open_session, backbone, Probe("image-latent", last))
    moved = np.abs(acted.astype(int) - plain).mean(axis=(1, 2, 3))
    assert moved[-1] > moved[0]
