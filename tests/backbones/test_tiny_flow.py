"""The backbone tiny-flow: a diffusion transformer with sites, and its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema import Drag, Motion, Session
from kinema.errors import InputError, WeightsError
from kinema.interfaces import Adaptation, Backbone, Request, Trainable
from kinema.levels import Level
from kinema.noise import Streams, seeded
from kinema.signals import MotionSignal
from kinema.testing import BackboneContract
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import CONTROLLERS, ModulationController
from kinema_backbones.control.latent_copy import LatentCopy
from kinema_backbones.control.latent_splat import LatentSplat
from kinema_backbones.tiny_flow.backbone import TinyFlowBackbone, load_network
from kinema_backbones.tiny_flow.config import TinyFlowConfig, TinyFlowTraining
from kinema_backbones.tiny_flow.network import Scalings, Sizes, Transformer, clean_prediction


def untrained(seed: int = 0, **options: Any) -> TinyFlowBackbone:
    return TinyFlowBackbone.of(
        TinyFlowConfig(untrained=True, seed=seed, width=64, depth=2, **options)
    )


def awake(seed: int = 0) -> TinyFlowBackbone:
    """A backbone whose zero weights are random, so that everything in it has an effect."""
    backbone = untrained(seed)
    with seeded(seed), torch.no_grad():
        for parameter in backbone.network.parameters():
            if not bool(parameter.any()):
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    return backbone


class TestTinyFlow(BackboneContract):
    size = (64, 48)
    frames = 3

    def make(self) -> Backbone:
        return awake()


def request_of(**terms: Any) -> Request:
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))
    told: Any = terms or {"conditional": {}}
    return Request(image=image, size=(48, 32), frames=4, fps=8.0, terms=told)


def noisy(sigma: float) -> tuple[Tensor, Level]:
    latents = torch.randn(1, 4, 16, 4, 6, generator=torch.Generator().manual_seed(4))
    return latents, Level.flow(torch.tensor(sigma))


@torch.no_grad()
def test_an_untrained_network_holds_still_at_strong_noise() -> None:
    backbone = untrained()
    embedding = backbone.embed(request_of())["conditional"]
    latents, level = noisy(1.0)
    clean = backbone.denoise(latents, level, [embedding])[0]
    assert torch.equal(clean, embedding.photo.expand_as(clean))


def test_scalings_bring_input_and_target_to_one() -> None:
    generator = torch.Generator().manual_seed(0)
    clean = 0.5 * torch.randn(100_000, generator=generator)
    noise = torch.randn(100_000, generator=generator)
    for sigma in (0.05, 0.5, 0.95, 1.0):
        level = Level.flow(torch.tensor(sigma))
        scalings = Scalings.of(level)
        x = level.noisy(clean[:, None], noise[:, None])[:, 0]
        target = (clean - scalings.c_skip * x) / scalings.c_out
        assert float((scalings.c_in * x).std()) == pytest.approx(1.0, rel=0.02)
        assert float(target.std()) == pytest.approx(1.0, rel=0.02)


@torch.no_grad()
def test_the_condition_is_the_photo_in_the_first_frame_alone() -> None:
    embedding = untrained().embed(request_of())["conditional"]
    assert embedding.condition.shape == (1, 4, 17, 4, 6)
    assert torch.equal(embedding.condition[:, 0, 1:], embedding.photo[:, 0])
    assert bool((embedding.condition[:, 0, 0] == 1).all())
    assert not bool(embedding.condition[:, 1:].any())


def tracks() -> MotionSignal:
    places = torch.tensor([[[4.0, 4.0]], [[12.0, 4.0]], [[20.0, 12.0]], [[28.0, 12.0]]])
    return MotionSignal(tracks=places, visible=torch.ones(4, 1, dtype=torch.bool))


@torch.no_grad()
@pytest.mark.parametrize("controller", [LatentCopy(), LatentSplat()])
def test_tracks_change_the_later_frames_of_the_condition(controller: Any) -> None:
    backbone = awake()
    acts = controller.actions(tracks(), backbone.sites)
    plain = backbone.embed(request_of())["conditional"]
    acted = backbone.embed(request_of(conditional=acts))["conditional"]
    assert torch.equal(acted.condition[:, 0], plain.condition[:, 0])
    assert bool((acted.condition[:, 1:, 1:] != 0).any(dim=(0, 2, 3, 4)).all())
    # Only latent-splat says in the mask where it has been.
    assert bool(acted.condition[:, 1:, 0].any()) == isinstance(controller, LatentSplat)
    latents, level = noisy(0.9)
    clean = backbone.denoise(latents, level, [plain, acted])
    assert not torch.equal(clean[0], clean[1])


@torch.no_grad()
@pytest.mark.parametrize("name", CONTROLLERS)
def test_controllers_of_feature_sites_change_nothing_until_they_have_learned(name: str) -> None:
    backbone = awake()
    plain = backbone.embed(request_of())["conditional"]
    latents, level = noisy(0.9)
    before = backbone.denoise(latents, level, [plain])
    controller = CONTROLLERS[name](ControllerConfig(channels=3))
    detach = backbone.attach(controller)
    maps = torch.randn(4, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
    acts = controller.actions(signal, backbone.sites)
    told = backbone.embed(request_of(conditional=acts))["conditional"]
    assert set(told.actions) == {"patches", "block-1"}
    assert torch.allclose(backbone.denoise(latents, level, [told]), before, atol=1e-6)
    with seeded(0):
        for parameter in controller.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    acts = controller.actions(signal, backbone.sites)
    told = backbone.embed(request_of(conditional=acts))["conditional"]
    assert not torch.allclose(backbone.denoise(latents, level, [told]), before, atol=1e-3)
    detach()
    assert torch.equal(backbone.denoise(latents, level, [plain]), before)


@torch.no_grad()
def test_weights_come_back_from_a_folder(tmp_path: Path) -> None:
    backbone = awake(seed=3)
    backbone.save_weights(tmp_path)
    loaded = load_network(tmp_path)
    for name, tensor in backbone.network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    (tmp_path / "tiny-flow.json").write_text('{"format": "another"}')
    with pytest.raises(WeightsError, match=r"tiny-flow\.json"):
        load_network(tmp_path)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_learns_with_a_controller_and_is_itself_again(method: Any) -> None:
    backbone = awake()
    assert isinstance(backbone, Trainable)
    before = {name: p.clone() for name, p in backbone.network.state_dict().items()}
    controller = ModulationController(ControllerConfig(channels=3))
    detach = backbone.attach(controller)
    network = backbone.adapt(Adaptation(method=method, rank=2, checkpointing=True))
    drawn = backbone.draw(TinyFlowTraining(), [Streams("a")], torch.ones(1))
    latents, _ = noisy(0.5)
    maps = torch.randn(4, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
    acts = controller.actions(signal, backbone.sites)
    embedding = backbone.embed(request_of(conditional=acts))["conditional"]
    backbone.denoise(latents, drawn.level, [embedding]).square().mean().backward()
    trained = [p for p in network.parameters() if p.requires_grad]
    assert trained
    assert any(p.grad is not None and bool(p.grad.any()) for p in trained)
    assert any(p.grad is not None and bool(p.grad.any()) for p in controller.parameters())
    assert bool(backbone.adapter_files()) == (method == "lora")
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(1.0)
    detach()
    after = backbone.network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_levels_of_training_are_those_of_flow_matching() -> None:
    drawn = untrained().draw(
        TinyFlowTraining(), [Streams(str(n)) for n in range(64)], torch.ones(64)
    )
    assert torch.equal(drawn.level.alpha, 1 - drawn.level.sigma)
    assert torch.allclose(drawn.weight, 1 / drawn.level.sigma**2)
    assert 0.7 < float(drawn.level.sigma.median()) < 0.9


def test_options_out_of_range_are_refused() -> None:
    for options in ({"width": 48}, {"depth": 0}, {"dtype": "float16"}):
        with pytest.raises(InputError):
            TinyFlowConfig(untrained=True, **options)
    with pytest.raises(InputError, match="leave out one"):
        TinyFlowConfig(untrained=True, weights="somewhere")


def test_larger_forms_come_nearest_as_trained() -> None:
    assert untrained().nearest((64, 64), 8) == ((64, 64), 8)
    assert untrained().nearest((640, 320), 99) == ((64, 32), 16)


@pytest.mark.all_packages
@pytest.mark.parametrize("controller", ["modulation", "concat", "add", "latent-copy",
                                        "latent-splat", "time-to-move"])  # fmt: skip
def test_every_way_of_control_renders_a_video(controller: str) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    motion = Motion(canvas=(48, 32), drags=[Drag([(16, 16), (28, 18)])])
    options = {"untrained": True, "width": 32, "depth": 2}
    with Session(
        "tiny-flow", options=options, controller=controller, sample={"steps": 2}
    ) as session:
        video = session.animate(photo, motion, frames=4, seed=1)
    assert video.frames.shape == (4, 32, 48, 3)


def test_a_clean_prediction_is_that_of_the_velocity() -> None:
    """The error of the clean prediction over sigma is the error of the velocity."""
    network = Transformer(Sizes(width=32, depth=1))
    assert isinstance(network, nn.Module)
    clean = torch.randn(1, 2, 16, 2, 2, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 2, 16, 2, 2, generator=torch.Generator().manual_seed(1))
    level = Level.flow(torch.tensor([0.7]))
    latents = level.noisy(clean, noise)
    condition = torch.zeros(1, 2, 17, 2, 2)
    with torch.no_grad():
        found = clean_prediction(network, latents, level, clean[:, :1], condition)
    velocity = (latents - found) / 0.7
    assert torch.allclose(((velocity - (noise - clean)) * 0.7), clean - found, atol=1e-5)
