"""The controllers ``modulation`` (MotionPro), ``concat`` (MotionPro-C) and ``add`` (MotionPro-+).

All encode the signal once and act at every feature site they were built for; they know a site by
its name, channels and stride only. Each is initialised so that the backbone's output is unchanged.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from kinema.checkpoints import ControllerRecord
from kinema.errors import InputError
from kinema.interfaces import Action, Actions, Adapter, Modulation, Scene, Site
from kinema.noise import seeded
from kinema.signals import MotionSignal
from kinema_backbones.control.config import ControllerConfig, SiteShape
from kinema_backbones.control.encoder import MotionEncoder, Stage, TemporalConv, zeroed
from kinema_backbones.control.folder import OF_USE, write_folder

#: Channels in pixels; all others lie within [0, 1].
DISPLACEMENT = ("dx", "dy")


class EncodedController(nn.Module, ABC):
    """What the three share: the encoder, the sites, and being built from a config or a backbone."""

    #: Name of the offer.
    name = ""

    def __init__(self, config: ControllerConfig | None = None) -> None:
        super().__init__()
        self.config = config or ControllerConfig()
        #: What messages call it: how it was asked for, if that was not by its own name.
        self.label = self.name
        self.adapters: tuple[Adapter, ...] = ()
        self.encoder: MotionEncoder
        self.heads: nn.ModuleDict
        self.built = False
        if self.config.sites:
            self._build()

    def prepare(self, sites: Sequence[Site]) -> None:
        """Build a new controller for a backbone's feature sites, or check that they fit.

        Raises:
            InputError: a site it was built for is missing there or has another shape.
        """
        offered = {site.name: site for site in sites if site.kind == "feature"}
        if not self.built:
            if not offered:
                raise InputError(
                    f"The controller {self.label!r} acts at feature sites, but this backbone lists "
                    "none."
                )
            shapes = tuple(SiteShape(name=s.name, channels=s.channels, stride=s.stride)
                           for s in offered.values())  # fmt: skip
            self.config = attrs.evolve(self.config, sites=shapes)
            self._build()
        for wanted in self.config.sites:
            site = offered.get(wanted.name)
            if site is None or (site.channels, site.stride) != (wanted.channels, wanted.stride):
                there = f"{site.channels} channels at stride {site.stride}" if site else "missing"
                raise InputError(
                    f"The controller {self.label!r} was built for {wanted.channels} channels at "
                    f"stride {wanted.stride} at the site {wanted.name!r}, which is {there} in this "
                    "backbone."
                )

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """One action per site, from maps ``(T, C, H, W)`` or ``(B, T, C, H, W)``.

        Where a backbone folds time, the maps are brought to its sites' frames first.

        Raises:
            InputError: the signal has no maps or another channel count, or a site is missing.
        """
        self.prepare(sites)
        if signal.dense().shape[-3] != self.config.channels:
            raise InputError(
                f"The controller {self.label!r} reads {self.config.channels} channels, but the "
                f"signal has {signal.dense().shape[-3]}: {', '.join(signal.channels)}."
            )
        weight = next(self.encoder.parameters())
        folds = {site.name: site.temporal_stride for site in sites}
        encoded = {}
        for fold in {folds[site.name] for site in self.config.sites}:
            folded = signal.folded(fold)
            maps = folded.dense() if folded.dense().ndim == 5 else folded.dense()[None]
            maps = self._encodable(maps, signal.channels)
            features = self.encoder.by_stride(maps.to(weight.device, weight.dtype))
            encoded[fold] = features, maps.shape[1]
        acts = {}
        for site in self.config.sites:
            features, frames = encoded[folds[site.name]]
            head = self.heads[_key(site.name)]
            acts[site.name] = self.action(head, features[site.stride], frames)
        return acts

    def _encodable(self, maps: Tensor, channels: Sequence[str]) -> Tensor:
        """The maps, their displacement scaled, and the displacement's waves, zero at rest.

        Raises:
            InputError: waves are asked for, but the signal has no displacement.
        """
        if self.config.scale == 1 and not self.config.waves:
            return maps
        places = [index for index, channel in enumerate(channels) if channel in DISPLACEMENT]
        if self.config.waves and len(places) != len(DISPLACEMENT):
            raise InputError(
                f"The controller {self.label!r} reads waves of dx and dy, but the signal's "
                f"channels are {', '.join(channels)}. Leave out its option 'waves'."
            )
        factors = maps.new_ones(len(channels))
        factors[places] = self.config.scale
        turns = [2 * math.pi * maps[:, :, places] / length for length in self.config.waves]
        waves = [wave for turn in turns for wave in (turn.sin(), 1 - turn.cos())]
        return torch.cat([maps * factors[:, None, None], *waves], dim=2)

    def save(
        self,
        folder: Path,
        *,
        conditions: Mapping[str, Mapping[str, Any]],
        manifest: Mapping[str, Any],
        lora: Mapping[str, bytes],
        licence: str = "",
    ) -> Path:
        """Write a controller folder; see :class:`kinema.interfaces.SavedController`.

        Raises:
            InputError: the controller was not built yet, or the folder cannot be written.
        """
        if not self.built:
            raise InputError(
                f"The controller {self.label!r} has no weights yet: attach it to a backbone first."
            )
        config = {k: v for k, v in attrs.asdict(self.config).items() if k not in OF_USE}
        record = ControllerRecord(
            controller=self.name,
            config=config,
            conditions=dict(conditions),
            manifest=dict(manifest),
            licence=licence,
        )
        return write_folder(folder, record, self.state_dict(), lora)

    def blocks(self) -> Iterator[nn.Module]:
        """The parts whose activations are worth recomputing in a backward pass."""
        for module in self.modules():
            if isinstance(module, Stage | _Branch):
                yield module

    @abstractmethod
    def action(self, head: nn.Module, feature: Tensor, frames: int) -> Action:
        """The action of one site's head on the feature ``(B * T, C, h, w)`` of its stride."""

    @abstractmethod
    def head(self, feature: int, channels: int) -> nn.Module:
        """A new head that turns a feature's channels into a site's."""

    def _build(self) -> None:
        levels: dict[int, int] = {}
        keys: dict[str, str] = {}
        for site in self.config.sites:
            levels.setdefault(site.stride, site.channels)
            other = keys.setdefault(_key(site.name), site.name)
            if other != site.name:
                raise InputError(
                    f"The controller {self.label!r} cannot tell the sites {other!r} and "
                    f"{site.name!r} apart: points become underscores in the names of its weights."
                )
        with seeded(self.config.seed):
            inputs = self.config.channels + 2 * len(DISPLACEMENT) * len(self.config.waves)
            self.encoder = MotionEncoder(inputs, levels, self.config.norms)
            self.heads = nn.ModuleDict(
                {_key(s.name): self.head(levels[s.stride], s.channels) for s in self.config.sites}
            )
        self.built = True


class _Branch(nn.Module):
    """3x3 convolution to a quarter of the channels, temporal convolution to the site's, zero."""

    def __init__(self, feature: int, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 4, 1)
        self.spatial = nn.Conv2d(feature, narrow, 3, padding=1)
        self.temporal = zeroed(TemporalConv(narrow, channels))

    def forward(self, feature: Tensor, frames: int) -> Tensor:
        temporal = self.temporal
        assert isinstance(temporal, TemporalConv)
        return temporal.over(self.spatial(feature), frames)


class ModulationHead(nn.Module):
    """Adaptive scale and bias of one site, with the affine part of the norm that they act on."""

    def __init__(self, feature: int, channels: int) -> None:
        super().__init__()
        self.groups = 32 if channels % 32 == 0 else 1
        self.norm_weight = nn.Parameter(torch.ones(channels))
        self.norm_bias = nn.Parameter(torch.zeros(channels))
        self.gamma = _Branch(feature, channels)
        self.beta = _Branch(feature, channels)


class ModulationController(EncodedController):
    """MotionPro's adaptive feature modulation: ``h + GroupNorm(h) * gamma + beta``."""

    name = "modulation"

    def head(self, feature: int, channels: int) -> nn.Module:
        """A zero-initialised head."""
        return ModulationHead(feature, channels)

    def action(self, head: nn.Module, feature: Tensor, frames: int) -> Action:
        """The scale and bias, the norm's affine part folded in."""
        assert isinstance(head, ModulationHead)
        gamma = head.gamma(feature, frames)
        weight, bias = head.norm_weight[:, None, None], head.norm_bias[:, None, None]
        return Modulation(
            scale=gamma * weight,
            bias=gamma * bias + head.beta(feature, frames),
            groups=head.groups,
        )


@attrs.frozen(eq=False)
class Addition:
    """The action ``h + bias``; bias ``(B * T, C, h, w)``."""

    bias: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        """Act on ``h`` ``(B * T, C, h, w)``."""
        return h + self.bias


class AddController(EncodedController):
    """MotionPro-+: the encoded motion is added, through a zero-initialised 1x1 convolution."""

    name = "add"

    def head(self, feature: int, channels: int) -> nn.Module:
        """A zero-initialised 1x1 convolution."""
        return zeroed(nn.Conv2d(feature, channels, 1))

    def action(self, head: nn.Module, feature: Tensor, frames: int) -> Action:
        """The sum."""
        return Addition(head(feature))


@attrs.frozen(eq=False)
class Concatenation:
    """The action ``h + W [h, feature]``: the feature's part is ``bias``, computed once."""

    weight: Tensor
    bias: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        """Act on ``h`` ``(B * T, C, h, w)``."""
        return h + nn.functional.conv2d(h, self.weight) + self.bias


class ConcatHead(nn.Module):
    """A 1x1 convolution of the hidden feature and the encoded motion, in two parts."""

    def __init__(self, feature: int, channels: int) -> None:
        super().__init__()
        self.hidden = zeroed(nn.Conv2d(channels, channels, 1, bias=False))
        self.motion = zeroed(nn.Conv2d(feature, channels, 1))


class ConcatController(EncodedController):
    """MotionPro-C: hidden feature and encoded motion are concatenated and mixed by a convolution.

    The convolution is a residual one and starts at zero, so the base is unchanged at first.
    """

    name = "concat"

    def head(self, feature: int, channels: int) -> nn.Module:
        """A zero-initialised head."""
        return ConcatHead(feature, channels)

    def action(self, head: nn.Module, feature: Tensor, frames: int) -> Action:
        """The residual convolution."""
        assert isinstance(head, ConcatHead)
        assert isinstance(head.hidden, nn.Conv2d)
        return Concatenation(weight=head.hidden.weight, bias=head.motion(feature))


CONTROLLERS: dict[str, Callable[[ControllerConfig], EncodedController]] = {
    kind.name: kind for kind in (ModulationController, ConcatController, AddController)
}


def _key(site: str) -> str:
    """What the head of a site is called among the weights."""
    key = site.replace(".", "_")
    if not key or hasattr(nn.ModuleDict(), key):
        raise InputError(
            f"A controller cannot act at a site called {site!r}: torch needs a name for each part "
            "of a network, and keeps this one for itself."
        )
    return key
