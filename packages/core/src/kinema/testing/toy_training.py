"""Toys that can be trained: a backbone with LoRA of its own, a controller with a folder, clips.

They train within milliseconds, so that tests of a training are about the training.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema import offers
from kinema.checkpoints import ControllerRecord
from kinema.clips.clip import Clip
from kinema.errors import WeightsError
from kinema.files import write_atomically
from kinema.hooks import hookimpl
from kinema.interfaces import Actions, Adaptation, Drawn, Modulation, Request, Scene, Site, Term
from kinema.levels import Level
from kinema.noise import Streams, draw_sigma, unit_noise, v_loss_weight, v_preconditioning
from kinema.signals import MotionSignal
from kinema.testing.toys import (
    FEATURES,
    INPUTS,
    STRIDE,
    ToyBackbone,
    ToyBackboneConfig,
    ToyEmbedding,
    ToyShift,
    network_input,
)

LORA = "adapter_model.safetensors"
WEIGHTS = "toy.safetensors"


@attrs.frozen(kw_only=True)
class ToyTrainableConfig:
    """Options of the trainable toy backbone."""

    device: str = "cpu"
    """Where it runs."""
    seed: int = 0
    """Of its random weights."""
    weights: str = ""
    """Folder that save_weights wrote; empty means random weights."""


@attrs.frozen(kw_only=True)
class ToyTrainingConfig:
    """Options of its training."""

    sigma_mean: float = 0.7
    """ln(sigma) of the latents' noise is normal with this mean."""
    sigma_std: float = 1.6
    """Its standard deviation."""
    drop_image_latent: float = 0.1
    """Share of clips without the photo's latent."""


class ToyTrainable(ToyBackbone):
    """The toy backbone with all that training asks of one.

    Its network's first channels see the noise levels' own latents; the photo's latent is noised
    and dropped as asked, and the motion bucket shifts the features.
    """

    def __init__(self, config: ToyTrainableConfig | None = None) -> None:
        config = config or ToyTrainableConfig()
        super().__init__(ToyBackboneConfig(device=config.device, seed=config.seed))
        if config.weights:
            path = Path(config.weights) / WEIGHTS
            if not path.is_file():
                raise WeightsError(f"The toy's weights {str(path)!r} are absent.")
            self.network.load_state_dict(safetensors.torch.load_file(path))
        self.network.requires_grad_(False)
        self.lora: nn.Conv2d | None = None

    def encodings(
        self, image: Tensor, prompts: Sequence[str], frames: int = 1
    ) -> Mapping[str, Tensor]:
        """The mean colour, as an image embedding ``(B, 3)``."""
        return {"colour": image.mean(dim=(2, 3))}

    def draw(
        self,
        config: ToyTrainingConfig,
        streams: Sequence[Streams],
        motion_length: Tensor,
        at: float | None,
    ) -> Drawn:
        """Noise levels as MotionPro draws them, noise on the photo, and what is not told."""
        count = len(streams)
        mean, std = config.sigma_mean, config.sigma_std
        sigma = torch.cat([draw_sigma(1, each.of("sigma"), mean, std) for each in streams])
        strength = torch.cat([draw_sigma(1, s.of("noise_aug"), -3.0, 0.5) for s in streams])
        chance = torch.cat([torch.rand(1, generator=s.of("drop image-latent")) for s in streams])
        dropped = chance < config.drop_image_latent
        if at is not None:
            sigma, dropped = torch.full((count,), at), torch.zeros(count, dtype=torch.bool)
        return Drawn(
            level=Level.exploding(sigma),
            weight=v_loss_weight(sigma),
            dropped={"image-latent": dropped},
            told={"noise_aug": strength, "motion": motion_length},
        )

    def adapt(self, adaptation: Adaptation) -> nn.Module:
        """``lora`` adds a convolution beside the first one."""
        if adaptation.method == "full":
            self.network.requires_grad_(True)
        if adaptation.method == "lora":
            self.lora = nn.Conv2d(INPUTS, FEATURES, 1, bias=False).to(self.device)
            nn.init.zeros_(self.lora.weight)
            self.network.add_module("lora", self.lora)
        return self.network

    def adapter_files(self) -> Mapping[str, bytes]:
        """The convolution that ``adapt`` added."""
        if self.lora is None:
            return {}
        return {LORA: safetensors.torch.save({"weight": self.lora.weight.detach()})}

    def save_weights(self, folder: Path) -> None:
        """All weights, as one file."""
        tensors = {k: v.detach() for k, v in self.network.state_dict().items() if "lora" not in k}
        safetensors.torch.save_file(tensors, folder / WEIGHTS)

    def embed(self, request: Request) -> Mapping[Term, ToyEmbedding]:
        """The image latent, noised and dropped as asked, coloured by the image embedding."""
        image = request.image.to(self.device)
        strength = request.drawn.get("noise_aug")
        if strength is not None:
            noise = unit_noise(tuple(image.shape), request.generators("photo")).to(self.device)
            image = image + strength.view(-1, 1, 1, 1) * noise
        colour = request.cached.get("colour", None)
        told = self.encodings(image, ())["colour"] if colour is None else colour.float()
        told = told.to(self.device) * _kept(request, "image-embedding", len(image), self.device)
        image = image + 0.1 * told[:, :, None, None]
        motion = request.drawn.get("motion")
        if motion is not None:
            image = image + 0.001 * motion.view(-1, 1, 1, 1)
        kept = _kept(request, "image-latent", len(image), self.device)
        image = image * kept.view(-1, 1, 1, 1)
        return super().embed(attrs.evolve(request, image=image))

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[Any]) -> Tensor:
        """As the toy, but its network alone decides, and each video may have its own noise."""
        sigma = level.sigma
        scalings = v_preconditioning(sigma.view(-1, 1, 1, 1, 1) if sigma.ndim else sigma)
        results = []
        for item in embeddings:
            x = network_input(latents * scalings.c_in, item).flatten(0, 1)
            self._acting = [item.feature_action]
            features = self.network.features(x)
            self._acting = []
            if self.lora is not None:
                features = features + self.lora(x)
            raw = self.network.head(F.silu(features)).view(latents.shape)
            results.append(scalings.c_skip * latents + scalings.c_out * raw)
        return torch.stack(results)


def _kept(request: Request, name: str, count: int, device: torch.device) -> Tensor:
    dropped = request.dropped.get(name, torch.zeros(count, dtype=torch.bool))
    return (~dropped).float().view(-1, 1).to(device)


@attrs.frozen(kw_only=True)
class ToyTrainedConfig:
    """Options of the trainable toy controller."""

    weights: str = ""
    """Folder of a trained one."""
    seed: int = 0
    """Of a new one's weights."""


class ToyTrained(nn.Module):
    """A bias at the feature site, with a folder to be saved into."""

    def __init__(self, config: ToyTrainedConfig | None = None) -> None:
        super().__init__()
        self.config = config or ToyTrainedConfig()
        self.bias = nn.Conv2d(2, FEATURES, 1, bias=False)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(self.config.seed)
            self.bias.weight.copy_(torch.randn(FEATURES, 2, 1, 1, generator=generator) * 0.01)
        if self.config.weights:
            path = Path(self.config.weights) / "controller.safetensors"
            self.load_state_dict(safetensors.torch.load_file(path))

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A bias at the feature site."""
        maps = signal.dense()
        maps = maps.flatten(0, 1) if maps.ndim == 5 else maps
        bias = self.bias(F.avg_pool2d(maps[:, :2].to(self.bias.weight), STRIDE))
        return {"features": Modulation(scale=torch.zeros_like(bias), bias=bias, groups=0)}

    def save(
        self,
        folder: Path,
        *,
        conditions: Mapping[str, Mapping[str, Any]],
        manifest: Mapping[str, Any],
        lora: Mapping[str, bytes],
    ) -> Path:
        """Write a controller folder."""
        record = ControllerRecord(
            controller="toy-trained",
            config={"seed": self.config.seed},
            conditions=conditions,
            manifest=json.loads(json.dumps(manifest)),
        )

        def write(part: Path) -> None:
            (part / "lora").mkdir(parents=True)
            state = {key: value.detach() for key, value in self.state_dict().items()}
            safetensors.torch.save_file(state, part / "controller.safetensors")
            record.write(part)
            for name, data in lora.items():
                (part / "lora" / name).write_bytes(data)

        return write_atomically(folder, write)


class ToyTrainingPlugin:
    """A plugin object that offers what a training needs; register it in an isolated manager."""

    @hookimpl
    def kinema_backbones(self) -> Iterator[offers.BackboneOffer]:
        """Offer the trainable toy backbone."""
        yield offers.BackboneOffer(
            name="toy-trainable",
            summary="Two convolutions that can be trained.",
            config=ToyTrainableConfig,
            training=ToyTrainingConfig,
            factory=ToyTrainable,
        )

    @hookimpl
    def kinema_controllers(self) -> Iterator[offers.ControllerOffer]:
        """Offer the trainable toy controller."""
        yield offers.ControllerOffer(
            name="toy-trained",
            summary="A bias that can be trained.",
            config=ToyTrainedConfig,
            factory=ToyTrained,
            conditions=("toy-noisy-shift",),
        )

    @hookimpl
    def kinema_conditions(self) -> Iterator[offers.ConditionOffer]:
        """Offer a condition whose training signal is random."""
        yield offers.ConditionOffer(
            name="toy-noisy-shift",
            summary="The mean motion, everywhere; scaled at random in training.",
            factory=lambda _: ToyNoisyShift(),
        )


class ToyNoisyShift(ToyShift):
    """The toy condition; in training its strength is drawn from the generator."""

    def from_observation(self, observation: Any, generator: torch.Generator) -> MotionSignal:
        """The mean displacement of what was seen, scaled by a draw from [0, 1]."""
        signal = super().from_observation(observation, generator)
        share = torch.rand((), generator=generator).to(signal.dense().device)
        return attrs.evolve(signal, maps=signal.dense() * share)


def toy_clips(count: int, *, size: tuple[int, int] = (32, 16), frames: int = 3) -> list[Clip]:
    """Clips of a moving texture for the trainable toy backbone; the first one does not move."""
    backbone = ToyTrainable()
    width, height = size
    clips = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        first = (torch.rand(3, height, width, generator=generator) * 255).to(torch.uint8)
        step = 2.0 * (number % 3)
        video = torch.stack([first.roll(round(step) * t, dims=2) for t in range(frames)])
        moved = torch.zeros(frames, height // 4, width // 4, 2)
        moved[..., 0] = step * torch.arange(frames).view(-1, 1, 1)
        clips.append(
            Clip(
                id=f"toy-{number}",
                latents=backbone.encode(video[None].float() / 255)[0].half(),
                encodings={
                    name: value[0].half()
                    for name, value in backbone.encodings(first[None].float() / 255, ()).items()
                },
                first_frame=first,
                displacement=moved,
                visible=torch.ones(frames, height // 4, width // 4, dtype=torch.bool),
                fps=8.0,
                motion_length=float(moved.norm(dim=-1).mean()),
            )
        )
    return clips


toy_training_plugin = ToyTrainingPlugin()
