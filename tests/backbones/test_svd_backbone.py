"""The svd backbone's contract, checks, attachments and determinism."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinema.config import SampleConfig
from kinema.errors import FormError, InputError, WeightsError
from kinema.interfaces import Backbone, Controller, Request, Site, check_form
from kinema.levels import Level
from kinema.noise import Streams, draw_noise
from kinema.signals import MotionSignal
from kinema.testing import BackboneContract
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.control.controllers import ConcatController, ModulationController
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.random_weights import build_from_sizes
from kinema_backbones.svd.sizes import NetworkSizes
from kinema_backbones.svd.weights import save_components

MakeSvd = Callable[..., SvdBackbone]

LEVEL = Level.exploding(torch.tensor(3.0))


class TestSvd(BackboneContract):
    frames = 3

    @pytest.fixture(autouse=True)
    def _svd(self, make_svd: MakeSvd, converted: Path) -> None:
        self.svd = make_svd()
        self.converted = converted

    def make(self) -> Backbone:
        return self.svd

    def controller(self, sites: tuple[Site, ...]) -> Controller | None:
        return load_controller(self.converted)


def state(backbone: SvdBackbone) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in backbone.components.unet.state_dict().items()}


@pytest.mark.parametrize("merge", [True, False])
def test_detach_restores_every_module_and_bit(
    make_svd: MakeSvd, converted: Path, merge: bool
) -> None:
    backbone = make_svd(merge_lora=merge)
    before, modules = state(backbone), str(backbone.components.unet)
    flags = [p.requires_grad for p in backbone.components.unet.parameters()]
    detach = backbone.attach(load_controller(converted))
    assert str(backbone.components.unet) != modules
    detach()
    after = state(backbone)
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert str(backbone.components.unet) == modules
    assert [p.requires_grad for p in backbone.components.unet.parameters()] == flags
    detach()
    assert str(backbone.components.unet) == modules


def test_one_controller_at_a_time(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    backbone.attach(ModulationController())
    with pytest.raises(InputError, match="A controller is attached already; detach it first"):
        backbone.attach(ConcatController())


@pytest.mark.parametrize(
    ("size", "near"),
    [((100, 64), "96, 64"), ((512, 300), "512, 304"), ((5, 64), "16, 64")],
)
def test_sizes_off_the_grid_name_the_nearest(
    make_svd: MakeSvd, size: tuple[int, int], near: str
) -> None:
    backbone = make_svd()
    wanted = rf"The backbone 'svd' cannot make 4 frames of {size[0]}x{size[1]} pixels. "
    with pytest.raises(FormError, match=rf"{wanted}The nearest .* is size=\({near}\)\.$"):
        check_form(backbone, backbone.name, size, 4)
    with pytest.raises(FormError, match=rf"{wanted}The nearest .* is size=\({near}\)\.$"):
        backbone.embed(asked(size, 4))


def asked(size: tuple[int, int], frames: int) -> Request:
    width, height = size
    image = torch.rand(1, 3, height, width, generator=_seeded(0))
    return Request(image=image, size=size, frames=frames, fps=8.0, terms={"conditional": {}})


def test_the_grid_of_four_levels_is_64(tiny_sizes: NetworkSizes) -> None:
    sizes = attrs.evolve(tiny_sizes, channel_mult=(1, 1, 1, 1))
    backbone = build_from_sizes(sizes)
    assert backbone.grid == 64
    strides = [site.stride for site in backbone.sites if site.kind == "feature"]
    assert strides == [8, 16, 32, 64, 64, 32, 16, 8]
    with pytest.raises(FormError, match=r"makes is size=\(512, 320\)\.$"):
        check_form(backbone, backbone.name, (512, 322), 4)
    assert backbone.nearest((512, 360), 1) == ((512, 384), 2)


def run(backbone: SvdBackbone, seeds: list[int], frames: int = 3) -> torch.Tensor:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    controller = ModulationController()
    controller.prepare(backbone.sites)
    with torch.no_grad():
        for index, parameter in enumerate(controller.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=_seeded(index)) * 0.05)
        maps = torch.randn(frames, 3, 64, 96, generator=_seeded(5)) * 4
        signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
        batch = MotionSignal(maps=maps.expand(len(seeds), -1, -1, -1, -1), channels=signal.channels)
        detach = backbone.attach(controller)
        actions = controller.actions(batch, backbone.sites)
        noisefree = torch.Generator().manual_seed(0)
        encoding = backbone.encode_photo(image, noisefree)
        embeddings = backbone.embed(
            Request(
                image=type(encoding)(
                    encoding.image_embeds.expand(len(seeds), -1, -1),
                    encoding.image_latents.expand(len(seeds), -1, -1, -1),
                ),
                size=(96, 64),
                frames=frames,
                fps=8.0,
                terms={"conditional": actions, "unconditional": actions},
            )
        )
        noise = draw_noise(backbone.latent_shape((96, 64), frames), seeds)
        denoised = backbone.denoise(noise * 3, LEVEL, list(embeddings.values()))
        detach()
    return denoised


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def exact(tiny_sizes: NetworkSizes) -> torch.Tensor:
    """Everything plain: the published way of computing."""
    options: dict[str, Any] = {"fold_cross_attention": False, "batch_terms": False}
    plain = SvdConfig(**options, merge_lora=False, attention="math", channels_last=False)
    return run(build_from_sizes(tiny_sizes, plain), [11])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory": "offload"},
        {"memory": "minimal"},
        {"batch_terms": False},
        {"fold_cross_attention": False},
        {"attention": "flash"},
    ],
    ids=str,
)
def test_every_mode_computes_the_same(
    make_svd: MakeSvd, exact: torch.Tensor, options: dict[str, Any]
) -> None:
    assert float((run(make_svd(**options), [11]) - exact).abs().max()) <= 1e-5


def test_a_video_does_not_depend_on_its_batch(make_svd: MakeSvd, exact: torch.Tensor) -> None:
    together = run(make_svd(), [3, 11])
    assert float((together[:, 1:] - exact).abs().max()) <= 1e-5
    assert float((together[:, :1] - exact).abs().max()) > 1e-2


def test_the_decode_chunk_is_part_of_the_result(make_svd: MakeSvd) -> None:
    latents = torch.randn(1, 4, 4, 8, 12, generator=_seeded(0))
    with torch.no_grad():
        videos = {n: make_svd(decode_chunk=n).decode(latents) for n in (0, 1, 4, 8)}
        assert torch.equal(videos[0], videos[4])
        assert torch.equal(videos[4], videos[8])
        assert not torch.allclose(videos[1], videos[4], atol=1e-4)
    assert make_svd().choices({})["decode_chunk"] == 8


def test_the_unconditional_term_drops_the_photo_and_keeps_the_motion(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    act = {"down-0": lambda h: h}
    request = Request(
        image=torch.rand(1, 3, 64, 96),
        size=(96, 64),
        frames=3,
        fps=8.0,
        terms={"conditional": act, "unconditional": act},
        streams=[Streams(0)],
    )
    with torch.no_grad():
        terms = backbone.embed(request)
    assert not terms["unconditional"].image_latents.any()
    assert not terms["unconditional"].image_embeds.any()
    assert terms["conditional"].image_latents.any()
    assert terms["unconditional"].actions == terms["conditional"].actions == act
    assert terms["conditional"].added_time_ids.tolist() == [[8.0, 17.0, pytest.approx(0.02)]]


def test_a_longer_context_is_not_folded(make_svd: MakeSvd) -> None:
    with pytest.raises(InputError, match="Cross-attention to 2 tokens cannot be folded"):
        make_svd().embedding(torch.zeros(1, 2, 48), torch.zeros(1, 4, 8, 12), torch.zeros(1, 3))


def test_the_image_latent_site_acts(make_svd: MakeSvd) -> None:
    backbone = make_svd()
    arguments = (torch.zeros(1, 1, 48), torch.ones(1, 4, 8, 12), torch.zeros(1, 3))
    given: list[tuple[int, ...]] = []

    def act(latents: torch.Tensor) -> torch.Tensor:
        given.append(tuple(latents.shape))
        return latents * 2

    embedding = backbone.embedding(*arguments, {"image-latent": act}, frames=3)
    assert given == [(1, 3, 4, 8, 12)]
    assert embedding.image_latents.shape == (1, 3, 4, 8, 12)
    assert embedding.image_latents.unique().tolist() == [2.0]


def test_a_diffusers_folder_loads_as_it_was(make_svd: MakeSvd, tmp_path: Path) -> None:
    backbone = make_svd()
    folder = save_components(backbone.components, tmp_path / "svd")
    loaded = SvdBackbone.load(SvdConfig(weights=str(folder)))
    there = loaded.components.unet.state_dict()
    for key, value in backbone.components.unet.state_dict().items():
        assert torch.equal(value, there[key]), key


def test_incomplete_weights_are_refused(make_svd: MakeSvd, tmp_path: Path) -> None:
    folder = save_components(make_svd().components, tmp_path / "svd")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["conv_in.bias"]
    save_file(tensors, file)
    with pytest.raises(WeightsError, match=r"lack 1 tensors, such as \['conv_in.bias'\]"):
        SvdBackbone.load(SvdConfig(weights=str(folder)))


def test_absent_weights_name_everything(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        SvdBackbone.load(SvdConfig(weights=str(tmp_path)))
    text = str(caught.value)
    parts = ("it lacks unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors")
    for part in (*parts, "3.05 GB", "stable-video-diffusion-community", "kinema weights pull svd"):
        assert part in text
    with pytest.raises(WeightsError, match="neither a folder, nor a file, nor in the local hub"):
        SvdBackbone.load(SvdConfig(weights="nobody/nothing"))


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match=r"Unknown memory 'huge' .* default, offload, minimal"):
        SvdConfig(memory="huge")
    with pytest.raises(InputError, match="feature_cache >= 1"):
        SvdConfig(feature_cache=0)


def test_the_schedule_is_the_published_one(make_svd: MakeSvd) -> None:
    schedule = make_svd().schedule(SampleConfig())
    assert schedule.steps == 25
    assert bool((schedule.alphas == 1).all())
    sigmas = schedule.sigmas
    assert float(sigmas[0]) == pytest.approx(700.0, rel=1e-5)
    assert float(sigmas[-2]) == pytest.approx(0.002, rel=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near(make_svd: MakeSvd, exact: torch.Tensor, dtype: str) -> None:
    backbone = make_svd(dtype=dtype)
    vae = next(backbone.components.vae.parameters())
    assert vae.dtype == (torch.float32 if dtype == "float16" else torch.bfloat16)
    assert next(backbone.components.unet.parameters()).dtype == getattr(torch, dtype)
    denoised = run(backbone, [11])
    assert denoised.dtype == torch.float32
    error = (denoised - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 0 < float(error) < 0.05
    frames = backbone.decode(denoised[0])
    assert frames.dtype == torch.float32
    assert bool(torch.isfinite(frames).all())
