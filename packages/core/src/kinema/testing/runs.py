"""A whole run on tensors, as a session makes it, for suites that must not miss a site."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.interfaces import Action, Actions, Backbone, Request, SiteKind, StepAction
from kinema.noise import draw_noise
from kinema.sampling import sample


@torch.no_grad()
def run(backbone: Backbone, request: Request, actions: Actions, steps: int = 2) -> Tensor:
    """Clean latents ``(B, T', C, h, w)`` of a request, with ``actions`` at all kinds of sites."""

    def at(kind: SiteKind) -> list[Action]:
        sites = [site for site in backbone.sites if site.kind == kind]
        return [actions[site.name] for site in sites if site.name in actions]

    embeddings = backbone.embed(attrs.evolve(request, terms=dict.fromkeys(request.terms, actions)))
    noise = draw_noise(backbone.latent_shape(request.size, request.frames), [7])
    noise = noise.to(backbone.device)
    for action in at("noise"):
        noise = action(noise)
    return sample(
        backbone,
        embeddings,
        noise,
        SampleConfig(steps=steps),
        at_step=[_as_step_action(action) for action in at("sampler-step")],
        at_input=[_as_step_action(action) for action in at("network-input")],
    )


def _as_step_action(action: Action) -> StepAction:
    return action if isinstance(action, StepAction) else StepAction(action)
