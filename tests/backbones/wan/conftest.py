"""Tiny random models of Wan's three families, and what published code computes with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.interfaces import Request, StepAction
from kinema.sampling import sample
from kinema.solvers import euler
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc
from kinema_backbones.wan.backbone import WanBackbone
from kinema_backbones.wan.config import WanConfig, WanSample
from kinema_backbones.wan.encoders import WIDE
from kinema_backbones.wan.families import family_of
from kinema_backbones.wan.weights import Components, write_index

REFERENCE = Path(__file__).parents[2] / "reference" / "wan"

FAMILIES = ("wan21", "a14b", "ti2v")


@cache
def models() -> dict[str, Any]:
    """Configs and options of the reference runs."""
    found: dict[str, Any] = json.loads((REFERENCE / "models.json").read_text(encoding="utf-8"))
    return found


@cache
def numbers(name: str) -> dict[str, Tensor]:
    """The arrays of a reference file."""
    with np.load(REFERENCE / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def weights(name: str, part: str) -> dict[str, Tensor]:
    """The weights of one network of a family."""
    prefix = f"weights.{part}."
    found = numbers(name)
    return {k.removeprefix(prefix): v.clone() for k, v in found.items() if k.startswith(prefix)}


class RecordedTexts:
    """Embeddings that were recorded, in place of an encoder."""

    def __init__(self, known: Mapping[str, Tensor]) -> None:
        self.known = known

    def missing(self, texts: Sequence[str]) -> bool:
        return False

    def __call__(self, texts: Sequence[str]) -> Tensor:
        rows = [self.known[text][0] for text in texts]
        return torch.stack([torch.cat([r, r.new_zeros(512 - len(r), r.shape[1])]) for r in rows])


def no_texts() -> tuple[Any, Any]:
    raise AssertionError("The text encoder is asked for, although nothing new is to be read.")


def components(name: str) -> Components:
    """The networks of a family, on the CPU in float32."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    record = models()[name]
    vae = AutoencoderKLWan(**record["vae"])
    vae.load_state_dict(weights(name, "vae"))
    experts = []
    for part in ("transformer", "transformer_2"):
        state = weights(name, part)
        if state:
            experts.append(WanTransformer3DModel(**record["transformer"]))
            experts[-1].load_state_dict(state)
    family = family_of(record["transformer"], record["index"], record["vae"]["z_dim"])
    return Components(
        family=family,
        transformer=experts[0],
        transformer_2=experts[1] if len(experts) > 1 else None,
        vae=vae,
        texts=no_texts,
    )


def backbone(name: str, given: str = "call", **options: Any) -> WanBackbone:
    """The backbone of a family that knows the recorded texts ``prompt`` and ``negative``."""
    made = WanBackbone(components(name), WanConfig(**options))
    found = numbers(name)
    made.texts = RecordedTexts(  # type: ignore[assignment]
        {
            "prompt": found[f"{given}.prompt_embeds"],
            "negative": found[f"{given}.negative_prompt_embeds"],
        }
    )
    return made


def request(name: str, given: str = "call", **changes: Any) -> Request:
    """What the published run was given."""
    record, found = models()[name], numbers(name)
    record = record["ttm"] if given == "ttm" else record
    cached = {}
    if "call.image_embeds" in found and given == "call":
        cached["tokens"] = found["call.image_embeds"]
    fields: dict[str, Any] = {
        "image": found[f"{given}.image"],
        "size": tuple(record["size"]),
        "frames": record["frames"],
        "fps": 16.0,
        "terms": {"conditional": {}, "unconditional": {}},
        "prompts": ["prompt"],
        "negative_prompts": ["negative"],
        "cached": cached,
    }
    return Request(**{**fields, **changes})


def options(name: str, **changes: Any) -> WanSample:
    """The sampling options of the published run."""
    record = models()[name]
    told = {key: record[key] for key in ("steps", "shift", "guidance", "guidance_low")}
    return WanSample(**{**told, "spacing": "unipc", **changes})


#: Solver and spacing of the recorded runs.
SOLVERS: dict[str, tuple[str, Any]] = {
    "unipc": ("unipc", lambda: unipc(UniPCConfig())),
    "unipc_old_spacing": ("unipc-published", lambda: unipc(UniPCConfig())),
    "unipc_order1_no_corrector": ("unipc", lambda: unipc(UniPCConfig(order=1, corrector=False))),
    "euler": ("euler", lambda: euler),
}


@attrs.frozen(eq=False)
class Ran:
    """A run: latents ``(B, C, T', h, w)`` as diffusers lays them out."""

    steps: list[Tensor]
    final: Tensor
    embeddings: Any


def run(
    made: WanBackbone,
    asked: Request,
    config: WanSample,
    solver: Any,
    noise: Tensor,
    at_step: Sequence[StepAction] = (),
) -> Ran:
    """Sample from recorded noise ``(B, C, T', h, w)``."""
    steps: list[Tensor] = []
    embeddings = made.embed(asked)
    latents = sample(
        made,
        embeddings,
        noise.transpose(1, 2),
        config,
        solver=solver,
        at_step=at_step,
        after_step=lambda step, latents, clean: steps.append(latents.transpose(1, 2)),
    )
    return Ran(steps, latents.transpose(1, 2), embeddings)


def difference(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one.float() - other.float()).abs().max())


def write_folder(folder: Path, name: str, texts: bool = True) -> Path:
    """A family as a folder of diffusers, with a tiny text encoder and tokenizer."""
    made = components(name)
    folder.mkdir(parents=True)
    for part, network in made.all().items():
        network.save_pretrained(folder / part)
    write_index(folder, made.family)
    if made.family.tokens:
        clip(folder / "image_encoder")
    if texts:
        text_encoder(folder)
    return folder


def clip(folder: Path) -> None:
    """A tiny CLIP whose tokens are as wide as the tiny Wan2.1 reads them, 257 of them."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=20,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=224,
            patch_size=14,
            projection_dim=8,
            hidden_act="gelu",
        )
    ).save_pretrained(folder)


def text_encoder(folder: Path) -> None:
    """A tiny UMT5 and a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    words = ["a", "boat", "on", "the", "sea", "at", "night", "day", "wave", "red"]
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {w: i + 3 for i, w in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(vocabulary), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2
        )
    ).save_pretrained(folder / "text_encoder")


def write_wide_vae(folder: Path, **changes: Tensor) -> None:
    """The tiny VAE of the published class of Wan2.2, by its own names."""
    found = numbers("wide_vae")
    prefix = "weights."
    state = {k.removeprefix(prefix): v.float() for k, v in found.items() if k.startswith(prefix)}
    torch.save({**state, **changes}, folder / WIDE)


@pytest.fixture(scope="session")
def wan_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each family as a folder of diffusers."""
    root = tmp_path_factory.mktemp("wan")
    return {name: write_folder(root / name, name) for name in FAMILIES}


class Published:
    """The helpers of this file, for tests, which cannot import it."""

    families = FAMILIES
    solvers = SOLVERS
    models = staticmethod(models)
    numbers = staticmethod(numbers)
    weights = staticmethod(weights)
    components = staticmethod(components)
    backbone = staticmethod(backbone)
    request = staticmethod(request)
    options = staticmethod(options)
    run = staticmethod(run)
    difference = staticmethod(difference)
    write_folder = staticmethod(write_folder)
    clip = staticmethod(clip)
    text_encoder = staticmethod(text_encoder)
    write_wide_vae = staticmethod(write_wide_vae)
    texts = RecordedTexts


@pytest.fixture(scope="session")
def published() -> type[Published]:
    """Tiny models and their numbers."""
    return Published
