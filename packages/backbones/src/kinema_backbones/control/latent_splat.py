"""The controller ``latent-splat``: the photo's features are splatted along tracks (ATI, 2025).

No parameters. Each track takes the feature at its start along and spreads it as a Gaussian spot,
in the photo's latents and in the mask channels beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Actions, Scene, Site
from kinema.motion.canvas import Size
from kinema.signals import MotionSignal
from kinema_backbones.control.latent_config import LatentSplatConfig
from kinema_backbones.control.latent_controller import LatentController
from kinema_backbones.control.points import batched_points, latent_site

#: Mask channels before the latents' own in a condition.
MASKS = 4

#: Keeps the mean of no visible place at the middle.
_EPSILON = 1e-5


def splat_latents(
    condition: Tensor,
    tracks: Tensor,
    visible: Tensor,
    canvas: Size,
    temperature: float = 220.0,
    top_k: int = 2,
    *,
    temporal_stride: int = 4,
) -> Tensor:
    """Splat the features that tracks start at to where the tracks are in each later latent frame.

    Args:
        condition: ``(4 + C, T', h, w)``: mask channels and latents.
        tracks: ``(F, N, 2)``, x and y in pixels of ``canvas``, whose outer corner is (0, 0); F is
            1 + (T' - 1) ``temporal_stride``.
        visible: ``(F, N)``, bool or 0 to 1.
        canvas: (width, height).
        temperature: ``exp(-temperature * d^2)`` is a track's weight at distance d, in halves of the
            short side.
        top_k: tracks that count in a cell.
        temporal_stride: pixel frames per latent frame after the first.

    Returns:
        ``(4 + C, T', h, w)``: latents are ``sum(weight * feature) + old * (1 - min(1, sum
        weight))``, mask channels the sum of the weights, which may exceed 1 where tracks overlap.
        Frame 0 is as it was.

    Raises:
        InputError: shapes do not fit, or a number is out of range.
    """
    if condition.ndim != 4 or len(condition) <= MASKS:
        raise InputError(f"condition must be (4 + C, T', h, w), got {tuple(condition.shape)!r}.")
    weights, starts = _spots(
        condition.shape[1:], tracks, visible, canvas, temperature, top_k, temporal_stride
    )
    weights, starts = weights.to(condition.device), starts.to(condition.device)
    latents = _splatted(condition[MASKS:], weights, starts)
    mask = condition[:MASKS].clone()
    mask[:, 1:] = weights.sum(1).to(mask.dtype)
    return torch.cat([mask, latents])


def _spots(
    grid: Sequence[int],
    tracks: Tensor,
    visible: Tensor,
    canvas: Size,
    temperature: float,
    top_k: int,
    temporal_stride: int,
) -> tuple[Tensor, Tensor]:
    """Weights ``(T' - 1, N, h, w)`` of every track, and where its feature is read ``(N, 2)``.

    Raises:
        InputError: shapes do not fit, or a number is out of range.
    """
    frames, height, width = grid
    if tracks.ndim != 3 or tracks.shape[-1] != 2 or visible.shape != tracks.shape[:-1]:
        raise InputError(
            "tracks must be (F, N, 2) with visible (F, N) beside them; got "
            f"{tuple(tracks.shape)!r} and {tuple(visible.shape)!r}."
        )
    if len(tracks) != 1 + (frames - 1) * temporal_stride:
        raise InputError(
            f"{frames} latent frames take tracks of {1 + (frames - 1) * temporal_stride} frames, "
            f"got {len(tracks)}."
        )
    if not temperature > 0 or top_k < 1:
        raise InputError(
            f"temperature must be positive and top_k at least 1; got {temperature!r}, {top_k!r}."
        )
    seen = visible.float()
    if not bool(tracks[seen > 0].isfinite().all()):
        raise InputError("A track has a place that is not finite where it is visible.")
    places = _centred(tracks.nan_to_num(0.0).float(), canvas)
    reach = places.new_tensor([width, height]) / min(width, height)
    starts = (places[0] / reach).clamp(-1, 1)
    groups = places[1:].unflatten(0, (-1, temporal_stride))
    shown = seen[1:].unflatten(0, (-1, temporal_stride))[..., None]
    centres = (shown * groups).sum(1) / (shown.sum(1) + _EPSILON)
    on = shown.sum(1)[..., 0].clamp_max(1.0)
    # The outermost cells' centres lie on the edge here, and half a cell inside it where features
    # are read: both as published.
    x = torch.linspace(-float(reach[0]), float(reach[0]), width, device=tracks.device)
    y = torch.linspace(-float(reach[1]), float(reach[1]), height, device=tracks.device)
    weights = torch.stack(
        [_nearest(c, o, x, y, temperature, top_k) for c, o in zip(centres, on, strict=True)]
    ) if frames > 1 else places.new_zeros(0, tracks.shape[1], height, width)  # fmt: skip
    return weights, starts


def _centred(places: Tensor, canvas: Size) -> Tensor:
    size = places.new_tensor(canvas)
    return (places - size / 2) * 2 / min(canvas)


def _nearest(
    centres: Tensor, on: Tensor, x: Tensor, y: Tensor, temperature: float, top_k: int
) -> Tensor:
    """Weights ``(N, h, w)`` of one latent frame; all but the ``top_k`` largest of a cell are 0."""
    across = (x[None] - centres[:, :1]) ** 2
    down = (y[None] - centres[:, 1:]) ** 2
    weights = on[:, None, None] * torch.exp(-temperature * (down[:, :, None] + across[:, None]))
    if len(weights) <= top_k:
        return weights
    kept, which = weights.topk(top_k, dim=0)
    return torch.zeros_like(weights).scatter(0, which, kept)


def _splatted(latents: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
    """Latents ``(C, T', h, w)`` with the features of frame 0 at ``starts`` spread by weight."""
    grid = starts.to(latents.dtype)[None, None]
    features = F.grid_sample(
        latents[None, :, 0], grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )[0, :, 0]
    weights = weights.to(latents.dtype)
    spread = torch.einsum("cn,tnhw->cthw", features, weights)
    total = weights.sum(1).clamp_max(1.0)
    moved = latents.clone()
    moved[:, 1:] = spread + latents[:, 1:] * (1 - total)
    return moved


class LatentSplat(LatentController):
    """ATI's control, at the photo's latents and, where there are any, its mask channels."""

    name = "latent-splat"

    def __init__(self, config: LatentSplatConfig | None = None) -> None:
        self.config = config or LatentSplatConfig()
        super().__init__(self.config)

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A splat at the image latent, and its weights in the mask channels beside it.

        Raises:
            InputError: the backbone has no image latent, or the signal no tracks.
        """
        site = latent_site("latent-splat", sites)
        tracks, visible = batched_points("latent-splat", signal)
        acts = {site.name: partial(self._latents, tracks, visible, site)}
        mask = next((each for each in sites if each.kind == "image-mask"), None)
        if mask is not None:
            acts[mask.name] = partial(self._masks, tracks, visible, mask)
        return acts

    def _latents(self, tracks: Tensor, visible: Tensor, site: Site, latents: Tensor) -> Tensor:
        videos = []
        for place, video in enumerate(latents):
            weights, starts = self._of(tracks, visible, site, place, video)
            videos.append(_splatted(video.transpose(0, 1), weights, starts).transpose(0, 1))
        return torch.stack(videos)

    def _masks(self, tracks: Tensor, visible: Tensor, site: Site, masks: Tensor) -> Tensor:
        edited = masks.clone()
        for place, video in enumerate(masks):
            weights, _ = self._of(tracks, visible, site, place, video)
            edited[place, 1:] = weights.sum(1)[:, None].to(edited.dtype)
        return edited

    def _of(
        self, tracks: Tensor, visible: Tensor, site: Site, place: int, video: Tensor
    ) -> tuple[Tensor, Tensor]:
        frames, _, height, width = video.shape
        of = place % len(tracks)
        # Pixel centres are whole numbers in a motion, and halves in ATI's code.
        weights, starts = _spots(
            (frames, height, width),
            tracks[of] + 0.5,
            visible[of],
            (width * site.stride, height * site.stride),
            self.config.temperature,
            self.config.top_k,
            site.temporal_stride,
        )
        return weights.to(video.device), starts.to(video.device)
