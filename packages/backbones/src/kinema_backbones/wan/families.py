"""The three families of Wan, told apart by their own configs. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from kinema.errors import WeightsError
from kinema.offers import NativeForm
from kinema_backbones.wan.config import WanSample

#: The published negative prompt of all Wan models: gaudy colours, overexposure, stillness,
#: blurred details, subtitles, paintings, low quality, wrong hands and faces, walking backwards.
_STOCK = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，"
    "低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，"
    "毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

#: Negative prompts by name; that of Wan2.1-I2V, Wan-Move and ATI begins with a shaking camera.
NEGATIVES: Mapping[str, str] = {
    "wan2.1": "镜头晃动，" + _STOCK,
    "wan2.2": _STOCK,
    "none": "",
}


@attrs.frozen(kw_only=True)
class Family:
    """What models of one kind have in common, and how they were published to be used.

    Attributes:
        name: what messages and manifests call it.
        condition: how the photo is told: ``channels`` beside the noisy latents, or as the
            ``first-frame`` in their place, with a time for each token.
        tokens: whether the network attends to CLIP's tokens of the photo.
        native: the form it makes best.
        steps, shift, guidance, guidance_low, boundary: of published runs.
        negative: name of its published negative prompt.
    """

    name: str
    condition: Literal["channels", "first-frame"]
    tokens: bool
    native: NativeForm
    steps: int
    shift: float
    guidance: float
    guidance_low: float | None = None
    boundary: float | None = None
    negative: str

    def filled(self, config: WanSample) -> WanSample:
        """The options with this family's numbers where they are left open."""
        low, boundary = config.guidance_low, config.boundary
        if self.boundary is not None:
            # A guidance that is named means both experts.
            own = self.guidance_low if config.guidance is None else config.guidance
            low = own if low is None else low
            boundary = self.boundary if boundary is None else boundary
        return attrs.evolve(
            config,
            steps=config.steps or self.steps,
            shift=self.shift if config.shift is None else config.shift,
            guidance=self.guidance if config.guidance is None else config.guidance,
            guidance_low=low,
            boundary=boundary,
        )


WAN21 = Family(
    name="Wan2.1-I2V",
    condition="channels",
    tokens=True,
    native=NativeForm(size=(832, 480), frames=81, fps=16.0, multiple=16),
    steps=40,
    shift=3.0,
    guidance=5.0,
    negative="wan2.1",
)
A14B = Family(
    name="Wan2.2-I2V-A14B",
    condition="channels",
    tokens=False,
    native=NativeForm(size=(832, 480), frames=81, fps=16.0, multiple=16),
    steps=40,
    shift=5.0,
    guidance=3.5,
    guidance_low=3.5,
    boundary=0.9,
    negative="wan2.2",
)
TI2V = Family(
    name="Wan2.2-TI2V",
    condition="first-frame",
    tokens=False,
    native=NativeForm(size=(1280, 704), frames=121, fps=24.0, multiple=32),
    steps=50,
    shift=5.0,
    guidance=5.0,
    negative="wan2.2",
)


def family_of(
    transformer: Mapping[str, Any], index: Mapping[str, Any], vae_channels: int
) -> Family:
    """The family of a transformer's config, a ``model_index.json`` and the VAE's channels.

    Raises:
        WeightsError: it is no image-to-video model of Wan.
    """
    inputs, outputs = transformer.get("in_channels"), transformer.get("out_channels")
    if outputs != vae_channels:
        raise WeightsError(
            f"The transformer makes {outputs!r} channels, but the VAE beside it has "
            f"{vae_channels!r}: they belong to different models."
        )
    if index.get("expand_timesteps") or inputs == outputs == 48:
        if inputs != outputs:
            raise WeightsError(
                f"A transformer with a time for each token reads as many channels as it makes; "
                f"this one reads {inputs!r} and makes {outputs!r}."
            )
        return TI2V
    if inputs != 2 * vae_channels + 4:
        raise WeightsError(
            f"The transformer reads {inputs!r} channels; an image-to-video model of Wan reads "
            f"{2 * vae_channels + 4}: noise, 4 mask channels and the photo. Text-to-video models "
            "cannot be used here."
        )
    if transformer.get("image_dim") is not None:
        return WAN21
    boundary = index.get("boundary_ratio")
    return A14B if boundary is None else attrs.evolve(A14B, boundary=float(boundary))
