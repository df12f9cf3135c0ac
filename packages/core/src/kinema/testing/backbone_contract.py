"""The conformance suite of backbones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.interfaces import Actions, Backbone, Controller, Request, Site
from kinema.noise import Streams
from kinema.signals import MotionSignal
from kinema.testing.contracts import Contract, denoise_once
from kinema.testing.runs import run
from kinema.testing.scenes import textured


class _Silent:
    """A controller that acts nowhere: attaching it must be harmless."""

    def actions(self, signal: MotionSignal, sites: Any, scenes: Any) -> Actions:
        return {}


class _Acts:
    """A controller that acts strongly at one site, and remembers what it was given there."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.given: list[tuple[int, ...]] = []

    def actions(self, signal: MotionSignal | None, sites: Any, scenes: Any) -> Actions:
        return {self._site.name: self._act}

    def _act(self, tensor: Tensor, *step: Any) -> Tensor:
        self.given.append(tuple(tensor.shape))
        ramp = torch.linspace(0.5, 1.5, tensor.shape[-1], device=tensor.device)
        return (2.0 - tensor) * ramp.to(tensor.dtype)


class BackboneContract(Contract):
    """Promises of a backbone. Define :meth:`make`.

    Attributes:
        size: (width, height) of the videos of the tests; 96x64 unless yours cannot make that.
        frames: their T; 5 unless yours cannot make that.
    """

    size = (96, 64)
    frames = 5

    def make(self) -> Backbone:
        """The backbone under test, small enough for a CPU."""
        raise NotImplementedError("A BackboneContract needs make().")

    def signal(self) -> MotionSignal | None:
        """What the conditions named by the backbone's own offer would give, or None."""
        return None

    def controller(self, sites: tuple[Site, ...]) -> Controller | None:
        """A controller to attach; by default one that acts nowhere."""
        return _Silent()

    def request(self) -> Request:
        """A request with a textured photo."""
        width, height = self.size
        return Request(
            image=textured(height, width)[None],
            size=self.size,
            frames=self.frames,
            fps=8.0,
            terms={"conditional": {}, "unconditional": {}},
            signal=self.signal(),
            streams=[Streams(0)],
        )

    def video(self, backbone: Backbone, actions: Actions | None = None) -> Tensor:
        """Two sampling steps, decoded, with ``actions`` at the backbone's sites."""
        with torch.no_grad():
            return backbone.decode(run(backbone, self.request(), actions or {}))

    def test_it_is_a_backbone(self) -> None:
        """It has the protocol's members."""
        assert isinstance(self.make(), Backbone)

    def test_sites_have_their_own_names(self) -> None:
        """Controllers find sites by name; feature sites say where the module is."""
        sites = self.make().sites
        assert len({site.name for site in sites}) == len(sites)
        assert all(bool(site.module) == (site.kind == "feature") for site in sites)

    @pytest.mark.parametrize("size", [(1, 1), (50, 70), (1001, 33)])
    @pytest.mark.parametrize("frames", [1, 2, 7, 1000])
    def test_the_nearest_form_is_one_it_makes(self, size: tuple[int, int], frames: int) -> None:
        """Nearest is its own nearest, and a video has at least two frames."""
        backbone = self.make()
        near_size, near_frames = backbone.nearest(size, frames)
        assert near_frames >= 2
        assert backbone.nearest(near_size, near_frames) == (near_size, near_frames)

    def test_it_makes_the_tested_form(self) -> None:
        """nearest() agrees with what follows."""
        assert self.make().nearest(self.size, self.frames) == (self.size, self.frames)

    def test_the_schedule_goes_from_noise_to_clean(self) -> None:
        """Noise against signal decreases, to sigma 0."""
        schedule = self.make().schedule(SampleConfig(steps=4))
        assert float(schedule.sigmas[-1]) == 0.0
        ratio = schedule.sigmas.double() / schedule.alphas.double().clamp_min(1e-12)
        assert bool((ratio[:-1] > ratio[1:]).all())

    def test_guidance_knows_every_step(self) -> None:
        """One scale per step of the schedule, not of the config."""
        backbone, config = self.make(), SampleConfig(steps=4)
        schedule = backbone.schedule(config)
        frames = backbone.latent_shape(self.size, self.frames)[0]
        guidance = backbone.guidance(config, schedule, frames)
        assert len(guidance.scales) == schedule.steps
        assert guidance.terms[0] == "conditional"

    @torch.no_grad()
    def test_a_denoised_term_has_the_form_of_the_latents(self) -> None:
        """(G, B, T, C, h, w) for G embeddings."""
        backbone = self.make()
        embeddings = list(backbone.embed(self.request()).values())
        shape = (1, *backbone.latent_shape(self.size, self.frames))
        latents = torch.zeros(shape, device=backbone.device)
        level = backbone.schedule(SampleConfig(steps=4))[0]
        denoised = backbone.denoise(latents, level, embeddings)
        assert denoised.shape == (len(embeddings), *shape)

    def test_frames_are_pixels(self) -> None:
        """Decoded frames are (B, T, 3, H, W) in [0, 1]."""
        video = self.video(self.make())
        width, height = self.size
        assert video.shape == (1, self.frames, 3, height, width)
        assert float(video.min()) >= 0.0
        assert float(video.max()) <= 1.0

    def test_the_same_seed_gives_the_same_video(self) -> None:
        """Nothing but the noise and the request decides."""
        backbone = self.make()
        assert torch.equal(self.video(backbone), self.video(backbone))

    @torch.no_grad()
    def test_encoding_gives_latents(self) -> None:
        """encode() and latent_shape() agree."""
        backbone = self.make()
        width, height = self.size
        frames = textured(height, width).expand(1, self.frames, -1, -1, -1)
        latents = backbone.encode(frames.to(backbone.device))
        assert tuple(latents.shape) == (1, *backbone.latent_shape(self.size, self.frames))

    def test_every_site_that_is_listed_is_acted_on(self) -> None:
        """An action at any site is given a tensor of the promised form, and changes the video."""
        backbone = self.make()
        plain = self.video(backbone)
        frames = backbone.latent_shape(self.size, self.frames)[0]
        for site in backbone.sites:
            controller = _Acts(site)
            detach = backbone.attach(controller)
            try:
                acted = self.video(backbone, controller.actions(None, backbone.sites, ()))
            finally:
                detach()
            assert controller.given, f"nothing at the site {site.name!r} calls its action"
            assert not torch.equal(plain, acted), f"an action at {site.name!r} changes nothing"
            rows = 1 + (self.frames - 1) // site.temporal_stride
            sides = (-(-self.size[1] // site.stride), -(-self.size[0] // site.stride))
            for shape in controller.given:
                if site.kind == "feature":
                    assert shape[0] % rows == 0, f"{site.name!r} has {shape}, no (B * T', ...)"
                    assert shape[1:] == (site.channels, *sides)
                else:
                    assert shape == (1, frames, site.channels, *sides), f"at {site.name!r}"

    def test_detaching_restores_the_model(self) -> None:
        """After attach, run and detach, the backbone gives the same video, bit for bit."""
        backbone = self.make()
        controller = self.controller(backbone.sites)
        if controller is None:
            return
        before = self.video(backbone)
        signal = self.signal() or MotionSignal(
            maps=torch.ones(self.frames, 3, self.size[1], self.size[0]),
            channels=("dx", "dy", "mask"),
        )
        denoise_once(backbone, controller, signal)
        assert torch.equal(before, self.video(backbone))
