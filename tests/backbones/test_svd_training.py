"""The svd backbone as something to train with: gradients, precision, and being put back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from kinema.errors import InputError
from kinema.interfaces import Adaptation, Request, Trainable
from kinema.levels import Level
from kinema.noise import Streams
from kinema.signals import MotionSignal
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import CONTROLLERS, ModulationController
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig

MakeSvd = Callable[..., SvdBackbone]
FRAMES, WIDTH, HEIGHT = 3, 32, 32
UNREAD = ("attn2.to_q.", "attn2.to_k.", "norm2.")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Training:
    """A backbone with a controller, adapted, and one fixed batch of two clips."""

    def __init__(
        self, backbone: SvdBackbone, adaptation: Adaptation, controller: str = "modulation"
    ) -> None:
        self.backbone = backbone
        self.controller = CONTROLLERS[controller](ControllerConfig())
        self.detach = backbone.attach(self.controller)
        self.unet = backbone.adapt(adaptation)
        with torch.no_grad():
            for index, (name, parameter) in enumerate(self.trained().items()):
                # Zeros at the start would hide a gradient that cannot arrive.
                if name.startswith("controller.") or ".lora_B." in name:
                    parameter.add_(torch.randn(parameter.shape, generator=seeded(index)) * 0.02)

    def trained(self) -> dict[str, nn.Parameter]:
        parts = {"unet": self.unet, "controller": self.controller}
        return {
            f"{part}.{name}": parameter
            for part, module in parts.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def loss(self, seed: int = 0) -> Tensor:
        maps = torch.randn(2, FRAMES, 3, HEIGHT, WIDTH, generator=seeded(seed)) * 4
        signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
        actions = self.controller.actions(signal, self.backbone.sites)
        request = Request(
            image=torch.rand(2, 3, HEIGHT, WIDTH, generator=seeded(seed + 1)),
            size=(WIDTH, HEIGHT),
            frames=FRAMES,
            fps=8.0,
            terms={"conditional": actions},
            streams=[Streams(f"{seed} {clip}") for clip in range(2)],
            cached={"image_embeds": torch.randn(2, 1, 48, generator=seeded(seed + 3))},
            drawn={
                "noise-aug": torch.tensor([0.02, 0.1]),
                "motion-bucket": torch.tensor([3.0, 40.0]),
            },
        )
        embedding = self.backbone.embed(request)["conditional"]
        shape = (2, *self.backbone.latent_shape((WIDTH, HEIGHT), FRAMES))
        latents = torch.randn(shape, generator=seeded(seed + 4))
        level = Level.exploding(torch.tensor([0.5, 3.0]))
        denoised = self.backbone.denoise(latents, level, [embedding])[0]
        return denoised.square().mean()

    def gradients(self) -> dict[str, Tensor]:
        return {k: p.grad.clone() for k, p in self.trained().items() if p.grad is not None}


LORA = Adaptation(targets="all-linear", rank=2)


def test_it_is_trainable(make_svd: MakeSvd) -> None:
    assert isinstance(make_svd(), Trainable)


@pytest.mark.parametrize(
    ("controller", "fold"), [*((c, True) for c in CONTROLLERS), ("modulation", False)]
)
@pytest.mark.parametrize(
    "adaptation",
    [LORA, Adaptation(rank=2), Adaptation(method="full"), Adaptation(method="none")],
    ids=lambda a: f"{a.method}-{a.targets}",
)
def test_all_that_is_trained_gets_a_gradient(
    make_svd: MakeSvd, adaptation: Adaptation, controller: str, fold: bool
) -> None:
    training = Training(make_svd(fold_cross_attention=fold), adaptation, controller)
    training.loss().backward()
    trained, gradients = training.trained(), training.gradients()
    assert sorted(set(trained) - set(gradients)) == []
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())
    silent = {key for key, gradient in gradients.items() if not gradient.any()}
    # One key in a softmax leaves no way to the query; folded, its weights are not trained at all.
    assert [key for key in silent if fold or not any(name in key for name in UNREAD)] == []
    inside = {key.split(".")[0] for key in trained}
    assert inside == ({"controller"} if adaptation.method == "none" else {"controller", "unet"})


def test_what_no_one_reads_is_frozen_and_saved_all_the_same(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    linears = sum(type(m) is nn.Linear for m in backbone.components.unet.modules())
    training = Training(backbone, LORA)
    names = [key for key in training.trained() if key.startswith("unet.")]
    assert len(names) < 2 * linears
    assert not [key for key in names if any(part in key for part in UNREAD)]
    files = backbone.adapter_files()
    state = safetensors.torch.load(files["adapter_model.safetensors"])
    assert len(state) == 2 * linears == 368
    assert json.loads(files["adapter_config.json"])["r"] == 2


def test_saved_lora_repeats_the_training(make_svd: MakeSvd, tmp_path: Path) -> None:
    backbone = make_svd()
    training = Training(backbone, LORA)
    with torch.no_grad():
        expected = training.loss()
    folder = tmp_path / "controller"
    training.controller.save(
        folder,
        conditions={"region-trajectory": {}},
        manifest={},
        lora=backbone.adapter_files(),
    )
    training.detach()
    again = make_svd()
    controller = load_controller(folder)
    again.attach(controller)
    with torch.no_grad():
        repeated = _loss_of(again, controller)
    assert float((repeated - expected).abs()) <= 1e-6


def _loss_of(backbone: SvdBackbone, controller: Any) -> Tensor:
    training = Training.__new__(Training)
    training.backbone, training.controller = backbone, controller
    return training.loss()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("adaptation", [LORA, Adaptation(method="full", checkpointing=True)],
                         ids=lambda a: a.method)  # fmt: skip
def test_after_training_all_is_as_it_was(
    make_svd: MakeSvd, adaptation: Adaptation, dtype: str
) -> None:
    backbone = make_svd(dtype=dtype)
    unet = backbone.components.unet
    before = {key: value.clone() for key, value in unet.state_dict().items()}
    modules, flags = str(unet), [p.requires_grad for p in unet.parameters()]
    training = Training(backbone, adaptation)
    assert {p.dtype for p in training.trained().values()} == {torch.float32}
    optimizer = torch.optim.AdamW(training.trained().values(), lr=1e-3)
    training.loss().backward()
    optimizer.step()
    training.detach()
    after = unet.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert {value.dtype for value in after.values()} == {getattr(torch, dtype)}
    assert str(unet) == modules
    assert [p.requires_grad for p in unet.parameters()] == flags
    assert not [m for m in unet.modules() if "forward" in vars(m)]
    assert backbone.adapter_files() == {}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_recomputing_blocks_gives_the_same_gradients(make_svd: MakeSvd, method: Any) -> None:
    gradients, losses = [], []
    for checkpointing in (False, True):
        adaptation = Adaptation(
            method=method, targets="all-linear", rank=2, checkpointing=checkpointing
        )
        training = Training(make_svd(), adaptation)
        loss = training.loss()
        loss.backward()
        losses.append(loss)
        gradients.append(training.gradients())
    plain, again = gradients
    assert torch.equal(losses[0], losses[1])
    assert list(plain) == list(again)
    for key in plain:
        assert torch.equal(plain[key], again[key]), key


def test_recomputed_blocks_read_what_they_read_before(make_svd: MakeSvd) -> None:
    """Two batches forward, then both backward: the first must not read the second's motion."""
    training = Training(make_svd(), Adaptation(rank=2, checkpointing=True))
    for seed in (0, 50):
        training.loss(seed).backward()
    apart = training.gradients()
    for parameter in training.trained().values():
        parameter.grad = None
    losses = [training.loss(seed) for seed in (0, 50)]
    for loss in losses:
        loss.backward()
    together = training.gradients()
    assert all(torch.allclose(apart[key], together[key], atol=1e-7) for key in apart)


@pytest.mark.slow
def test_reduced_precision_is_near_and_keeps_small_steps(make_svd: MakeSvd) -> None:
    exact = Training(make_svd(), LORA)
    exact.loss().backward()
    for around in (False, True):
        training = Training(make_svd(dtype="bfloat16"), LORA)
        with torch.autocast("cpu", torch.bfloat16, enabled=around):
            training.loss().backward()
        true, ours = (
            torch.cat([g.flatten() for g in t.gradients().values()]) for t in (exact, training)
        )
        assert nn.functional.cosine_similarity(true, ours, dim=0) > 0.97
        name = next(key for key in training.trained() if ".lora_A." in key)
        parameter = training.trained()[name]
        before = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(before.abs().clamp_min(1e-3) * 1e-4)
        assert bool((parameter != before).all())


def test_a_new_lora_is_the_same_each_time(make_svd: MakeSvd) -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        backbone = make_svd()
        backbone.attach(ModulationController())
        backbone.adapt(LORA)
        states.append(backbone.adapter_files()["adapter_model.safetensors"])
    assert states[0] == states[1]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_saved_weights_load(make_svd: MakeSvd, tmp_path: Path, method: Any) -> None:
    backbone = make_svd()
    base = {k: v.clone() for k, v in backbone.components.unet.state_dict().items()}
    training = Training(backbone, Adaptation(method=method, rank=2))
    if method == "full":
        with torch.no_grad():
            for parameter in training.trained().values():
                parameter.add_(1e-3)
    backbone.save_weights(tmp_path)
    loaded = SvdBackbone.load(SvdConfig(weights=str(tmp_path))).components
    moved = 1e-3 if method == "full" else 0.0
    frozen = [key for key in base if any(part in key for part in UNREAD[:2])]
    assert frozen
    for key, value in loaded.unet.state_dict().items():
        if "norm2" not in key:
            expected = base[key] if key in frozen else base[key] + moved
            assert torch.equal(value, expected), key
    for key, value in backbone.components.image_encoder.state_dict().items():
        assert torch.equal(loaded.image_encoder.state_dict()[key], value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compile": "warm"}, r"trained with {'compile': 'warm'}. Set compile = 'off'"),
        ({"memory": "offload"}, r"trained with {'memory': 'offload'}. Set memory = 'default'"),
        ({"feature_cache": 3}, r"trained with {'feature_cache': 3}. Set feature_cache = 1"),
    ],
)
def test_options_that_cannot_be_trained_are_refused(
    make_svd: MakeSvd, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_svd(**options).adapt(LORA)


def test_adapting_twice_or_over_other_lora_is_refused(make_svd: MakeSvd, converted: Path) -> None:
    backbone = make_svd()
    detach = backbone.attach(load_controller(converted))
    with pytest.raises(InputError, match=r"brings LoRA of its own.*lora = false"):
        backbone.adapt(LORA)
    detach()
    backbone.attach(load_controller(converted, lora=False))
    backbone.adapt(LORA)
    with pytest.raises(InputError, match="adapted already: detach its controller before"):
        backbone.adapt(LORA)
