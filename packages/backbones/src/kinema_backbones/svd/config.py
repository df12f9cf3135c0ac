"""Options of the ``svd`` backbone. Torch-free."""

from __future__ import annotations

import attrs

from kinema.errors import InputError
from kinema.offers import WeightFile

HUB = "stabilityai/stable-video-diffusion-img2vid-xt"
LICENCE = "stable-video-diffusion-community"

#: What a diffusers folder of Stable Video Diffusion holds, half precision.
WEIGHTS = (
    WeightFile(
        path="unet/diffusion_pytorch_model.fp16.safetensors",
        hub=HUB,
        licence=LICENCE,
        bytes=3_049_435_868,
    ),
    WeightFile(
        path="vae/diffusion_pytorch_model.fp16.safetensors",
        hub=HUB,
        licence=LICENCE,
        bytes=195_531_910,
    ),
    WeightFile(
        path="image_encoder/model.fp16.safetensors",
        hub=HUB,
        licence=LICENCE,
        bytes=1_264_217_240,
    ),
)

_CHOICES: dict[str, tuple[str, ...]] = {
    "dtype": ("float32", "float16", "bfloat16"),
    "memory": ("default", "offload", "minimal"),
    "attention": ("auto", "sdpa", "flash", "cudnn", "efficient", "math", "xformers"),
    "compile": ("off", "on", "warm"),
}


@attrs.frozen(kw_only=True)
class SvdConfig:
    """Options of the ``svd`` backbone; the defaults are MotionPro's at inference, and exact.

    Raises:
        InputError: a value is out of range or no known choice.
    """

    weights: str = HUB
    """Diffusers folder, repository in the local hub cache, or the original single file."""
    device: str = "cpu"
    """Where it computes."""
    dtype: str = "float32"
    """float32, float16 or bfloat16; in float16 the VAE runs in float32."""

    motion_bucket_id: int = 17
    """How much motion the base is asked for (MotionPro, section 4.1)."""
    fps_id: int = 0
    """The frame rate the network is told; 0 tells it the video's own."""
    noise_aug: float = 0.02
    """Strength of the noise on the photo, in [-1, 1] units, before it is encoded."""
    resnet_eps: float = 1e-5
    """Epsilon of the resnets' norms: the published network's; diffusers builds some with 1e-6."""

    decode_chunk: int = 8
    """Frames the VAE decodes together. Part of the result: its temporal layers span a chunk. The
    published code decodes 1; 0 decodes the whole clip as one."""

    merge_lora: bool = True
    """Merge LoRA into the weights while a controller is attached."""
    fold_cross_attention: bool = True
    """Compute the cross-attention to the one image token once per video."""
    channels_last: bool = True
    """Keep the 2-d convolutions' weights channels-last, on CUDA."""
    batch_terms: bool = True
    """Evaluate all guidance terms in one batch; memory ``minimal`` never does."""
    attention: str = "auto"
    """auto, sdpa, flash, cudnn, efficient, math or xformers; auto measures each shape on CUDA."""
    attention_plan: dict[str, str] = attrs.field(factory=dict)
    """Kernel per shape (batch x heads x length x head size), as a manifest records it."""
    compile: str = "off"
    """off; on: the first video compiles; warm: compiled once warmed up, eager before that."""
    compile_cache: str = ""
    """File in which compiled artifacts are kept between processes."""
    memory: str = "default"
    """default: all on the device; offload: only the part at work; minimal: layer by layer."""

    feature_cache: int = 1
    """Compute the U-Net's deep levels every n-th step only; 1 is exact, more is approximate."""

    def __attrs_post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"Unknown {name} {getattr(self, name)!r} for the backbone 'svd'. "
                    f"Choose one of: {', '.join(choices)}."
                )
        if self.decode_chunk < 0 or self.feature_cache < 1 or not 0 <= self.noise_aug < 10:
            raise InputError(
                "The backbone 'svd' needs decode_chunk >= 0, feature_cache >= 1 and noise_aug in "
                f"[0, 10); got {self.decode_chunk!r}, {self.feature_cache!r}, {self.noise_aug!r}."
            )
        if self.compile != "off" and (self.feature_cache > 1 or self.memory == "minimal"):
            raise InputError(
                f"compile {self.compile!r} does not go with feature_cache {self.feature_cache!r} "
                f"and memory {self.memory!r}: choose one of them."
            )


@attrs.frozen(kw_only=True)
class MotionProConfig:
    """Options of the importer ``motionpro``."""

    dense: bool = False
    """The file is MotionPro-Dense, whose third channel is visibility."""
    num_head_channels: int = 64
    """Channels of an attention head; weights do not tell it, and only a full base needs it."""
