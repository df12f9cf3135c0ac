"""The published network, loss and sampler, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.noise import draw_sigma, v_loss_weight
from kinema.sampling import sample
from kinema.signals import MotionSignal
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.network import Embedding
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes

Reference = dict[str, Tensor]
Controlled = tuple[SvdBackbone, Embedding, Embedding]


@pytest.fixture(params=["fast", "plain"])
def controlled(
    request: pytest.FixtureRequest, tiny_sizes: NetworkSizes, converted: Path, reference: Reference
) -> Controlled:
    """The controlled backbone and its conditional and unconditional embedding."""
    plain = SvdConfig(fold_cross_attention=False, merge_lora=False, batch_terms=False)
    config = SvdConfig() if request.param == "fast" else plain
    backbone = build_from_sizes(tiny_sizes, config, unet=converted / "base" / "unet")
    controller = load_controller(converted)
    backbone.attach(controller)
    signal = MotionSignal(maps=reference["in.flow_and_mask"], channels=("dx", "dy", "mask"))
    names = ("in.image_embeds", "in.image_latents", "in.added_time_ids")
    embeds, latents, ids = (reference[name] for name in names)
    with torch.no_grad():
        actions = controller.actions(signal, backbone.sites)
        conditional = backbone.embedding(embeds, latents, ids, actions)
        unconditional = backbone.embedding(0 * embeds, 0 * latents, ids, actions)
    return backbone, conditional, unconditional


def difference(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


@torch.no_grad()
def test_encoder_features(converted: Path, reference: Reference) -> None:
    features = load_controller(converted).encoder(reference["in.flow_and_mask"][None])
    for index, feature in enumerate(features):
        assert difference(feature, reference[f"out.encoder_feature_{index}"]) <= 1e-6


@torch.no_grad()
def test_raw_output(controlled: Controlled, reference: Reference) -> None:
    backbone, conditional, _ = controlled
    output = backbone.raw(
        reference["in.unet_input"][None], reference["in.c_noise"][0], [conditional]
    )
    assert difference(output[0, 0], reference["out.unet_out"]) <= 2e-5


@torch.no_grad()
def test_denoised_and_loss(controlled: Controlled, reference: Reference) -> None:
    backbone, conditional, _ = controlled
    clean, noise, sigma = reference["in.clean_latents"], reference["in.noise"], torch.tensor(3.1)
    denoised = backbone.denoise((clean + sigma * noise)[None], sigma, [conditional])[0, 0]
    assert difference(denoised, reference["out.denoised_sigma3.1"]) <= 2e-5
    loss = (v_loss_weight(sigma) * (denoised - clean) ** 2).mean(dim=(1, 2, 3))
    assert difference(loss, reference["out.loss_per_frame"]) <= 5e-5


def test_sampled_latents(controlled: Controlled, reference: Reference) -> None:
    backbone, conditional, unconditional = controlled
    config = SampleConfig(steps=4)
    assert difference(backbone.schedule(config).sigmas, reference["out.sigmas"]) == 0
    embeddings = {"conditional": conditional, "unconditional": unconditional}
    latents = sample(backbone, embeddings, reference["in.noise"][None], config)  # type: ignore[arg-type]
    assert difference(latents[0], reference["out.sampled_latents"]) <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize("controlled", ["plain"], indirect=True)
def test_the_norms_epsilon_matters(
    tiny_sizes: NetworkSizes, converted: Path, controlled: Controlled, reference: Reference
) -> None:
    _, conditional, _ = controlled
    other = SvdConfig(resnet_eps=1e-6, fold_cross_attention=False)
    backbone = build_from_sizes(tiny_sizes, other, unet=converted / "base" / "unet")
    backbone.attach(load_controller(converted))
    output = backbone.raw(
        reference["in.unet_input"][None], reference["in.c_noise"][0], [conditional]
    )
    assert difference(output[0, 0], reference["out.unet_out"]) > 5e-5


@torch.no_grad()
def test_the_training_loss_with_a_noise_level_per_clip(
    controlled: Controlled, reference: Reference
) -> None:
    """Two clips, the reference's at its own noise level beside another one."""
    backbone, conditional, _ = controlled
    both = _twice(backbone, reference)
    clean, noise = (reference[name][None] for name in ("in.clean_latents", "in.noise"))
    sigma = torch.tensor([3.1, 0.4])
    noisy = clean + sigma.view(-1, 1, 1, 1, 1) * noise
    denoised = backbone.denoise(noisy, sigma, [both])[0]
    error = (denoised - clean).square().mean(dim=(2, 3, 4))
    loss = v_loss_weight(sigma)[:, None] * error
    assert difference(loss[0], reference["out.loss_per_frame"]) <= 5e-5
    alone = backbone.denoise(noisy[1:], sigma[1], [conditional])[0]
    assert difference(denoised[1:], alone) <= 2e-5


def _twice(backbone: SvdBackbone, reference: Reference) -> Embedding:
    """The reference's embedding for a batch of two."""
    controller: Any = backbone._attached
    maps = reference["in.flow_and_mask"].expand(2, -1, -1, -1, -1)
    signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
    names = ("in.image_embeds", "in.image_latents", "in.added_time_ids")
    embeds, latents, ids = (reference[n].expand(2, *reference[n].shape[1:]) for n in names)
    return backbone.embedding(embeds, latents, ids, controller.actions(signal, backbone.sites))


def test_noise_is_drawn_as_published() -> None:
    """ln(sigma) ~ N(0.7, 1.6^2) for latents; the photo's ln(strength) ~ N(-3, 0.5^2)."""
    for options, mean, std in (((), 0.7, 1.6), ((-3.0, 0.5), -3.0, 0.5)):
        drawn = draw_sigma(20_000, torch.Generator().manual_seed(0), *options).log()
        assert float(drawn.mean()) == pytest.approx(mean, abs=0.03)
        assert float(drawn.std()) == pytest.approx(std, rel=0.02)
