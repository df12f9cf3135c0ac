"""Options of the ``svd`` backbone. Torch-free."""

from __future__ import annotations

import math

import attrs

from kinema.config import SampleConfig
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

    lora: dict[str, float] = attrs.field(factory=dict)
    """LoRA files, each with its weight."""
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
class SvdSample(SampleConfig):
    """Sampling options of the ``svd`` backbone; the defaults are MotionPro's published ones.

    Raises:
        InputError: a value is out of range.
    """

    sigma_max: float = 700.0
    """Noise level the schedule starts at."""
    sigma_min: float = 0.002
    """Last noise level above zero."""
    rho: float = 7.0
    """Curvature of the EDM schedule (Karras et al. 2022, equation 5)."""
    guidance_min: float = 1.0
    """Classifier-free guidance scale of the first frame."""
    guidance_max: float = 2.5
    """Classifier-free guidance scale of the last frame; linear in between."""
    guidance_start: float = 0.0
    """Fraction of the steps before which the conditional prediction is used alone."""
    guidance_stop: float = 1.0
    """Fraction of the steps from which the conditional prediction is used alone."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not 0 < self.sigma_min < self.sigma_max or self.rho <= 0:
            raise InputError(
                f"The schedule needs 0 < sigma_min < sigma_max and rho > 0; got "
                f"{self.sigma_min!r}, {self.sigma_max!r}, {self.rho!r}."
            )
        if not 0 <= self.guidance_start <= self.guidance_stop <= 1:
            raise InputError(
                f"The guidance interval needs 0 <= start <= stop <= 1; got "
                f"{self.guidance_start!r} and {self.guidance_stop!r}."
            )


@attrs.frozen(kw_only=True)
class SvdTraining:
    """Options of training with the ``svd`` backbone; the defaults are MotionPro's.

    Raises:
        InputError: a value is out of range.
    """

    sigma_mean: float = 0.7
    """ln(sigma) of the latents' noise is normal with this mean."""
    sigma_std: float = 1.6
    """Its standard deviation."""
    photo_mean: float = -3.0
    """ln(strength) of the noise on the photo is normal with this mean."""
    photo_std: float = 0.5
    """Its standard deviation."""
    drop_image_embedding: float = 0.1
    """Share of clips without the photo's embedding."""
    drop_image_latent: float = 0.1
    """Share of clips without the photo's latent."""
    motion_bucket: float | None = None
    """How much motion the network is told; unset means as measured in each clip."""

    def __attrs_post_init__(self) -> None:
        holds = {
            "sigma_mean": math.isfinite(self.sigma_mean),
            "sigma_std": 0 <= self.sigma_std < math.inf,
            "photo_mean": math.isfinite(self.photo_mean),
            "photo_std": 0 <= self.photo_std < math.inf,
            "drop_image_embedding": 0 <= self.drop_image_embedding <= 1,
            "drop_image_latent": 0 <= self.drop_image_latent <= 1,
            "motion_bucket": self.motion_bucket is None or self.motion_bucket >= 0,
        }
        bad = [f"{name} = {getattr(self, name)!r}" for name, right in holds.items() if not right]
        if bad:
            raise InputError(f"Options of the objective are out of range: {', '.join(bad)}.")


@attrs.frozen(kw_only=True)
class MotionProConfig:
    """Options of the importer ``motionpro``."""

    dense: bool = False
    """The file is MotionPro-Dense, whose third channel is visibility."""
    num_head_channels: int = 64
    """Channels of an attention head; weights do not tell it, and only a full base needs it."""
