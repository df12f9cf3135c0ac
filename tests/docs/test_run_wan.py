"""The commands that pages show for Wan's full-size models run, on a tiny one."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from kinema.media.video import Video
from kinema_apps.cli import cli
from kinema_backbones.wan import naming
from kinema_backbones.wan.families import WAN21
from kinema_backbones.wan.random_weights import save_random
from kinema_backbones.wan.sizes import TRANSFORMERS
from kinema_backbones.wan.weights import write_index

pytestmark = pytest.mark.all_packages

PAGES = Path(__file__).parents[2] / "docs" / "how-to"

#: What makes a command of a page one for a CPU.
SMALL = ("--size", "64x64", "--frames", "5", "--device", "cpu", "--dtype", "float32")

_TRANSFORMER: dict[str, Any] = {
    **TRANSFORMERS["wan2.1-i2v-14b"],
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "num_layers": 1,
    "ffn_dim": 32,
    "text_dim": 16,
    "freq_dim": 64,
    "image_dim": 20,
    "added_kv_proj_dim": 24,
}


def small_wan21(folder: Path) -> Path:
    """A tiny Wan2.1 as a folder of diffusers."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import CLIPVisionConfig, CLIPVisionModel

    texts = save_random(folder.with_name("texts"))
    folder.mkdir()
    torch.manual_seed(0)
    WanTransformer3DModel(**_TRANSFORMER).save_pretrained(folder / "transformer")
    vae = AutoencoderKLWan(base_dim=6, dim_mult=[1, 1, 2, 2], num_res_blocks=1)
    vae.save_pretrained(folder / "vae")
    told = CLIPVisionConfig(
        hidden_size=20, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        image_size=224, patch_size=14, hidden_act="gelu",
    )  # fmt: skip
    CLIPVisionModel(told).save_pretrained(folder / "image_encoder")
    for name in ("text_encoder", "tokenizer"):
        shutil.copytree(texts / name, folder / name)
    write_index(folder, WAN21)
    return folder


def original_form(folder: Path, source: Path) -> Path:
    """Its transformer under the original names, alone."""
    from diffusers import WanTransformer3DModel

    names = {mine: theirs for theirs, mine in _original_modules().items()}
    state = {}
    for key, tensor in (
        WanTransformer3DModel.from_pretrained(source / "transformer").state_dict().items()
    ):
        module, _, leaf = key.rpartition(".")
        if leaf == "scale_shift_table":
            state[f"{module}.modulation" if module else "head.modulation"] = tensor
        else:
            state[f"{names[module]}.{leaf}"] = tensor
    folder.mkdir()
    save_file({k: v.contiguous() for k, v in state.items()},
              folder / "diffusion_pytorch_model-00001-of-00001.safetensors")  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"num_heads": 2}), encoding="utf-8")
    return folder


def _original_modules() -> dict[str, str]:
    parts = [*naming._BLOCK]
    parts += [f"{kind}.{part}" for kind in naming._SELF_OR_CROSS for part in naming._ATTENTION]
    names = [*naming._HEAD, *(f"blocks.0.{part}" for part in parts)]
    return {name: str(naming.transformer_module(name)) for name in names}


def lora_file(path: Path) -> Path:
    """A LoRA of one layer, as those of few steps come."""
    name = "blocks.0.attn1.to_q"
    save_file(
        {f"transformer.{name}.lora_A.weight": torch.ones(2, 24) * 0.01,
         f"transformer.{name}.lora_B.weight": torch.ones(24, 2) * 0.01},
        path,
    )  # fmt: skip
    return path


def commands(page: str) -> list[list[str]]:
    """Those of the blocks of a page that are shown and not run."""
    text = (PAGES / page).read_text(encoding="utf-8")
    shown = "\n".join(re.findall(r"^```text\n(.*?)^```", text, re.M | re.S))
    lines = shown.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("kinema ")]


@pytest.mark.parametrize(
    "page", [pytest.param("run-wan.md", marks=pytest.mark.slow), "control-without-training.md"]
)
def test_the_commands_for_full_size_models_run_on_a_tiny_one(
    page: str, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = small_wan21(desk / "Wan2.1-I2V-14B-480P-Diffusers")
    for name in ("Wan-Move-14B-480P", "ATI", "Wan2.2-TI2V-5B"):
        original_form(desk / name, tiny)
    lora_file(desk / "four-steps.safetensors")
    shutil.copy(desk / "mask.png", desk / "dog.png")
    for name in ("warped", "mask"):
        frames = np.full((5, 64, 64, 3), 255, np.uint8)
        Video(frames, 8.0).save(desk / f"{name}.mp4", manifest=False)
    told = commands(page)
    ran: list[str] = []
    for number, arguments in enumerate(told):
        if arguments[:2] == ["weights", "pull"]:
            continue
        if arguments[0] == "convert":
            if not any(each.startswith("parts=") for each in arguments):
                arguments += ["--set", f"parts={tiny}"]
        elif "--backbone" in arguments and arguments[arguments.index("--backbone") + 1] == "wan":
            steps = [] if any(each.startswith("steps=") for each in arguments) else ["steps=8"]
            arguments += [*SMALL, *(word for each in steps for word in ("--sample", each))]
            if "--weights" not in arguments:
                arguments += ["--weights", str(tiny)]
            arguments += ["--out", f"made-{number}.webp"]
        else:
            arguments += ["--out", f"made-{number}.webp"]
        found = CliRunner().invoke(cli, arguments)
        assert found.exit_code == 0, f"{' '.join(arguments)}\n{found.output}"
        ran.append(arguments[0])
    assert ran.count("animate") >= 1
    if page == "run-wan.md":
        assert ran.count("convert") == 3
        assert ran.count("animate") == 4
