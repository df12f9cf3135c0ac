"""LoRA files of the community, merged into Wan and Stable Video Diffusion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema_backbones.lora_files import merge_file
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.wan import naming

RANK, ALPHA = 2, 4.0


class Net(nn.Module):
    """A block with Wan's names."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Module()
        block.attn1 = nn.Module()
        block.attn1.to_q = nn.Linear(6, 6)
        block.attn1.to_out = nn.ModuleList([nn.Linear(6, 6)])
        self.blocks = nn.ModuleList([block])


def halves() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(RANK, 6, generator=generator), torch.randn(6, RANK, generator=generator)


FORMS: dict[str, Callable[[Tensor, Tensor], dict[str, Tensor]]] = {
    "diffusers": lambda a, b: {
        "transformer.blocks.0.attn1.to_out.0.lora_A.weight": a,
        "transformer.blocks.0.attn1.to_out.0.lora_B.weight": b * (ALPHA / RANK),
    },
    "peft": lambda a, b: {
        "base_model.model.blocks.0.attn1.to_out.0.lora_A.weight": a,
        "base_model.model.blocks.0.attn1.to_out.0.lora_B.weight": b * (ALPHA / RANK),
    },
    "original": lambda a, b: {
        "diffusion_model.blocks.0.self_attn.o.lora_down.weight": a,
        "diffusion_model.blocks.0.self_attn.o.lora_up.weight": b,
        "diffusion_model.blocks.0.self_attn.o.alpha": torch.tensor(ALPHA),
    },
    "kohya": lambda a, b: {
        "lora_unet_blocks_0_self_attn_o.lora_down.weight": a,
        "lora_unet_blocks_0_self_attn_o.lora_up.weight": b,
        "lora_unet_blocks_0_self_attn_o.alpha": torch.tensor(ALPHA),
    },
    "processors": lambda a, b: {
        "blocks.0.attn1.processor.to_out_lora.down.weight": a,
        "blocks.0.attn1.processor.to_out_lora.up.weight": b * (ALPHA / RANK),
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_adds_the_same(tmp_path: Path, form: str) -> None:
    down, up = halves()
    file = tmp_path / "lora.safetensors"
    save_file({k: v.contiguous() for k, v in FORMS[form](down, up).items()}, file)
    torch.manual_seed(1)
    network = Net()
    layer = network.get_submodule("blocks.0.attn1.to_out.0")
    assert isinstance(layer, nn.Linear)
    wanted = layer.weight.detach() + 0.5 * (ALPHA / RANK) * up @ down
    merged = merge_file(
        network, file, 0.5, naming.transformer_module, naming.underscored_modules(1)
    )
    assert (merged.layers, merged.skipped) == (1, 0)
    assert torch.allclose(layer.weight, wanted, atol=1e-6)


def test_whole_differences_of_weights_and_biases_are_added(tmp_path: Path) -> None:
    file = tmp_path / "lora.safetensors"
    place = "diffusion_model.blocks.0.self_attn.q"
    save_file({f"{place}.diff": torch.ones(6, 6), f"{place}.diff_b": torch.ones(6)}, file)
    network = Net()
    layer = network.get_submodule("blocks.0.attn1.to_q")
    assert isinstance(layer, nn.Linear)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    merge_file(network, file, 2.0, naming.transformer_module)
    assert torch.equal(layer.weight, weight + 2)
    assert torch.equal(layer.bias, bias + 2)


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ({"blocks.7.attn1.to_q.lora_A.weight": torch.ones(2, 6)}, "has 1 modules"),
        ({"blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 6)}, "one half of it is missing"),
        (
            {
                "blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 8),
                "blocks.0.attn1.to_q.lora_B.weight": torch.ones(6, 2),
            },
            "does not fit this network",
        ),
        ({"something": torch.ones(1)}, "has 1 modules, such as"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused(
    tmp_path: Path, state: dict[str, Tensor], fault: str
) -> None:
    file = tmp_path / "lora.safetensors"
    save_file(state, file)
    with pytest.raises(WeightsError, match=fault):
        merge_file(Net(), file)


def test_what_a_family_may_lack_is_skipped(tmp_path: Path) -> None:
    down, up = halves()
    file = tmp_path / "lora.safetensors"
    extra = {"diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight": down.clone(),
             "diffusion_model.blocks.0.cross_attn.k_img.lora_up.weight": up.clone()}  # fmt: skip
    save_file({**FORMS["original"](down, up), **extra}, file)
    merged = merge_file(Net(), file, 1.0, naming.transformer_module, None, naming.of_image_tokens)
    assert (merged.layers, merged.skipped) == (1, 1)


def test_svd_takes_lora_files_too(tmp_path: Path, make_svd: Callable[..., SvdBackbone]) -> None:
    plain = make_svd()
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    weight = plain.components.unet.get_submodule(path).weight.detach().clone()
    down, up = torch.ones(1, weight.shape[1]), torch.ones(weight.shape[0], 1)
    file = tmp_path / "lora.safetensors"
    save_file({f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}, file)
    changed = make_svd(lora={str(file): 0.25})
    merged = changed.components.unet.get_submodule(path).weight
    assert torch.allclose(merged, weight + 0.25)
