"""What is learned: the loss of a batch of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kinema import signals
from kinema.clips.dataset import ClipBatch
from kinema.errors import InputError
from kinema.interfaces import Actions, Backbone, Condition, Controller, Request
from kinema.noise import v_loss_weight
from kinema.signals import MotionSignal, Observation
from kinema.training.draws import Draws


class Objective(nn.Module):
    """Denoising of noisy latents, given photo and motion; holds all that is trained.

    Args:
        backbone: ready to be trained, with ``controller`` attached.
        network: what ``Trainable.adapt`` returned.
        controller: None trains the backbone alone.
        conditions: of the controller, in channel order.
        own: the conditions that the backbone reads itself.
        motion_bucket: what every clip is told; None tells the motion measured in it.
    """

    def __init__(
        self,
        backbone: Backbone,
        network: nn.Module,
        controller: Controller | None,
        conditions: Sequence[Condition] = (),
        own: Sequence[Condition] = (),
        motion_bucket: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        module: object = controller
        if isinstance(module, nn.Module):
            self.controlling = module
        self._parts = (backbone, controller)
        self._conditions = tuple(conditions)
        self._own = tuple(own)
        self._bucket = motion_bucket

    def forward(self, batch: ClipBatch, draws: Draws) -> Tensor:
        """The loss of each clip ``(B,)``, float32.

        ``(sigma^2 + 1) / sigma^2`` times the squared error of the denoised latents, as a mean over
        frames, channels and pixels (Stable Video Diffusion; MotionPro, equation 1).
        """
        backbone, controller = self._parts
        device = backbone.device
        sigma = draws.sigma.to(device)
        clean = batch.latents.to(device)
        noisy = clean + sigma.view(-1, 1, 1, 1, 1) * draws.noise.to(device)
        seen = [_moved(observation, device) for observation in batch.observations]
        acts: Actions = {}
        if controller is not None:
            told = self._signal(self._conditions, seen, draws)
            if told is not None:
                acts = controller.actions(told, backbone.sites)
        embedding = backbone.embed(self._request(batch, draws, seen, acts))["conditional"]
        denoised = backbone.denoise(noisy, sigma, [embedding])[0].float()
        error = (denoised - clean).square().mean(dim=(1, 2, 3, 4))
        return v_loss_weight(sigma) * error

    def _request(
        self, batch: ClipBatch, draws: Draws, seen: Sequence[Observation], acts: Actions
    ) -> Request:
        device = self._parts[0].device
        rates = set(batch.fps.tolist())
        if len(rates) != 1:
            raise InputError(
                f"The clips {', '.join(batch.ids)} have different frame rates, {sorted(rates)!r}; "
                "prepare the clips of one training at one rate."
            )
        bucket = batch.motion_length
        if self._bucket is not None:
            bucket = torch.full_like(bucket, float(self._bucket))
        return Request(
            image=batch.images.to(device),
            size=(batch.images.shape[-1], batch.images.shape[-2]),
            frames=batch.latents.shape[1],
            fps=rates.pop(),
            terms={"conditional": acts},
            signal=self._signal(self._own, seen, draws),
            generator=draws.photos,
            cached=_on(batch.encodings, device),
            noise_aug=draws.noise_aug.to(device),
            motion_bucket=bucket.to(device),
            dropped=_on(draws.dropped, device),
        )

    def _signal(
        self, conditions: Sequence[Condition], seen: Sequence[Observation], draws: Draws
    ) -> MotionSignal | None:
        if not conditions:
            return None
        clips = []
        for observation, generator, still in zip(
            seen, draws.conditions, draws.still.tolist(), strict=True
        ):
            parts = [each.from_observation(observation, generator) for each in conditions]
            told = signals.concatenate(parts)
            clips.append(told.without_motion() if still else told)
        return signals.stack(clips).to(self._parts[0].device)


def _on(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _moved(observation: Observation, device: torch.device) -> Observation:
    if observation.displacement.device == device:
        return observation
    return Observation(
        displacement=observation.displacement.to(device),
        visible=observation.visible.to(device),
    )
