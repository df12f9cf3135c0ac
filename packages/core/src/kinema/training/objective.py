"""What is learned: the loss of a batch of clips."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kinema.clips.dataset import ClipBatch
from kinema.errors import InputError
from kinema.interfaces import Actions, GivesFrames, Request, Scene
from kinema.session.steering import Steering
from kinema.signals import MotionSignal, Observation
from kinema.training.draws import Draws


class Objective(nn.Module):
    """Denoising of noisy latents, given photo, text and motion; holds all that is trained.

    Args:
        steering: the backbone, ready to be trained, and what steers it.
        network: what ``Trainable.adapt`` returned.
    """

    def __init__(self, steering: Steering, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        module: object = steering.controller and steering.controller.built
        if isinstance(module, nn.Module):
            self.controlling = module
        self._steering = steering

    def forward(self, batch: ClipBatch, draws: Draws) -> Tensor:
        """The loss of each clip ``(B,)``, float32.

        The backbone's weight times the squared error of the clean prediction, as a mean over
        frames, channels and pixels (Stable Video Diffusion; MotionPro, equation 1). In flow
        matching that weight makes it the squared error of the velocity. Frames that the backbone
        is given clean do not count.
        """
        steering = self._steering
        backbone = steering.backbone.built
        device = backbone.device
        level = draws.drawn.level.to(device)
        clean = batch.latents.to(device)
        noisy = level.noisy(clean, draws.noise.to(device))
        observations = [_moved(observation, device) for observation in batch.observations]
        generators = [streams.of("conditions") for streams in draws.streams]
        seen = list(zip(observations, generators, draws.still.tolist(), strict=True))
        scenes = [Scene(frames=batch.frames, image=image.to(device)) for image in batch.images]
        acts = steering.actions(steering.seen(steering.control, seen), scenes)
        own = steering.seen(steering.own, seen)
        embedding = backbone.embed(self._request(batch, draws, own, acts))["conditional"]
        predicted = backbone.denoise(noisy, level, [embedding])[0].float()
        first = backbone.given_frames if isinstance(backbone, GivesFrames) else 0
        error = (predicted - clean)[:, first:].square().mean(dim=(1, 2, 3, 4))
        return draws.drawn.weight.to(device) * error

    def _request(
        self, batch: ClipBatch, draws: Draws, own: MotionSignal | None, acts: Actions
    ) -> Request:
        device = self._steering.backbone.built.device
        rates = set(batch.fps.tolist())
        if len(rates) != 1:
            raise InputError(
                f"The clips {', '.join(batch.ids)} have different frame rates, {sorted(rates)!r}; "
                "prepare the clips of one training at one rate."
            )
        return Request(
            image=batch.images.to(device),
            size=(batch.images.shape[-1], batch.images.shape[-2]),
            frames=batch.frames,
            fps=rates.pop(),
            terms={"conditional": acts},
            signal=own,
            streams=draws.streams,
            prompts=batch.captions if any(batch.captions) else (),
            cached=_on(batch.encodings, device),
            dropped=_on(draws.drawn.dropped, device),
            drawn=_on(draws.drawn.told, device),
        )


def _on(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _moved(observation: Observation, device: torch.device) -> Observation:
    if observation.displacement.device == device:
        return observation
    return Observation(
        displacement=observation.displacement.to(device),
        visible=observation.visible.to(device),
    )
