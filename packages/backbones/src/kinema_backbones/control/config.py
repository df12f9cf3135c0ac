"""Options of the controllers. Torch-free."""

from __future__ import annotations

import math

import attrs

from kinema.errors import InputError

#: More channels than the features of any video model have, and than any signal.
MOST_CHANNELS, MOST_SIGNAL_CHANNELS = 2**14, 2**10


@attrs.frozen(kw_only=True)
class SiteShape:
    """A feature site a controller was built for: its name, channels and stride.

    Raises:
        InputError: it has no channels, or more than :data:`MOST_CHANNELS`.
    """

    name: str
    channels: int
    stride: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise InputError(
                f"The features at the site {self.name!r} have {self.channels!r} channels; a "
                f"controller acts on 1 to {MOST_CHANNELS}."
            )


@attrs.frozen(kw_only=True)
class ControllerConfig:
    """Options of ``modulation``, ``concat`` and ``add``.

    Raises:
        InputError: a number is out of range.
    """

    weights: str = ""
    """Folder of a trained controller; empty makes a new one that changes nothing yet."""
    channels: int = 3
    """Channels of the signal: dx, dy and mask (or visibility)."""
    sites: tuple[SiteShape, ...] = ()
    """Sites it acts at; empty takes every feature site of the backbone it is attached to."""
    seed: int = 0
    """Seed of a new controller's weights."""
    norms: bool = True
    """Whether the encoder normalises its features, as MotionPro's does. Norms keep the direction of
    a lone drag and lose most of its length; a controller from nothing learns more without."""
    scale: float = 1.0
    """Factor of the displacement before it is encoded; without norms, about one over the longest
    that occurs, in pixels."""
    waves: tuple[float, ...] = ()
    """Wavelengths, in pixels, whose sines and cosines of the displacement are encoded beside it.
    With them a place and where it goes are a product away from each other, which attention over
    places learns far sooner."""
    lora: bool = True
    """Whether the LoRA that lies in the folder is used."""
    lora_scale: float = 1.0
    """Weight of that LoRA."""
    adapters: dict[str, float] = attrs.field(factory=dict)
    """Further LoRA folders, each with its weight."""

    def __attrs_post_init__(self) -> None:
        if self.channels < 1:
            raise InputError(
                f"A controller needs at least 1 signal channel, got {self.channels!r}."
            )
        if self.channels > MOST_SIGNAL_CHANNELS:
            raise InputError(
                f"A controller reads at most {MOST_SIGNAL_CHANNELS} signal channels, got "
                f"{self.channels!r}."
            )
        if not 0 < self.scale < math.inf:
            raise InputError(f"The scale of a controller must be positive, got {self.scale!r}.")
        if not all(0 < length < math.inf for length in self.waves):
            raise InputError(
                f"The waves of a controller are lengths in pixels, above 0; got {self.waves!r}."
            )
