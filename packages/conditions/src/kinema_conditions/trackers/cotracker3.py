"""The tracker ``cotracker3``: an adapter to CoTracker3, which the user installs."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.errors import PluginError
from kinema.signals import Observation
from kinema_conditions.tracker_configs import COTRACKER3_WEIGHTS, CoTracker3Config
from kinema_conditions.trackers.inputs import check_frames, check_points
from kinema_conditions.trackers.weights import absent, load_into


class CoTracker3:
    """CoTracker3 offline (Karaev et al. 2024), through the package ``cotracker`` of its authors.

    Raises:
        WeightsError: the weights are not where ``path`` says, or are of another network.
        PluginError: the package ``cotracker`` cannot be imported, or is of another version.
    """

    def __init__(self, config: CoTracker3Config) -> None:
        self.config = config
        try:
            predictor = importlib.import_module("cotracker.predictor").CoTrackerPredictor
        except (ImportError, AttributeError) as error:
            raise PluginError(
                "cotracker3 runs on the package 'cotracker' of facebookresearch/co-tracker "
                f"(licence CC-BY-NC-4.0), which you install yourself ({error})."
            ) from None
        file = Path(config.path)
        if not (config.path and file.is_file()):
            raise absent("cotracker3", config.path, (COTRACKER3_WEIGHTS,))
        try:
            # Its own loader runs whatever a checkpoint holds, so it gets none.
            self._predictor: Any = predictor(
                checkpoint=None, offline=True, v2=False, window_len=config.window
            )
        except TypeError as error:
            raise PluginError(
                f"The installed package 'cotracker' is not version 3 ({error}). Install the one "
                "of facebookresearch/co-tracker."
            ) from None
        load_into(self._predictor.model, file, "cotracker3")
        self._predictor.eval()

    def observe(self, frames: Tensor) -> Observation:
        """Dense motion from frame 0 of uint8 ``(T, H, W, 3)``, on the device of the frames.

        Every ``stride``-th pixel is followed; between them the motion is interpolated bilinearly.

        Raises:
            InputError: ``frames`` is no clip.
        """
        check_frames(frames)
        count, height, width = frames.shape[:3]
        columns, rows = (math.ceil((n - 1) / self.config.stride) + 1 for n in (width, height))
        x, y = torch.linspace(0, width - 1, columns), torch.linspace(0, height - 1, rows)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        tracks, visible = self._follow(frames, grid.reshape(-1, 2), 0)
        moved = (tracks - tracks[:1]).reshape(count, rows, columns, 2).permute(0, 3, 1, 2)
        known = torch.cat([moved, visible.reshape(count, 1, rows, columns).float()], dim=1)
        dense = torch.nn.functional.interpolate(
            known, (height, width), mode="bilinear", align_corners=True
        )
        displacement, seen = dense[:, :2].permute(0, 2, 3, 1).contiguous(), dense[:, 2] > 0.5
        displacement[0], seen[0] = 0, True
        return Observation(
            displacement=displacement.to(frames.device), visible=seen.to(frames.device)
        )

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` of ``frame`` go: ``(T, N, 2)``, visible ``(T, N)``.

        Raises:
            InputError: ``frames`` is no clip, or a point is not in it.
        """
        check_frames(frames)
        check_points(frames, points, frame)
        tracks, visible = self._follow(frames, points, frame)
        return tracks.to(frames.device), visible.to(frames.device)

    @torch.no_grad()
    def _follow(self, frames: Tensor, points: Tensor, frame: int) -> tuple[Tensor, Tensor]:
        """Tracks (T, N, 2) and visibility (T, N), on the CPU."""
        device = torch.device(self.config.device or frames.device)
        predictor = self._predictor.to(device)
        video = frames.to(device).permute(0, 3, 1, 2).float()[None]
        places: list[Tensor] = [torch.zeros(len(frames), 0, 2)]
        seen: list[Tensor] = [torch.zeros(len(frames), 0, dtype=torch.bool)]
        for some in points.float().split(self.config.batch) if len(points) else ():
            times = torch.full((len(some), 1), float(frame))
            queries = torch.cat([times, some.cpu()], dim=1).to(device)
            found = predictor(video, queries=queries[None], backward_tracking=frame > 0)
            places.append(found[0][0].float().cpu())
            seen.append(found[1][0].bool().cpu())
        return torch.cat(places, dim=1), torch.cat(seen, dim=1)
