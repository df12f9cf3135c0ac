"""The controller ``latent-copy``: the photo's latent is copied along point tracks (Wan-Move, 2025).

No parameters. Each track takes the cell it starts in along, cell by cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Actions, Scene, Site
from kinema.signals import MotionSignal
from kinema_backbones.control.latent_config import LatentCopyConfig
from kinema_backbones.control.latent_controller import LatentController
from kinema_backbones.control.points import batched_points, latent_site

LateStarters = Literal["drop", "published"]


def copy_latents(
    latents: Tensor,
    tracks: Tensor,
    visible: Tensor,
    stride: int = 8,
    late_starters: LateStarters = "drop",
    *,
    temporal_stride: int = 4,
) -> Tensor:
    """Copy the cells that tracks start in to where the tracks are later.

    A track counts in latent frame k where it is visible and on the canvas in pixel frame
    ``k * temporal_stride``; the frames between are not looked at. Where tracks share a cell, the
    last of them in input order wins. Latent frame 0 stays as it is.

    Args:
        latents: ``(C, T', h, w)``.
        tracks: ``(F, N, 2)``, x and y in pixels of a canvas of ``(w * stride, h * stride)`` whose
            outer corner is (0, 0).
        visible: bool ``(F, N)``.
        stride: canvas pixels per cell.
        late_starters: tracks that do not count in frame 0 have no cell to take along: ``drop``
            leaves them out, ``published`` copies the last row's last cell as Wan-Move's code does.
        temporal_stride: pixel frames per latent frame after the first.

    Returns:
        ``(C, T', h, w)``, a new tensor. Latent frames after the last of the tracks are as they
        were.

    Raises:
        InputError: shapes do not fit, the tracks are longer than the latents, or a visible place is
            not finite.
    """
    if latents.ndim != 4:
        raise InputError(f"latents must be (C, T', h, w), got {tuple(latents.shape)!r}.")
    if late_starters not in ("drop", "published"):
        raise InputError(f"late_starters must be drop or published, got {late_starters!r}.")
    cells = latent_cells(tracks, visible, latents.shape[-2:], stride, temporal_stride)
    if len(cells) > latents.shape[1]:
        raise InputError(
            f"Tracks of {len(tracks)} frames reach {len(cells)} latent frames, but the latents "
            f"have {latents.shape[1]}."
        )
    return _copied(latents, cells.to(latents.device), late_starters)


def latent_cells(
    tracks: Tensor,
    visible: Tensor,
    grid: Sequence[int],
    stride: int = 8,
    temporal_stride: int = 4,
) -> Tensor:
    """Which cell each track is in: int64 ``(T', N)``, row * w + column; -1 where it does not count.

    Raises:
        InputError: shapes do not fit, or a visible place is not finite.
    """
    if tracks.ndim != 3 or tracks.shape[-1] != 2 or visible.shape != tracks.shape[:-1]:
        raise InputError(
            "tracks must be (F, N, 2) with visible (F, N) beside them; got "
            f"{tuple(tracks.shape)!r} and {tuple(visible.shape)!r}."
        )
    height, width = grid
    places, seen = tracks[::temporal_stride], visible[::temporal_stride].bool()
    if not bool(places[seen].isfinite().all()):
        raise InputError("A track has a place that is not finite where it is visible.")
    x, y = places.nan_to_num(-1.0).unbind(-1)
    inside = (x >= 0) & (x < width * stride) & (y >= 0) & (y < height * stride)
    column, row = ((side / stride).floor().long() for side in (x, y))
    # Just below the edge of a large canvas a quotient may round up to the edge.
    flat = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return torch.where(seen & inside, flat, -1)


def _copied(latents: Tensor, cells: Tensor, late_starters: LateStarters) -> Tensor:
    channels, _, height, width = latents.shape
    if not len(cells) or not cells.shape[1]:
        return latents.clone()
    first = latents[:, 0].flatten(1)
    sources = torch.where(cells[0] < 0, height * width - 1, cells[0])
    lands = cells[1:] >= 0
    if late_starters == "drop":
        lands = lands & (cells[0] >= 0)
    # For every cell the number of the last track that lands there; the spare cell takes the rest.
    winner = torch.full((len(lands), height * width + 1), -1, device=latents.device)
    order = torch.arange(cells.shape[1], device=latents.device).expand_as(lands)
    target = torch.where(lands, cells[1:], height * width)
    winner = winner.scatter_reduce(1, target, order, "amax")[:, :-1]
    copied = first[:, sources[winner.clamp_min(0)]]
    before = latents[:, 1 : 1 + len(lands)].flatten(2)
    moved = latents.clone()
    edited = torch.where(winner >= 0, copied, before)
    moved[:, 1 : 1 + len(lands)] = edited.view(channels, len(lands), height, width)
    return moved


class LatentCopy(LatentController):
    """Wan-Move's control, at the photo's latents of any backbone that has one for each frame."""

    name = "latent-copy"

    def __init__(self, config: LatentCopyConfig | None = None) -> None:
        self.config = config or LatentCopyConfig()
        super().__init__(self.config)

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        """A copy at the image latent.

        Raises:
            InputError: the backbone has no image latent, or the signal no tracks.
        """
        site = latent_site("latent-copy", sites)
        tracks, visible = batched_points("latent-copy", signal)
        return {site.name: partial(self._act, tracks, visible, site)}

    def _act(self, tracks: Tensor, visible: Tensor, site: Site, latents: Tensor) -> Tensor:
        late: LateStarters = "published" if self.config.late_starters == "published" else "drop"
        videos = []
        for place, video in enumerate(latents):
            of = place % len(tracks)
            # Pixel centres are whole numbers in a motion, and halves in Wan-Move's code.
            cells = latent_cells(
                tracks[of] + 0.5, visible[of], video.shape[-2:], site.stride, site.temporal_stride
            )
            copied = _copied(video.transpose(0, 1), cells.to(video.device), late)
            videos.append(copied.transpose(0, 1))
        return torch.stack(videos)
