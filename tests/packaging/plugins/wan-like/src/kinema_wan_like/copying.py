"""A controller without parameters: the photo's latents are copied to where its points go."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Actions, Scene, Site
from kinema.signals import MotionSignal


class CopyAlongTracks:
    """Each visible point takes the latent of its start along, cell by cell; later points win."""

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        """A copy at the image latent.

        Raises:
            InputError: the backbone has no image latent, or the signal no tracks.
        """
        site = next((site for site in sites if site.kind == "image-latent"), None)
        if site is None:
            raise InputError("copy-along-tracks needs a backbone with an image latent.")
        folded = signal.folded(site.temporal_stride)
        if folded.tracks is None or folded.visible is None:
            raise InputError("copy-along-tracks needs point tracks; name a condition of them.")
        tracks = folded.tracks if folded.tracks.ndim == 4 else folded.tracks[None]
        visible = folded.visible if folded.visible.ndim == 3 else folded.visible[None]

        def copy(latents: Tensor) -> Tensor:
            return _copied(latents, tracks, visible, site.stride)

        return {site.name: copy}


def _copied(latents: Tensor, tracks: Tensor, visible: Tensor, stride: int) -> Tensor:
    moved = latents.clone()
    height, width = latents.shape[-2:]
    cells = ((tracks + 0.5) / stride).floor().long()
    inside = (cells >= 0).all(-1) & (cells[..., 0] < width) & (cells[..., 1] < height) & visible
    for video in range(len(latents)):
        at, seen = cells[video % len(cells)], inside[video % len(cells)]
        for frame in range(1, latents.shape[1]):
            for point in (seen[frame] & seen[0]).nonzero()[:, 0].tolist():
                (x0, y0), (x, y) = at[0, point].tolist(), at[frame, point].tolist()
                moved[video, frame, :, y, x] = latents[video, 0, :, y0, x0]
    return moved
