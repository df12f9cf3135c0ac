"""Fast ways compute what the plain way computes: compilation, attention kernels, hoisting."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import Actions, Request
from kinema.levels import Level
from kinema.noise import Streams, draw_noise
from kinema.sampling import sample
from kinema.signals import MotionSignal
from kinema_backbones.control.config import ControllerConfig
from kinema_backbones.control.controllers import (
    CONTROLLERS,
    EncodedController,
    ModulationController,
)
from kinema_backbones.svd import attention
from kinema_backbones.svd.acceleration import channels_last
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.sizes import NetworkSizes, build_components

MakeSvd = Callable[..., SvdBackbone]


def filled(name: str, backbone: SvdBackbone) -> EncodedController:
    controller = CONTROLLERS[name](ControllerConfig())
    controller.prepare(backbone.sites)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return controller


def acting(controller: EncodedController, backbone: SvdBackbone, seed: int) -> Actions:
    maps = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(seed)) * 4
    return controller.actions(
        MotionSignal(maps=maps, channels=("dx", "dy", "mask")), backbone.sites
    )


def level(sigma: float) -> Level:
    return Level.exploding(torch.tensor(sigma))


@torch.no_grad()
def asked(backbone: SvdBackbone, controller: EncodedController, seed: int) -> Request:
    actions = acting(controller, backbone, seed)
    return Request(
        image=torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(seed)),
        size=(96, 64),
        frames=3,
        fps=8.0,
        terms={"conditional": actions, "unconditional": actions},
        streams=[Streams(seed)],
    )


@torch.no_grad()
def made(
    backbone: SvdBackbone, controller: EncodedController, seed: int, steps: int = 2
) -> tuple[Tensor, Mapping[str, Any]]:
    """A video, and what was chosen for it."""
    embeddings = backbone.embed(asked(backbone, controller, seed))
    noise = draw_noise((3, 4, 8, 12), [seed])
    frames = backbone.decode(sample(backbone, embeddings, noise, SampleConfig(steps=steps)))
    return frames, backbone.choices(embeddings)


def video(
    backbone: SvdBackbone, controller: EncodedController, seed: int, steps: int = 2
) -> Tensor:
    return made(backbone, controller, seed, steps)[0]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compilation that traces as on a GPU but generates no code; recompiling is an error."""
    torch._dynamo.reset()
    whole = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", whole)
    yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_compiled_equals_eager_and_compiles_once(make_svd: MakeSvd, name: str) -> None:
    eager, compiled = make_svd(), make_svd(compile="on")
    controller = filled(name, eager)
    for backbone in (eager, compiled):
        backbone.attach(controller)
    first = video(compiled, controller, 1)
    assert float((first - video(eager, controller, 1)).abs().max()) <= 1e-5
    with torch._dynamo.config.patch(error_on_recompile=True):
        second, chosen = made(compiled, controller, 2, steps=3)
    plain, plainly = made(eager, controller, 2, steps=3)
    assert float((second - plain).abs().max()) <= 1e-5
    assert float((second - first).abs().max()) > 1e-3
    assert chosen["compile"] == "on"
    assert plainly["compile"] == "off"


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_whole_videos_run_eager_until_warm(make_svd: MakeSvd) -> None:
    backbone = make_svd(compile="warm")
    controller = filled("modulation", backbone)
    backbone.attach(controller)
    before, chosen = made(backbone, controller, 1)
    assert chosen["compile"] == "off"
    running = backbone.embed(asked(backbone, controller, 1))
    backbone.warm_up(asked(backbone, controller, 1))
    after, chosen = made(backbone, controller, 1)
    assert chosen["compile"] == "on"
    assert float((after - before).abs().max()) <= 1e-5
    # A video that was begun before stays as it was begun, and other shapes are still cold.
    assert backbone.choices(running)["compile"] == "off"
    assert not backbone.acceleration.compiles((1, 5, 8, 12))


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a:UserWarning")
@torch.no_grad()
def test_the_full_network_is_one_graph() -> None:
    with torch.device("meta"):
        components = build_components(NetworkSizes())
    config = SvdConfig(device="meta", dtype="bfloat16", compile="on", attention="sdpa")
    backbone = SvdBackbone(components, config)
    backbone.attach(ModulationController())
    with torch.device("meta"):
        told = (torch.empty(1, 1, 1024), torch.empty(1, 4, 40, 64), torch.empty(1, 3))
    compiled = backbone.acceleration.compiles((1, 16, 40, 64))
    embeddings = [attrs.evolve(backbone.embedding(*told), compiled=compiled) for _ in "cu"]
    latents = torch.empty(1, 16, 4, 40, 64, device="meta")
    one = Level.exploding(torch.ones((), device="meta"))
    backbone.denoise(latents, one, embeddings)
    backbone.decode(latents)
    # fullgraph raises at a break; this says that something was traced at all.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2
    assert not torch._dynamo.utils.counters["graph_break"]


@torch.no_grad()
def test_hoisting_is_exact_to_the_bit(make_svd: MakeSvd) -> None:
    backbone = make_svd(fold_cross_attention=False)
    controller = filled("modulation", backbone)
    backbone.attach(controller)
    arguments = (torch.randn(1, 1, 48), torch.randn(1, 4, 8, 12), torch.ones(1, 3))
    hoisted = [backbone.embedding(*arguments, acting(controller, backbone, 1))] * 2
    latents = torch.randn(1, 3, 4, 8, 12)
    for sigma in (level(5.0), level(0.5)):
        # The published way: the encoder and the heads run in every step.
        again = [backbone.embedding(*arguments, acting(controller, backbone, 1)) for _ in "cu"]
        ours, theirs = (backbone.denoise(latents, sigma, each) for each in (hoisted, again))
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", list(CONTROLLERS))
@torch.no_grad()
def test_terms_with_their_own_actions(make_svd: MakeSvd, name: str) -> None:
    backbone = make_svd()
    controller = filled(name, backbone)
    backbone.attach(controller)
    arguments = (torch.randn(1, 1, 48), torch.randn(1, 4, 8, 12), torch.ones(1, 3))
    terms = [backbone.embedding(*arguments, acting(controller, backbone, seed)) for seed in (1, 2)]
    terms.append(backbone.embedding(*arguments))
    latents = torch.randn(1, 3, 4, 8, 12)
    together = backbone.denoise(latents, level(2.0), terms)
    for index, term in enumerate(terms):
        alone = backbone.denoise(latents, level(2.0), [term])[0]
        assert float((together[index] - alone).abs().max()) <= 1e-5
    assert float((together[0] - together[2]).abs().max()) > 1e-3


@torch.no_grad()
def test_folding_is_exact(make_svd: MakeSvd) -> None:
    folded, plain = make_svd(), make_svd(fold_cross_attention=False)
    arguments = (torch.randn(2, 1, 48), torch.randn(2, 4, 8, 12), torch.ones(2, 3))
    latents = torch.randn(2, 3, 4, 8, 12)
    results = [
        backbone.denoise(latents, level(2.0), [backbone.embedding(*arguments)])
        for backbone in (folded, plain)
    ]
    assert float((results[0] - results[1]).abs().max()) <= 2e-6


@torch.no_grad()
def test_channels_last_only_lays_out_2d_convolutions() -> None:
    module = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 1))
    with_3d = nn.ModuleList([module, nn.Conv3d(4, 4, 3)])
    x = torch.randn(1, 4, 8, 8)
    before = module(x)
    channels_last(with_3d)
    weight = module.get_parameter("0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert torch.allclose(module(x), before, atol=1e-5)


@pytest.mark.parametrize("kernel", ["sdpa", "flash", "math"])
@pytest.mark.parametrize("batch", [3, 40])
def test_attention_in_chunks(monkeypatch: pytest.MonkeyPatch, kernel: str, batch: int) -> None:
    monkeypatch.setattr(attention, "GRID_LIMIT", 64)
    seen: list[int] = []
    inner = attention._attend

    def spy(query: Tensor, key: Tensor, value: Tensor, kernel: str) -> Tensor:
        seen.append(query.shape[0] * query.shape[1])
        return inner(query, key, value, kernel)

    monkeypatch.setattr(attention, "_attend", spy)
    q, k, v = (
        torch.randn(batch, 5, 7, 8, generator=torch.Generator().manual_seed(i)) for i in range(3)
    )
    plain = nn.functional.softmax(q @ k.transpose(-1, -2) / 8**0.5, dim=-1) @ v
    assert torch.allclose(attention.attend(q, k, v, kernel), plain, atol=1e-5)
    assert max(seen) < 64
    assert sum(seen) == batch * 5


def test_the_shapes_that_auto_measures_are_those_that_run(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    seen = set()
    processor = backbone._processor

    def spy(query: Tensor, key: Tensor, value: Tensor, kernel: str) -> Tensor:
        seen.add(tuple(query.shape))
        return attention.attend(query, key, value, kernel)

    processor.attend = spy
    embedding = backbone.embedding(
        torch.zeros(1, 1, 48), torch.zeros(1, 4, 8, 12), torch.zeros(1, 3)
    )
    with torch.no_grad():
        backbone.denoise(torch.zeros(1, 3, 4, 8, 12), level(1.0), [embedding, embedding])
    unet = backbone.components.unet
    assert seen == attention.attention_shapes(unet, 2, 3, width=12, height=8)


def test_auto_measures_and_the_plan_is_kept(
    make_svd: MakeSvd, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    assert attention.installed_kernels(cpu) == ("sdpa",)
    best = attention.fastest((2, 2, 8, 8), cpu, torch.float32, ["efficient", "math", "sdpa"])
    assert best in ("math", "sdpa")
    with pytest.raises(InputError, match="No attention kernel can run the shape 2x2x8x8 on cpu"):
        attention.fastest((2, 2, 8, 8), cpu, torch.float32, ["cudnn"])
    backbone = make_svd()
    monkeypatch.setattr(attention, "installed_kernels", lambda device: ("sdpa", "math"))
    monkeypatch.setattr(attention, "fastest", lambda *_: "math")
    controller = filled("add", backbone)
    backbone.attach(controller)
    measured, chosen = made(backbone, controller, 1)
    plan = chosen["attention_plan"]
    assert set(plan.values()) == {"math"}
    assert "6x2x96x16" in plan
    again = make_svd(attention_plan=plan)
    again.attach(controller)
    assert torch.equal(video(again, controller, 1), measured)


def test_kernels_that_cannot_run_are_refused(
    make_svd: MakeSvd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"attention 'cudnn' runs on CUDA only.*'cpu'"):
        make_svd(attention="cudnn")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs the package xformers: install kinema-backbones"):
        make_svd(attention="xformers")


@torch.no_grad()
def test_feature_caching_is_exact_where_it_computes_all(make_svd: MakeSvd) -> None:
    exact, cached = make_svd(), make_svd(feature_cache=2)
    arguments = (torch.randn(1, 1, 48), torch.randn(1, 4, 8, 12), torch.ones(1, 3))
    terms = {b: [b.embedding(*arguments)] for b in (exact, cached)}
    drifts = []
    for sigma in (4.0, 3.5, 3.0, 2.5):
        latents = torch.randn(1, 3, 4, 8, 12, generator=torch.Generator().manual_seed(int(sigma)))
        a, b = (m.denoise(latents, level(sigma), terms[m]) for m in (exact, cached))
        drifts.append(float((a - b).abs().max()))
    assert drifts[0] <= 1e-6
    assert drifts[2] <= 1e-6
    assert 1e-4 < drifts[1] < 1.0


def test_compile_refuses_what_it_cannot_keep(make_svd: MakeSvd, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compile 'on' does not go with feature_cache 2"):
        make_svd(compile="on", feature_cache=2)


@torch.no_grad()
def test_each_folded_attention_equals_the_attention(make_svd: MakeSvd) -> None:
    unet: Any = make_svd(fold_cross_attention=False).components.unet
    context = torch.randn(2, 1, 48, generator=torch.Generator().manual_seed(0))
    checked = 0
    for path, attention_module in unet.named_modules():
        if path.endswith(".attn2"):
            query = torch.randn(2, 15, attention_module.to_q.in_features)
            wanted = attention_module(query, encoder_hidden_states=context)
            folded = attention_module.to_out[0](attention_module.to_v(context)).expand_as(wanted)
            assert float((wanted - folded).abs().max()) <= 1e-6
            checked += 1
    assert checked >= 8


class Watch(TorchDispatchMode):
    """Notes every operator, to find those that make a host wait for its device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seen.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def test_no_step_waits_for_the_device(make_svd: MakeSvd, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = make_svd()
    photo = (torch.randn(1, 1, 48), torch.randn(1, 4, 8, 12), torch.ones(1, 3))
    blank = (torch.zeros(1, 1, 48), torch.zeros(1, 4, 8, 12), torch.ones(1, 3))
    terms: Any = {
        "conditional": backbone.embedding(*photo),
        "unconditional": backbone.embedding(*blank),
    }
    noise = draw_noise((3, 4, 8, 12), [0])
    with contextlib.ExitStack() as stack:
        watch = Watch()
        begin = backbone.start

        def start(noise: Tensor, level: Level) -> Tensor:
            # The schedule was made and looked at on the CPU before.
            stack.enter_context(watch)
            return begin(noise, level)

        monkeypatch.setattr(backbone, "start", start)
        # On a CPU it is read at once; on a device it is queued and read after the last step.
        monkeypatch.setattr("kinema.sampling.check_finite", lambda values, told: None)
        sample(backbone, terms, noise, SampleConfig(steps=2, solver="heun"))
    assert "convolution" in watch.seen
    waiting = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select"}
    assert not watch.seen & waiting
    # A tensor there holds no number that could be waited for.
    assert backbone.schedule(SampleConfig()).to("meta").sigmas.is_meta
