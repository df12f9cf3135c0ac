"""A backbone small enough to read, and controllers that act at each of its sites.

The toy is a real denoiser of the protocol: it samples, guides, decodes and trains like a video
model, with a network of two convolutions. It shows where each family of motion control acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema import offers
from kinema.config import SampleConfig
from kinema.errors import InputError, MotionError
from kinema.hooks import hookimpl
from kinema.interfaces import (
    Action,
    Actions,
    Controller,
    Detach,
    Guidance,
    Modulation,
    Request,
    Scene,
    Site,
    Term,
    frame_guidance,
)
from kinema.levels import Level, Schedule, edm_schedule
from kinema.motion.canvas import Size
from kinema.noise import seeded, v_preconditioning
from kinema.signals import MotionSignal

STRIDE = 8
FEATURES = 8

#: Channels of the network's input: noisy latents, image latent, its mask, extra channels.
INPUTS = 3 + 3 + 1 + 2


@attrs.frozen(kw_only=True)
class ToyBackboneConfig:
    """Options of the toy backbone."""

    device: str = "cpu"
    """Where it runs."""
    seed: int = 0
    """Of its random weights."""


@attrs.frozen(eq=False, kw_only=True)
class ToyEmbedding:
    """One guidance term: what is seen beside the noisy latents, and the feature site's action."""

    image_latent: Tensor
    mask: Tensor
    extra: Tensor
    feature_action: Action | None


class ToyNetwork(nn.Module):
    """Two convolutions; the output of the first is the feature site."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(INPUTS, FEATURES, 3, padding=1)
        self.head = nn.Conv2d(FEATURES, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B * T, 9, h, w)`` to ``(B * T, 3, h, w)``."""
        result: Tensor = self.head(F.silu(self.features(x)))
        return result


class ToyBackbone:
    """Latents are the frames averaged over 8x8 pixels; see the module's docstring."""

    sites: tuple[Site, ...] = (
        Site(name="features", kind="feature", channels=FEATURES, stride=STRIDE, module="features"),
        Site(name="image-latent", kind="image-latent", channels=3, stride=STRIDE),
        Site(name="image-mask", kind="image-mask", channels=1, stride=STRIDE),
        Site(name="extra-channels", kind="extra-channels", channels=2, stride=STRIDE),
        Site(name="noise", kind="noise", channels=3, stride=STRIDE),
        Site(name="network-input", kind="network-input", channels=3, stride=STRIDE),
        Site(name="sampler-step", kind="sampler-step", channels=3, stride=STRIDE),
    )

    def __init__(self, config: ToyBackboneConfig | None = None) -> None:
        config = config or ToyBackboneConfig()
        self.device = torch.device(config.device)
        self.dtype = torch.float32
        with seeded(config.seed):
            self.network = ToyNetwork().to(self.device).eval()
        self._acting: list[Action | None] = []

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Sizes are multiples of 8, frames at least 2."""
        width, height = (max(STRIDE, round(side / STRIDE) * STRIDE) for side in size)
        return (width, height), max(2, frames)

    def attach(self, controller: Controller) -> Detach:
        """Let the feature site be acted on; see :meth:`denoise`."""

        def act(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if not self._acting:
                return output
            parts = output.chunk(len(self._acting))
            acted = [
                part if action is None else action(part)
                for part, action in zip(parts, self._acting, strict=True)
            ]
            return torch.cat(acted)

        return self.network.features.register_forward_hook(act).remove

    def embed(self, request: Request) -> Mapping[Term, ToyEmbedding]:
        """The image latent of each term, with that term's action applied."""
        latent = F.avg_pool2d(request.image.to(self.device), STRIDE) * 2 - 1
        latents = latent[:, None].expand(-1, request.frames, -1, -1, -1)
        embeddings: dict[Term, ToyEmbedding] = {}
        for term, actions in request.terms.items():
            image_latent = torch.zeros_like(latents) if term == "unconditional" else latents
            mask = torch.zeros_like(latents[:, :, :1])
            mask[:, 0] = 1.0  # the first frame is given
            told = {
                "image-latent": image_latent,
                "image-mask": mask,
                "extra-channels": torch.zeros_like(latents[:, :, :2]),
            }
            told |= {site: actions[site](told[site]) for site in told if site in actions}
            embeddings[term] = ToyEmbedding(
                image_latent=told["image-latent"],
                mask=told["image-mask"],
                extra=told["extra-channels"],
                feature_action=actions.get("features"),
            )
        return embeddings

    def latent_shape(self, size: Size, frames: int) -> tuple[int, int, int, int]:
        """(T, 3, H / 8, W / 8)."""
        return frames, 3, size[1] // STRIDE, size[0] // STRIDE

    def schedule(self, config: SampleConfig) -> Schedule:
        """The EDM schedule of Stable Video Diffusion."""
        return Schedule.exploding(edm_schedule(config.steps))

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        """From 1.0 in the first frame to 2.5 in the last."""
        scale = frame_guidance(frames, 1.0, 2.5)
        return Guidance([scale] * schedule.steps, config.motion_guidance)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        """Noise of the first level's strength."""
        return noise * (1.0 + level.sigma**2).sqrt()

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        """All terms in one call of the network."""
        scalings = v_preconditioning(level.sigma)
        stacked = torch.stack([network_input(latents * scalings.c_in, e) for e in embeddings])
        self._acting = [item.feature_action for item in embeddings]
        try:
            raw = self.network(stacked.flatten(0, 2)).view(len(embeddings), *latents.shape)
        finally:
            self._acting = []
        photo = torch.stack([item.image_latent for item in embeddings])
        # The raw network is random: let the photo dominate, so that results look like something.
        return photo + 0.1 * torch.tanh(raw) + 0.1 * scalings.c_skip * latents

    def decode(self, latents: Tensor) -> Tensor:
        """Nearest-neighbour upsampling."""
        pixels = F.interpolate(latents.flatten(0, 1), scale_factor=STRIDE)
        return (pixels / 2 + 0.5).clamp(0, 1).view(*latents.shape[:2], *pixels.shape[1:])

    def encode(self, frames: Tensor) -> Tensor:
        """Averages over 8x8 pixels."""
        pooled = F.avg_pool2d(frames.flatten(0, 1), STRIDE) * 2 - 1
        return pooled.view(*frames.shape[:2], *pooled.shape[1:])

    def choices(self, embeddings: Mapping[Term, Any]) -> Mapping[str, Any]:
        """It decides nothing."""
        return {}


def network_input(latents: Tensor, embedding: ToyEmbedding) -> Tensor:
    """Scaled latents and what is told beside them, ``(B, T, 9, h, w)``."""
    told = [embedding.image_latent, embedding.mask, embedding.extra]
    return torch.cat([latents, *told], dim=2)


def _mean_displacement(signal: MotionSignal, latent: Tensor) -> Tensor:
    """Mean dx, dy per frame in latent pixels, ``(B, T, 2)`` (B is 1 for an unbatched signal)."""
    maps = signal.dense()
    maps = maps if maps.ndim == 5 else maps[None]
    return maps[:, :, :2].mean(dim=(-2, -1)).to(latent.device) / STRIDE


def _require(sites: Sequence[Site], name: str, kind: str) -> Site:
    for site in sites:
        if site.kind == kind:
            return site
    raise InputError(f"{name} needs a site of the kind {kind!r}; the backbone has none.")


class ToyFeatureController(nn.Module):
    """Family 1, feature modulation: a bias from the signal, zero at initialisation."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Conv2d(2, FEATURES, 1, bias=False)
        nn.init.zeros_(self.bias.weight)

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A bias at the first feature site."""
        site = _require(sites, "The toy feature controller", "feature")
        maps = signal.dense()
        maps = maps.flatten(0, 1) if maps.ndim == 5 else maps
        bias = self.bias(F.avg_pool2d(maps[:, :2], site.stride))
        return {site.name: Modulation(scale=torch.zeros_like(bias), bias=bias, groups=0)}


class ToyLatentController:
    """Family 2, latent propagation: the image latent of frame t is shifted by the mean motion."""

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A shift at the image latent."""
        site = _require(sites, "The toy latent controller", "image-latent")

        def propagate(latent: Tensor) -> Tensor:
            shifts = _mean_displacement(signal, latent).round().long().expand(len(latent), -1, -1)
            moved = latent.clone()
            for b, t in _pairs(latent):
                dx, dy = shifts[b, t].tolist()
                moved[b, t] = latent[b, t].roll((dy, dx), dims=(-2, -1))
            return moved

        return {site.name: propagate}


class ToyNoiseController:
    """Family 4, noise: the noise of frame t is that of frame 0, shifted by the mean motion."""

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A shift of the initial noise."""
        site = _require(sites, "The toy noise controller", "noise")

        def carry(noise: Tensor) -> Tensor:
            shifts = _mean_displacement(signal, noise).round().long().expand(len(noise), -1, -1)
            moved = noise.clone()
            for b, t in _pairs(noise):
                dx, dy = shifts[b, t].tolist()
                moved[b, t] = noise[b, 0].roll((dy, dx), dims=(-2, -1))
            return moved

        return {site.name: carry}


def _pairs(latents: Tensor) -> Iterator[tuple[int, int]]:
    return ((b, t) for b in range(latents.shape[0]) for t in range(latents.shape[1]))


def _build(kind: type[Any]) -> Callable[[Any], Any]:
    return lambda config: kind()


class ToyPlugin:
    """A plugin object that offers the toys; register it in an isolated manager."""

    @hookimpl
    def kinema_backbones(self) -> Iterator[offers.BackboneOffer]:
        """Offer the toy backbone."""
        yield offers.BackboneOffer(
            name="toy",
            summary="Two convolutions, for tests.",
            config=ToyBackboneConfig,
            factory=ToyBackbone,
        )

    @hookimpl
    def kinema_controllers(self) -> Iterator[offers.ControllerOffer]:
        """Offer one controller per kind of site."""
        kinds: dict[str, type[Any]] = {
            "toy-feature": ToyFeatureController,
            "toy-latent": ToyLatentController,
            "toy-noise": ToyNoiseController,
        }
        for name, kind in kinds.items():
            yield offers.ControllerOffer(
                name=name,
                summary=f"Acts at the site that {name} is named after.",
                factory=_build(kind),
                conditions=("toy-shift",),
            )

    @hookimpl
    def kinema_conditions(self) -> Iterator[offers.ConditionOffer]:
        """Offer a condition that needs nothing installed."""
        yield offers.ConditionOffer(
            name="toy-shift",
            summary="The mean of all drags, everywhere.",
            factory=lambda _: ToyShift(),
        )


class ToyShift:
    """A condition: every pixel moves by the mean of the drags' displacements."""

    channels = ("dx", "dy")

    def from_motion(self, motion: Any, scene: Any) -> MotionSignal:
        """The mean displacement as constant maps ``(T, 2, H, W)``."""
        if motion.camera is not None:
            raise MotionError("The toy shift knows no camera; take the camera out of the Motion.")
        width, height = motion.canvas
        paths = [torch.from_numpy(drag.path(scene.frames)) for drag in motion.drags]
        shift = torch.zeros(scene.frames, 2, dtype=torch.float64)
        if paths:
            shift = torch.stack([path - path[:1] for path in paths]).mean(0)
        maps = shift.float()[:, :, None, None].expand(-1, -1, height, width)
        return MotionSignal(maps=maps, channels=self.channels)

    def from_observation(self, observation: Any, generator: torch.Generator) -> MotionSignal:
        """The mean displacement of what was seen; nothing about it is random."""
        mean = observation.displacement.mean(dim=(1, 2))
        height, width = observation.visible.shape[1:]
        maps = mean[:, :, None, None].expand(-1, -1, height, width)
        return MotionSignal(maps=maps, channels=self.channels)


toy_plugin = ToyPlugin()
