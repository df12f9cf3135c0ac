"""The backbone wan to be trained with: gradients, experts, precision, and being put back."""

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
from kinema.noise import Streams
from kinema.signals import MotionSignal
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import CONTROLLERS
from kinema_backbones.control.latent_config import LatentCopyConfig, LatentSplatConfig
from kinema_backbones.control.latent_copy import LatentCopy
from kinema_backbones.control.latent_splat import LatentSplat
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig, WanTraining
from kinema_backbones.wan.text import KEPT, Texts

FAMILIES = ("wan21", "a14b", "ti2v")
SIZE, FRAMES, CLIPS = (64, 64), 5, 2
LORA = Adaptation(targets="all-linear", rank=2)

Make = Callable[..., WanBackbone]


def controller_of(name: str) -> Any:
    if name in CONTROLLERS:
        return CONTROLLERS[name](ControllerConfig())
    return {"latent-copy": LatentCopy, "latent-splat": LatentSplat}[name]()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def make(published: Any) -> Make:
    """``make(family, **options)``: a tiny random model that knows recorded texts."""

    def made(family: str, **options: Any) -> WanBackbone:
        backbone: WanBackbone = published.backbone(family, **options)
        backbone.texts.known[""] = backbone.texts.known["negative"]  # type: ignore[attr-defined]
        return backbone

    return made


class Training:
    """A backbone with a controller, adapted, and fixed batches of two clips."""

    def __init__(
        self, backbone: WanBackbone, adaptation: Adaptation, controller: str = "modulation"
    ) -> None:
        self.backbone = backbone
        self.controller = controller_of(controller)
        self.detach = backbone.attach(self.controller)
        self.network = backbone.adapt(adaptation)
        with torch.no_grad():
            for index, (name, parameter) in enumerate(self.trained().items()):
                # Zeros at the start would hide a gradient that cannot arrive.
                if name.startswith("controller.") or ".lora_B." in name:
                    parameter.add_(torch.randn(parameter.shape, generator=seeded(index)) * 0.02)

    def trained(self) -> dict[str, nn.Parameter]:
        parts = {"network": self.network, "controller": self.controller}
        return {
            f"{part}.{name}": parameter
            for part, module in parts.items()
            if isinstance(module, nn.Module)
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def loss(self, seed: int = 0) -> Tensor:
        return loss_of(self.backbone, self.controller, seed)

    def gradients(self) -> dict[str, Tensor]:
        return {k: p.grad.clone() for k, p in self.trained().items() if p.grad is not None}


def loss_of(backbone: WanBackbone, controller: Any, seed: int = 0) -> Tensor:
    width, height = SIZE
    maps = torch.randn(CLIPS, FRAMES, 3, height, width, generator=seeded(seed)) * 4
    tracks = torch.rand(CLIPS, FRAMES, 3, 2, generator=seeded(seed + 6)) * 60
    signal = MotionSignal(
        maps=maps,
        channels=("dx", "dy", "mask"),
        tracks=tracks,
        visible=torch.ones(CLIPS, FRAMES, 3, dtype=torch.bool),
    )
    streams = [Streams(f"{seed} {clip}") for clip in range(CLIPS)]
    drawn = backbone.draw(WanTraining(drop_prompt=0.5), streams, torch.zeros(CLIPS), None)
    cached = {}
    if backbone.family.tokens:
        cached["tokens"] = torch.randn(CLIPS, 257, 20, generator=seeded(seed + 5))
    request = Request(
        image=torch.rand(CLIPS, 3, height, width, generator=seeded(seed + 1)),
        size=SIZE,
        frames=FRAMES,
        fps=16.0,
        terms={"conditional": controller.actions(signal, backbone.sites, [])},
        streams=streams,
        prompts=["prompt", "negative"],
        cached=cached,
        dropped=drawn.dropped,
    )
    embedding = backbone.embed(request)["conditional"]
    shape = (CLIPS, *backbone.latent_shape(SIZE, FRAMES))
    latents = torch.randn(shape, generator=seeded(seed + 4))
    clean = backbone.denoise(latents, drawn.level, [embedding])[0]
    return clean[:, backbone.given_frames :].square().mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_trainable(make: Make, family: str) -> None:
    backbone = make(family)
    assert isinstance(backbone, Trainable)
    assert backbone.given_frames == int(family == "ti2v")


@pytest.mark.parametrize(
    ("family", "controller", "adaptation"),
    [
        ("wan21", "latent-copy", Adaptation(method="full")),
        ("wan21", "latent-splat", Adaptation(rank=2)),
        ("wan21", "modulation", LORA),
        ("a14b", "latent-splat", LORA),
        ("a14b", "concat", Adaptation(rank=2)),
        ("ti2v", "modulation", LORA),
        ("ti2v", "add", Adaptation(method="none")),
        ("ti2v", "concat", Adaptation(method="full", checkpointing=True)),
    ],
)
def test_all_that_is_trained_gets_a_gradient(
    make: Make, family: str, controller: str, adaptation: Adaptation
) -> None:
    training = Training(make(family), adaptation, controller)
    training.loss().backward()
    trained, gradients = training.trained(), training.gradients()
    assert sorted(set(trained) - set(gradients)) == []
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())
    # What is added to every key moves all scores of a query alike, and attention not at all.
    silent = [key for key, g in gradients.items() if not g.any() and "k.bias" not in key]
    assert silent == []
    inside = {key.split(".")[0] for key in trained}
    wanted = {"network"} if adaptation.method != "none" else set()
    assert inside == wanted | ({"controller"} if controller in CONTROLLERS else set())


def test_attention_alone_has_lora_where_it_is_asked_for(make: Make) -> None:
    training = Training(make("wan21"), Adaptation(rank=2))
    names = {key.split(".lora_")[0].split(".")[-1] for key in training.trained() if "lora" in key}
    assert names == {"to_q", "to_k", "to_v", "0"}
    every = Training(make("wan21"), LORA)
    kept = [key for key in every.trained() if ".lora_A." in key]
    linears = sum(type(m) is nn.Linear for m in make("wan21").components.transformer.modules())
    assert len(kept) == linears


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("family", ["wan21", "ti2v"])
def test_recomputing_blocks_gives_the_same_gradients(make: Make, family: str, method: Any) -> None:
    gradients, losses = [], []
    for checkpointing in (False, True):
        adaptation = Adaptation(
            method=method, targets="all-linear", rank=2, checkpointing=checkpointing
        )
        training = Training(make(family), adaptation)
        loss = training.loss()
        loss.backward()
        losses.append(loss)
        gradients.append(training.gradients())
    plain, again = gradients
    assert torch.equal(losses[0], losses[1])
    assert list(plain) == list(again)
    for key in plain:
        assert torch.equal(plain[key], again[key]), key


def test_recomputed_blocks_read_what_they_read_before(make: Make) -> None:
    """Two batches forward, then both backward: the first must not read the second's motion."""
    training = Training(make("ti2v"), Adaptation(rank=2, checkpointing=True))
    for seed in (0, 50):
        training.loss(seed).backward()
    apart = training.gradients()
    for parameter in training.trained().values():
        parameter.grad = None
    losses = [training.loss(seed) for seed in (0, 50)]
    for loss in losses:
        loss.backward()
    together = training.gradients()
    assert all(torch.allclose(apart[key], together[key], atol=1e-6) for key in apart)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("adaptation", [LORA, Adaptation(method="full", checkpointing=True)],
                         ids=lambda a: a.method)  # fmt: skip
def test_after_training_all_is_as_it_was(make: Make, adaptation: Adaptation, dtype: str) -> None:
    backbone = make("wan21", dtype=dtype)
    network = backbone.components.transformer
    before = {key: value.clone() for key, value in network.state_dict().items()}
    modules, flags = str(network), [p.requires_grad for p in network.parameters()]
    types = {key: value.dtype for key, value in before.items()}
    training = Training(backbone, adaptation)
    assert {p.dtype for p in training.trained().values()} == {torch.float32}
    optimizer = torch.optim.AdamW(training.trained().values(), lr=1e-3)
    training.loss().backward()
    optimizer.step()
    training.detach()
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert {key: value.dtype for key, value in after.items()} == types
    assert str(network) == modules
    assert [p.requires_grad for p in network.parameters()] == flags
    assert not [m for m in network.modules() if "forward" in vars(m)]
    assert backbone.adapter_files() == {}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_reduced_precision_is_near(make: Make, method: Any) -> None:
    adaptation = Adaptation(method=method, targets="all-linear", rank=2)
    exact = Training(make("wan21"), adaptation)
    exact.loss().backward()
    training = Training(make("wan21", dtype="bfloat16"), adaptation)
    with torch.autocast("cpu", torch.bfloat16):
        training.loss().backward()
    true, ours = (
        torch.cat([g.flatten() for g in t.gradients().values()]) for t in (exact, training)
    )
    assert nn.functional.cosine_similarity(true, ours, dim=0) > 0.97


# -- the experts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("expert", "least", "most"), [("high", 0.9, 1.0), ("low", 0.0, 0.9)])
def test_an_expert_is_trained_at_its_own_levels(
    make: Make, expert: str, least: float, most: float, tmp_path: Path
) -> None:
    training = Training(make("a14b", trained_expert=expert), LORA)
    backbone = training.backbone
    streams = [Streams(f"{clip}") for clip in range(200)]
    sigma = backbone.draw(WanTraining(), streams, torch.zeros(200), None).level.sigma
    assert least < float(sigma.min()) < float(sigma.max()) < most
    training.loss().backward()
    part = {"high": "transformer", "low": "transformer_2"}[expert]
    assert training.network is backbone.networks[part].transformer
    assert len(training.gradients()) == len(training.trained())
    files = backbone.adapter_files()
    assert {Path(name).parent.name for name in files} == {part}

    with torch.no_grad():
        expected = training.loss()
    training.controller.save(tmp_path / "made", conditions={}, manifest={}, lora=files)
    training.detach()
    again = make("a14b", trained_expert=expert)
    controller = load_controller(tmp_path / "made")
    before = {k: n.transformer.state_dict()["proj_out.weight"].clone()
              for k, n in again.networks.items()}  # fmt: skip
    again.attach(controller)
    changed = {
        k: not torch.equal(n.transformer.state_dict()["proj_out.weight"], before[k])
        for k, n in again.networks.items()
    }
    assert changed == {part: True, ({*before} - {part}).pop(): False}
    with torch.no_grad():
        assert float((loss_of(again, controller) - expected).abs()) <= 1e-5


def test_levels_of_the_other_expert_are_refused(make: Make) -> None:
    backbone = make("a14b", trained_expert="low")
    with pytest.raises(InputError, match=r"'low' of Wan2.2-I2V-A14B works at levels below 0.9"):
        backbone.draw(WanTraining(least_level=0.95), [Streams("0")], torch.zeros(1), None)


# -- LoRA and weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("targets", ["attention", "all-linear"])
@pytest.mark.parametrize("controller", ["modulation", "latent-splat"])
def test_saved_lora_repeats_the_training(
    make: Make, tmp_path: Path, controller: str, targets: Any
) -> None:
    backbone = make("wan21")
    training = Training(backbone, Adaptation(targets=targets, rank=2), controller)
    with torch.no_grad():
        expected = training.loss()
    folder, files = tmp_path / "controller", backbone.adapter_files()
    assert not [
        key for key in safetensors.torch.load(files["adapter_model.safetensors"]) if "inner" in key
    ]
    training.controller.save(folder, conditions={"region-trajectory": {}}, manifest={}, lora=files)
    training.detach()
    again = make("wan21")
    made: Any = (
        LatentSplat(LatentSplatConfig(weights=str(folder)))
        if controller == "latent-splat"
        else load_controller(folder)
    )
    with torch.no_grad():
        plain = loss_of(again, made)
        again.attach(made)
        repeated = loss_of(again, made)
    assert float((repeated - expected).abs()) <= 1e-5
    assert float((plain - expected).abs()) > 1e-4


def test_a_controller_without_parameters_is_a_folder(tmp_path: Path) -> None:
    controller = LatentCopy(LatentCopyConfig(halves="prompt"))
    folder = controller.save(
        tmp_path / "copy", conditions={"point-tracks": {"points": 8}}, manifest={}, lora={}
    )
    assert [file.name for file in folder.iterdir()] == ["controller.json"]
    record = json.loads((folder / "controller.json").read_text())
    assert record["controller"] == "latent-copy"
    assert record["config"] == {"halves": "prompt", "late_starters": "drop"}
    assert LatentCopy(LatentCopyConfig(weights=str(folder))).adapters == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_saved_weights_load(
    family: str, wan_folders: dict[str, Path], published: Any, tmp_path: Path
) -> None:
    backbone = WanBackbone.load(WanConfig(weights=str(wan_folders[family])))
    training = Training(backbone, Adaptation(method="full"))
    with torch.no_grad():
        for name, parameter in training.trained().items():
            if name.startswith("network."):
                parameter.add_(1e-3)
    backbone.save_weights(tmp_path)
    again = WanBackbone.load(WanConfig(weights=str(tmp_path)))
    for name, part in again.components.all().items():
        base = WanBackbone.load(WanConfig(weights=str(wan_folders[family]))).components.all()[name]
        moved = 1e-3 if name == "transformer" else 0.0
        for key, value in part.state_dict().items():
            torch.testing.assert_close(value, base.state_dict()[key] + moved, atol=1e-7, rtol=0)
    assert again.texts(["a red boat"]).shape[1] == 512
    # Only what was trained is written; the index knows where the rest lies.
    assert not (tmp_path / "vae").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compile": "on"}, r"'wan' cannot be trained with {'compile': 'on'}. Set compile = 'off'"),
        ({"memory": "offload"}, r"trained with {'memory': 'offload'}. Set memory = 'default'"),
        ({"cache": "first-block"}, r"Set cache = 'off'"),
    ],
)
def test_options_that_cannot_be_trained_are_refused(
    make: Make, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make("ti2v", **options).adapt(LORA)


def test_adapting_twice_is_refused(make: Make) -> None:
    training = Training(make("ti2v"), LORA)
    with pytest.raises(InputError, match="adapted already"):
        training.backbone.adapt(LORA)
    training.detach()
    training.backbone.adapt(LORA)


# -- what is cached -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_cached_encodings_stand_in_for_the_encoders(
    family: str, wan_folders: dict[str, Path]
) -> None:
    backbone = WanBackbone.load(WanConfig(weights=str(wan_folders[family])))
    image = torch.rand(2, 3, 64, 64, generator=seeded(0))
    prompts = ["a red boat", ""]
    found = backbone.encodings(image, prompts, FRAMES)
    names = {"text", "no_text", "photo_latents"} | ({"tokens"} if family == "wan21" else set())
    assert set(found) == names
    assert found["photo_latents"].dtype == torch.float16
    assert found["photo_latents"].shape[1] == (1 if family == "ti2v" else 2)
    request = Request(
        image=image,
        size=SIZE,
        frames=FRAMES,
        fps=16.0,
        terms={"conditional": {}},
        prompts=prompts,
        dropped={"prompt": torch.tensor([True, False])},
    )
    expected = backbone.embed(request)["conditional"]
    bare = Request(
        image=image, size=SIZE, frames=FRAMES, fps=16.0, terms={"conditional": {}},
        prompts=prompts, cached=found, dropped=request.dropped,
    )  # fmt: skip

    def refuse(*_: Any) -> Any:
        raise AssertionError("an encoder was asked, although all is cached")

    again: Any = WanBackbone.load(WanConfig(weights=str(wan_folders[family])))
    again._embedded = again._encoded_photo = again.texts._load = refuse
    made = again.embed(bare)["conditional"]
    assert torch.equal(made.text, expected.text)
    torch.testing.assert_close(made.condition, expected.condition, atol=2e-3, rtol=2e-3)
    if family == "wan21":
        torch.testing.assert_close(made.tokens, expected.tokens)


def test_a_data_set_of_captions_does_not_fill_memory() -> None:
    asked: list[str] = []

    class Told(Texts):
        def _embed(self, texts: Any) -> None:
            asked.extend(texts)
            self._known |= {text: torch.ones(1, 4) for text in texts}

    texts = Told(lambda: (None, None), "cpu", torch.device("cpu"))
    for number in range(3 * KEPT):
        texts([f"caption {number}", ""])
        texts([f"caption {number}"])
    assert len(asked) == 3 * KEPT + 1
    assert len(texts._known) == KEPT
    many = [f"one of {number}" for number in range(2 * KEPT)]
    assert texts(many).shape == (2 * KEPT, 512, 4)
    assert not texts.missing(many)


def test_the_loss_is_that_of_the_velocity(make: Make, published: Any) -> None:
    """What the objective weighs equals the network's own velocity against noise - clean."""
    backbone = make("ti2v")
    level, weight = (
        (d := backbone.draw(WanTraining(), [Streams("0")], torch.zeros(1))).level,
        d.weight,
    )
    shape = (1, *backbone.latent_shape(SIZE, FRAMES))
    clean, noise = (torch.randn(shape, generator=seeded(seed)) for seed in (0, 1))
    told = Request(
        image=torch.rand(1, 3, 64, 64, generator=seeded(2)), size=SIZE, frames=FRAMES, fps=16.0,
        terms={"conditional": {}}, prompts=["prompt"],
    )  # fmt: skip
    embedding = backbone.embed(told)["conditional"]
    noisy = level.noisy(clean, noise)
    with torch.no_grad():
        predicted = backbone.denoise(noisy, level, [embedding])[0]
        velocity = (
            backbone.networks["transformer"]
            .velocity(noisy.transpose(1, 2), level.sigma * 1000, embedding)
            .transpose(1, 2)
        )
    ours = weight * (predicted - clean)[:, 1:].square().mean()
    own = (velocity - (noise - clean))[:, 1:].square().mean()
    torch.testing.assert_close(ours[0], own, rtol=1e-4, atol=1e-6)
