"""Options of the backbone ``wan``. Torch-free."""

from __future__ import annotations

import math

import attrs

from kinema.config import MOST_STEPS, FlowTraining, SampleConfig
from kinema.errors import InputError
from kinema.offers import WeightFile

HUB = "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers"
LICENCE = "Apache-2.0"

#: That of TI2V-5B, whose VAE is its own.
WIDE_HUB = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"

#: What the diffusers folder of Wan2.1-I2V-14B holds, about 90 GB.
WEIGHTS = tuple(
    WeightFile(path=path, hub=HUB, licence=LICENCE)
    for path in (
        "transformer/*.safetensors",
        "vae/*.safetensors",
        "text_encoder/*.safetensors",
        "image_encoder/*.safetensors",
        "tokenizer/*",
    )
)

_CHOICES: dict[str, tuple[str, ...]] = {
    "dtype": ("float32", "float16", "bfloat16"),
    "memory": ("default", "offload", "minimal"),
    "storage": ("same", "float8"),
    "text_encoder": ("resident", "offload", "cpu", "released"),
    "attention": ("auto", "sdpa", "flash", "cudnn", "efficient", "math", "xformers"),
    "compile": ("off", "on"),
    "photo_crop": ("auto", "crop", "squash"),
    "negative": ("auto", "wan2.1", "wan2.2", "none"),
    "cache": ("off", "first-block", "pyramid"),
    "trained_expert": ("high", "low"),
}


@attrs.frozen(kw_only=True)
class WanConfig:
    """Options of the backbone ``wan``; the defaults are exact.

    Raises:
        InputError: a value is out of range or no known choice.
    """

    weights: str = HUB
    """Diffusers folder, repository in the local hub cache, or a transformer in its original form:
    a folder of shards or a single file."""
    weights_low: str = ""
    """The expert of weak noise, where ``weights`` is the one of strong noise alone (A14B)."""
    parts: str = ""
    """Diffusers folder of the other networks, where ``weights`` is a transformer alone; empty looks
    for the published one in the local hub cache."""
    device: str = "cpu"
    """Where it computes."""
    dtype: str = "float32"
    """float32, float16 or bfloat16, of transformer and encoders; norms and the time stay in
    float32, and so does the VAE."""
    vae_dtype: str = "float32"
    """What the VAE computes in."""

    lora: dict[str, float] = attrs.field(factory=dict)
    """LoRA files, each with its weight, for all transformers."""
    lora_high: dict[str, float] = attrs.field(factory=dict)
    """LoRA files for the expert of strong noise alone (Wan2.2-I2V-A14B)."""
    lora_low: dict[str, float] = attrs.field(factory=dict)
    """LoRA files for the expert of weak noise alone (Wan2.2-I2V-A14B)."""
    merge_lora: bool = True
    """Merge a controller's own LoRA into the weights while it is attached."""

    negative: str = "auto"
    """What is not to be seen where nobody says so: auto, the family's published negative prompt;
    wan2.1 or wan2.2, that of this family; none, an empty text."""
    text_encoder: str = "offload"
    """resident: on the device; offload: on it while at work; cpu: works on the CPU; released: on
    the device while at work, then let go of and loaded again for a new text."""
    photo_crop: str = "auto"
    """How a photo becomes the square that CLIP sees: crop, as diffusers; squash, as published by
    Wan; auto as the weights were published."""

    memory: str = "default"
    """default: all on the device; offload: only the part at work; minimal: block by block."""
    storage: str = "same"
    """same: weights as they compute; float8: Linear weights of the blocks kept in 8 bits and cast
    for their use, which is approximate."""
    vae_tiling: bool = False
    """Whether the VAE works in overlapping tiles, which is approximate at their seams."""
    attention: str = "auto"
    """auto, sdpa, flash, cudnn, efficient, math or xformers; auto measures each shape on CUDA."""
    attention_plan: dict[str, str] = attrs.field(factory=dict)
    """Kernel per shape (batch x heads x length x head size), as a manifest records it."""
    compile: str = "off"
    """off; on: the transformer's blocks are compiled."""
    cache: str = "off"
    """off; first-block or pyramid: diffusers' caches over the steps, which are approximate."""
    cache_threshold: float = 0.05
    """How much the first block may change before all are computed again (first-block)."""
    every_block: int = 0
    """Feature sites after every so many blocks; 0 takes four, evenly spread."""
    trained_expert: str = "high"
    """Which expert of A14B a training adapts, at the noise levels where it works: high, that of
    strong noise; low, that of weak noise."""

    def __attrs_post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"Unknown {name} {getattr(self, name)!r} for the backbone 'wan'. Choose one "
                    f"of: {', '.join(choices)}."
                )
        if self.vae_dtype not in _CHOICES["dtype"]:
            raise InputError(
                f"Unknown vae_dtype {self.vae_dtype!r} for the backbone 'wan'. Choose one of: "
                f"{', '.join(_CHOICES['dtype'])}."
            )
        if self.every_block < 0 or not 0 < self.cache_threshold < math.inf:
            raise InputError(
                "The backbone 'wan' needs every_block >= 0 and cache_threshold > 0; got "
                f"{self.every_block!r} and {self.cache_threshold!r}."
            )
        for name in ("lora", "lora_high", "lora_low"):
            for path, weight in getattr(self, name).items():
                if not math.isfinite(weight):
                    raise InputError(f"The weight of the LoRA {path!r} must be finite: {weight!r}.")
        if self.compile != "off" and (self.memory == "minimal" or self.cache != "off"):
            raise InputError(
                f"compile {self.compile!r} does not go with memory {self.memory!r} and cache "
                f"{self.cache!r}: choose one of them."
            )


@attrs.frozen(kw_only=True)
class WanSample(SampleConfig):
    """Sampling options of the backbone ``wan``; what is left open is as published for its family.

    Raises:
        InputError: a value is out of range.
    """

    steps: int = 0
    """Network steps from noise to video; 0 takes the family's: 40, or 50 for TI2V-5B."""
    solver: str = "unipc"
    """How a step is taken."""
    spacing: str = "unipc-published"
    """How the levels are spaced: unipc-published, as in all published runs of Wan, Wan-Move, ATI
    and Time-to-Move; unipc, as in diffusers from 0.37 on; euler."""
    shift: float | None = None
    """How far the levels are moved towards noise; unset takes the family's: 3 for Wan2.1 (published
    for 480p; 5 for 720p), 5 for Wan2.2."""
    guidance: float | None = None
    """Scale of the prompt against the negative prompt, 1 or less is off; unset takes the family's:
    5, or 3.5 for A14B."""
    guidance_low: float | None = None
    """That of the expert of weak noise (A14B); unset takes ``guidance``."""
    boundary: float | None = None
    """Level above which the expert of strong noise works (A14B); unset takes its own, 0.9."""

    def __attrs_post_init__(self) -> None:
        named = {k: v for k, v in attrs.asdict(self).items() if isinstance(v, (int, float))}
        bad = [name for name, value in named.items() if not math.isfinite(value)]
        if bad:
            raise InputError(f"Sampling options must be finite numbers: {', '.join(bad)}.")
        if not 0 <= self.steps <= MOST_STEPS:
            raise InputError(
                f"steps must be at least 1 and at most {MOST_STEPS}, or 0 for the family's; got "
                f"{self.steps!r}."
            )
        if self.shift is not None and self.shift <= 0:
            raise InputError(f"shift must be positive, got {self.shift!r}.")
        if self.boundary is not None and not 0 <= self.boundary <= 1:
            raise InputError(f"boundary must be within [0, 1], got {self.boundary!r}.")


@attrs.frozen(kw_only=True)
class WanTraining(FlowTraining):
    """Options of training with the backbone ``wan``.

    Raises:
        InputError: a value is out of range.
    """

    shift: float = 5.0
    """How far shifted levels are moved towards noise, as in sampling."""
    drop_prompt: float = 0.1
    """Share of clips whose caption is not told, for guidance by the prompt."""
    drop_image_latent: float = 0.0
    """Share of clips without the photo's latents."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        shares = {"drop_prompt": self.drop_prompt, "drop_image_latent": self.drop_image_latent}
        bad = [f"{name} = {value!r}" for name, value in shares.items() if not 0 <= value <= 1]
        if bad:
            raise InputError(f"Options of the objective are out of range: {', '.join(bad)}.")


ORIGINAL_HUB = "Wan-AI/Wan2.1-I2V-14B-480P"
WAN_MOVE_HUB = "Ruihang/Wan-Move-14B-480P"
ATI_HUB = "bytedance-research/ATI"

_ORIGINAL_FILES = (
    "diffusion_pytorch_model*.safetensors",
    "models_t5_umt5-xxl-enc-bf16.pth",
    "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
    "Wan2.1_VAE.pth",
    "google/umt5-xxl/*",
)

#: Wan2.1-I2V-14B in its original form, with all that belongs to it.
ORIGINAL_WEIGHTS = tuple(
    WeightFile(path=path, hub=ORIGINAL_HUB, licence=LICENCE) for path in _ORIGINAL_FILES
)

#: The published transformer of Wan-Move, 65 GB, with all that belongs to it.
WAN_MOVE_WEIGHTS = tuple(
    WeightFile(path=path, hub=WAN_MOVE_HUB, licence=LICENCE) for path in _ORIGINAL_FILES
)

#: The published transformer of ATI; VAE and encoders are those of Wan2.1-I2V-14B-480P.
ATI_WEIGHTS = (
    WeightFile(
        path="diffusion_pytorch_model*.safetensors", hub=ATI_HUB, licence="see its model card"
    ),
)


@attrs.frozen(kw_only=True)
class WanImportConfig:
    """Options of the importers ``wan-original``, ``wan-move`` and ``ati``.

    Raises:
        InputError: the type is no known choice.
    """

    dtype: str = "same"
    """Type of the weights that are written: same, as in the file (8 bits become bfloat16);
    float32, float16 or bfloat16."""
    parts: str = ""
    """Diffusers folder that VAE, encoders and tokenizer are copied from; empty takes those that lie
    beside the transformer in their original form, if they do."""

    def __attrs_post_init__(self) -> None:
        if self.dtype not in ("same", *_CHOICES["dtype"]):
            raise InputError(
                f"Unknown dtype {self.dtype!r} to write. Choose one of: same, "
                f"{', '.join(_CHOICES['dtype'])}."
            )
