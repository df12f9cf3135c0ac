"""The sampling loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.errors import Cancelled
from kinema.interfaces import Action, Backbone, Term
from kinema.noise import frame_guidance, guide

#: Called after each step with (step from 1, steps, latents (B, T, C, h, w)).
AfterStep = Callable[[int, int, Tensor], None]


def guidance_terms(config: SampleConfig) -> tuple[Term, ...]:
    """The terms that a run with ``config`` will ever need, the conditional one first."""
    terms: list[Term] = ["conditional"]
    if any(config.guided(step) for step in range(config.steps)):
        terms.append("unconditional")
    if config.motion_guidance != 1.0:
        terms.append("motion-free")
    return tuple(terms)


def draw_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Unit noise ``(B, T, C, h, w)``, one seed per video, drawn on the CPU in float32.

    A video's noise is the same on every device and in every batch.
    """
    videos = [
        torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    return torch.stack(videos)


@torch.no_grad()
def sample(
    backbone: Backbone,
    embeddings: Mapping[Term, Any],
    noise: Tensor,
    config: SampleConfig,
    *,
    before_step: Sequence[Action] = (),
    after_step: AfterStep | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Tensor:
    """Denoise unit ``noise`` ``(B, T, C, h, w)`` into clean latents of the same shape.

    Euler or Heun steps of the probability-flow ODE (Karras et al. 2022, algorithm 1 without churn)
    over the backbone's own schedule; each step evaluates all guidance terms at once.

    Args:
        before_step: the actions at ``sampler-step`` sites, applied to the latents in order.
        after_step: called after every step.
        cancel: asked before every step; True ends the run.

    Raises:
        Cancelled: ``cancel`` said so.
    """
    sigmas = backbone.schedule(config).to(noise.device)
    steps = len(sigmas) - 1
    scale = frame_guidance(noise.shape[1], config.guidance_min, config.guidance_max).to(
        noise.device
    )

    def denoise(latents: Tensor, sigma: Tensor, step: int) -> Tensor:
        terms = [term for term in embeddings if term != "unconditional" or config.guided(step)]
        predictions = backbone.denoise(latents, sigma, [embeddings[term] for term in terms])
        by_term = dict(zip(terms, predictions, strict=True))
        return guide(by_term, scale, config.motion_guidance)

    latents = noise * (1.0 + sigmas[0] ** 2).sqrt()
    for step in range(steps):
        if cancel is not None and cancel():
            raise Cancelled(f"The run was cancelled after {step} of {steps} steps.")
        sigma, following = sigmas[step], sigmas[step + 1]
        for act in before_step:
            latents = act(latents)
        denoised = denoise(latents, sigma, step)
        # An Euler step, written so that a step to noise level 0 returns `denoised` exactly.
        moved = denoised + (latents - denoised) * (following / sigma)
        if config.sampler == "heun" and step + 1 < steps:
            slope = (latents - denoised) / sigma
            corrected = (moved - denoise(moved, following, step)) / following
            moved = latents + (following - sigma) * 0.5 * (slope + corrected)
        latents = moved
        if after_step is not None:
            after_step(step + 1, steps, latents)
    return latents
