"""LoRA through peft: targets, merging, several adapters, exact restoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinema.errors import InputError, WeightsError
from kinema.interfaces import Adapter
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.lora import attach_lora, inject_lora, lora_files

MakeSvd = Callable[..., SvdBackbone]
Unet = Any


@pytest.fixture
def unet(make_svd: MakeSvd) -> Unet:
    return make_svd(fold_cross_attention=False).components.unet


def linears(unet: nn.Module) -> dict[str, nn.Linear]:
    return {k: m for k, m in unet.named_modules() if type(m) is nn.Linear}


@torch.no_grad()
def output(unet: Unet) -> Tensor:
    x = torch.randn(1, 2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    context = torch.randn(1, 1, 48, generator=torch.Generator().manual_seed(1))
    result: Tensor = unet(x, torch.tensor(0.5), context, torch.ones(1, 3), return_dict=False)[0]
    return result


def trained(make_svd: MakeSvd, folder: Path, targets: Any, seed: int, rank: int = 2) -> Path:
    """A LoRA folder with random weights, as training leaves it."""
    unet = make_svd(fold_cross_attention=False).components.unet
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in inject_lora(unet, targets, rank):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    folder.mkdir()
    for name, data in lora_files(unet).items():
        (folder / name).write_bytes(data)
    return folder


def test_targets(unet: Unet) -> None:
    total = len(linears(unet))
    parameters = inject_lora(unet, "all-linear", rank=2)
    assert len(parameters) == 2 * total == 368
    assert all(parameter.requires_grad for parameter in parameters)
    plain = output(unet)
    assert torch.isfinite(plain).all()


def test_new_lora_changes_nothing(unet: Unet) -> None:
    before = output(unet)
    names = [k for k in linears(unet) if k.rsplit(".", 1)[-1] in ("to_q", "to_k", "to_v", "0")]
    inside = [name for name in names if ".attn" in name]
    parameters = inject_lora(unet, "attention", rank=32)
    assert len(parameters) == 2 * len(inside)
    assert {min(parameter.shape) for parameter in parameters} == {32}
    assert torch.equal(output(unet), before)


@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_merged_equals_unmerged_and_comes_off_exactly(
    make_svd: MakeSvd, unet: Unet, tmp_path: Path, targets: str
) -> None:
    adapters = [
        Adapter(trained(make_svd, tmp_path / "a", targets, 1), 1.0),
        Adapter(trained(make_svd, tmp_path / "b", "attention", 2, rank=3), -0.5),
    ]
    before, plain = {k: v.clone() for k, v in unet.state_dict().items()}, output(unet)
    outputs = {}
    for merge in (True, False):
        detach = attach_lora(unet, adapters, merge)
        outputs[merge] = output(unet)
        detach()
        after = unet.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[key], before[key]) for key in before)
    assert float((outputs[True] - outputs[False]).abs().max()) <= 1e-5
    assert float((outputs[True] - plain).abs().max()) > 1e-2


def test_the_weights_of_adapters_add_up(make_svd: MakeSvd, unet: Unet, tmp_path: Path) -> None:
    folder = trained(make_svd, tmp_path / "a", "all-linear", 1)
    name = "down_blocks.0.attentions.0.proj_in"
    base = unet.get_submodule(name).weight.clone()
    deltas = []
    for adapters in ([Adapter(folder, 2.0)], [Adapter(folder, 0.5), Adapter(folder, 1.5)]):
        detach = attach_lora(unet, adapters)
        deltas.append(unet.get_submodule(name).weight - base)
        detach()
    assert torch.allclose(deltas[0], deltas[1], atol=1e-6)
    assert float(deltas[0].abs().max()) > 1e-3


def test_what_does_not_fit_is_refused(
    make_svd: MakeSvd, unet: Unet, tmp_path: Path, tiny_sizes: Any
) -> None:
    with pytest.raises(InputError, match="rank of at least 1 and targets out of attention, all-l"):
        inject_lora(unet, "everything", 4)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"nowhere' cannot be read.*adapter_config.json"):
        attach_lora(unet, [Adapter(tmp_path / "nowhere")])
    import attrs

    from kinema_backbones.svd.sizes import build_unet

    small = build_unet(attrs.evolve(tiny_sizes, context_dim=16))
    folder = trained(make_svd, tmp_path / "a", "all-linear", 1)
    state, modules = {k: v.clone() for k, v in small.state_dict().items()}, str(small)
    with pytest.raises(WeightsError, match=r"does not fit this network: \d+ tensors"):
        attach_lora(small, [Adapter(folder)])
    assert str(small) == modules
    assert all(torch.equal(small.state_dict()[key], state[key]) for key in ("conv_in.weight",))
