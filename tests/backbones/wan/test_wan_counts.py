"""Full-size Wan on the meta device: work, memory and waits of a video, without a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kinema.sampling import sample
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig, WanSample
from kinema_backbones.wan.counting import count_forward, count_vae, counted_peak, weight_bytes
from kinema_backbones.wan.families import family_of
from kinema_backbones.wan.network import Embedding, SiteModule
from kinema_backbones.wan.weights import Components

TERA, GIB = 1e12, 2**30

I2V_14B: dict[str, Any] = {
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 36,
    "out_channels": 16,
    "num_layers": 40,
    "image_dim": 1280,
    "added_kv_proj_dim": 5120,
}
A14B = {**I2V_14B, "image_dim": None, "added_kv_proj_dim": None}
TI2V_5B = {
    **A14B,
    "num_attention_heads": 24,
    "in_channels": 48,
    "out_channels": 48,
    "ffn_dim": 14336,
    "num_layers": 30,
}

#: 832x480x81, 1280x720x81, and 1280x704x121 at stride 16.
SMALL, LARGE, TALL = (21, 16, 60, 104), (21, 16, 90, 160), (31, 48, 44, 80)


@pytest.mark.parametrize(
    ("config", "shape", "tera"),
    [
        (I2V_14B, SMALL, 1686),
        (A14B, SMALL, 1678),
        (I2V_14B, LARGE, 6541),
        (TI2V_5B, TALL, 521),
    ],
)
def test_a_forward_costs_what_the_published_models_do(
    config: dict[str, Any], shape: Any, tera: float
) -> None:
    assert count_forward(config, shape).operations / TERA == pytest.approx(tera, rel=0.01)


@pytest.mark.parametrize(
    ("decode", "tera"), [(True, 275), pytest.param(False, 164, marks=pytest.mark.slow)]
)
def test_the_vae_costs_what_the_published_one_does(decode: bool, tera: float) -> None:
    made = count_vae({}, SMALL, decode, torch.float32)
    assert made.operations / TERA == pytest.approx(tera, rel=0.01)


def on_meta(config: dict[str, Any], dtype: str = "bfloat16", **options: Any) -> WanBackbone:
    """A model whose weights take no memory; only its structure is asked."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    with torch.device("meta"):
        transformer = WanTransformer3DModel(**config)
        vae = AutoencoderKLWan()
    parts = Components(
        family=family_of(transformer.config, {}, 16),
        transformer=transformer,
        vae=vae,
        texts=lambda: (None, None),
    )
    return WanBackbone(parts, WanConfig(device="meta", dtype=dtype, attention="sdpa", **options))


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return on_meta(I2V_14B).components.all()


def test_memory_modes_need_less_and_less(parts: dict[str, Any]) -> None:
    peaks = {
        mode: counted_peak(parts, mode, SMALL, torch.bfloat16) / GIB
        for mode in ("default", "offload", "minimal")
    }
    assert weight_bytes(parts["transformer"]) / GIB == pytest.approx(30.7, abs=0.3)
    assert peaks["default"] < 42
    assert peaks["offload"] < 36
    # The 14B on a card of 24 GB: blocks are streamed, and the VAE's decoding is the most.
    assert peaks["minimal"] < 10
    assert peaks["default"] > peaks["offload"] > peaks["minimal"]
    tiled = counted_peak(parts, "minimal", SMALL, torch.bfloat16, tiling=True) / GIB
    assert tiled < peaks["minimal"]


def test_nothing_in_the_loop_waits_for_the_device() -> None:
    """A tensor of the meta device has no numbers: whoever asked for one would fail."""
    small = {**I2V_14B, "num_attention_heads": 2, "num_layers": 2, "ffn_dim": 64, "freq_dim": 32}
    small |= {"added_kv_proj_dim": 256, "text_dim": 32}
    made = on_meta(small, dtype="float32")
    with torch.device("meta"):
        told = Embedding(
            condition=torch.empty(1, 20, 3, 8, 8),
            text=torch.empty(1, 512, 32),
            tokens=torch.empty(1, 257, 1280),
        )
        noise = torch.empty(1, 3, 16, 8, 8)
    terms: Any = {"conditional": told, "unconditional": told}
    config = WanSample(steps=6)
    backbone: Any = made
    latents = sample(backbone, terms, noise, config, solver=unipc(UniPCConfig()))
    assert latents.device.type == "meta"
    assert latents.shape == noise.shape


def test_a_block_compiles_without_a_graph_break(published: Any) -> None:
    made = published.backbone("wan21")
    sites = [site for site in made.sites if site.kind == "feature"]
    network = made.networks["transformer"]
    detach = network.attach_sites(sites)
    wrapped = network.transformer.blocks[0]
    assert isinstance(wrapped, SiteModule)
    block = torch.compile(wrapped.inner, fullgraph=True, backend="eager")
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1, 36, 24, generator=generator)
    text = torch.randn(1, 512 + 257, 24, generator=generator)
    time = torch.randn(1, 6, 24, generator=generator)
    turns = network.transformer.rope(torch.empty(1, 36, 3, 6, 8))
    with torch.no_grad():
        assert torch.equal(
            block(hidden, text, time, turns), wrapped.inner(hidden, text, time, turns)
        )
    detach()


def test_compiled_blocks_give_the_same_latents(
    published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functools import partial

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    found = published.numbers("wan21")
    _, solver = published.solvers["unipc"]
    ran = published.run(
        published.backbone("wan21", compile="on"),
        published.request("wan21"),
        published.options("wan21"),
        solver(),
        found["call.initial_noise"],
    )
    assert published.difference(ran.final, found["call.final_latents"]) <= 3e-4
