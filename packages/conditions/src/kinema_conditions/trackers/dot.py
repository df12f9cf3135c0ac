"""The tracker ``dot``: an adapter to Dense Optical Tracking, which the user installs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinema.errors import PluginError
from kinema.signals import Observation
from kinema_conditions.tracker_configs import DOT_WEIGHTS, DotConfig
from kinema_conditions.trackers.inputs import check_frames, check_points
from kinema_conditions.trackers.weights import absent, load_into

#: Sides of the clip must be multiples of this: the patch of its flow estimator.
MULTIPLE = 8

#: How many points it follows at once.
AT_ONCE = 2048

_CONFIGS = {
    "tracker_config": "cotracker2_patch_4_wind_8.json",
    "estimator_config": "raft_patch_8.json",
    "refiner_config": "raft_patch_4_alpha.json",
}


class Dot:
    """DOT (Le Moing et al., CVPR 2024), through a clone of its repository on the Python path.

    Raises:
        WeightsError: a file of weights is not in the folder ``path``, or is of another network.
        PluginError: the package ``dot.models`` cannot be imported, or its configs are not there.
    """

    def __init__(self, config: DotConfig) -> None:
        self.config = config
        try:
            models = importlib.import_module("dot.models")
            self._create: Any = models.create_model
        except (ImportError, AttributeError) as error:
            raise PluginError(
                "dot runs on a clone of 16lemoing/dot (licence MIT, its point tracker "
                f"CC-BY-NC-4.0) on your Python path, with what it needs installed ({error})."
            ) from None
        folder = Path(str(models.__file__)).resolve().parents[2] / "configs"
        self._settings = {key: str(folder / name) for key, name in _CONFIGS.items()}
        lacking = [path for path in self._settings.values() if not Path(path).is_file()]
        if lacking:
            raise PluginError(
                f"dot was found at {str(folder.parent)!r}, but not its file {lacking[0]!r}. Put a "
                "whole clone of 16lemoing/dot on your Python path."
            )
        self._files = [Path(config.path) / record.path for record in DOT_WEIGHTS]
        if not (config.path and all(file.is_file() for file in self._files)):
            raise absent("dot", config.path, DOT_WEIGHTS)
        self._size = (0, 0)
        self._network: Any = None

    def observe(self, frames: Tensor) -> Observation:
        """Dense motion from frame 0 of uint8 ``(T, H, W, 3)``, on the device of the frames.

        Raises:
            InputError: ``frames`` is no clip.
        """
        check_frames(frames)
        video, scale = self._video(frames)
        tracks = self._run(video, "tracks_from_first_to_every_other_frame", {})
        found = torch.nn.functional.interpolate(
            tracks.permute(0, 3, 1, 2), frames.shape[1:3], mode="bilinear", align_corners=True
        ).permute(0, 2, 3, 1)
        places = found[..., :2] / scale
        displacement, seen = places - places[:1], found[..., 2] > 0.5
        seen[0] = True
        return Observation(
            displacement=displacement.contiguous().to(frames.device),
            visible=seen.to(frames.device),
        )

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` of ``frame`` go: ``(T, N, 2)``, visible ``(T, N)``.

        Raises:
            InputError: ``frames`` is no clip, or a point is not in it.
        """
        check_frames(frames)
        check_points(frames, points, frame)
        video, scale = self._video(frames)
        scaled = points.float().to(video.device) * scale
        times = torch.full_like(scaled[:, :1], float(frame))
        # Its queries are (time, y, x), unlike CoTracker's.
        queries = torch.cat([times, scaled.flip(1)], dim=1)[None]
        tracks = self._run(video, "tracks_for_queries", {"query_points": queries})
        places, seen = tracks[..., :2] / scale, tracks[..., 2] > 0.5
        places[frame], seen[frame] = points.to(places), True
        return places.to(frames.device), seen.to(frames.device)

    def _video(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (1, T, 3, h, w) in [0, 1] of a size that it takes, and that size's scale (2,)."""
        height, width = frames.shape[1:3]
        h, w = (-(-side // MULTIPLE) * MULTIPLE for side in (height, width))
        video = frames.to(self.config.device or frames.device).permute(0, 3, 1, 2).float() / 255
        if (h, w) != (height, width):
            video = torch.nn.functional.interpolate(
                video, (h, w), mode="bilinear", align_corners=True
            )
        return video[None], video.new_tensor([(w - 1) / (width - 1), (h - 1) / (height - 1)])

    @torch.no_grad()
    def _run(self, video: Tensor, mode: str, extra: dict[str, Tensor]) -> Tensor:
        """Tracks (T, ..., 3) of x, y and visibility, in pixels of ``video``."""
        network = self._built(int(video.shape[-1]), int(video.shape[-2])).to(video.device)
        with _seeded(self.config.seed, video.device):
            found = network(
                {"video": video, **extra},
                mode=mode,
                num_tracks=self.config.points,
                sim_tracks=AT_ONCE,
                sample_mode="all",
                interpolation_version="torch",
            )
        tracks: Tensor = found["tracks"][0].float()
        return tracks

    def _built(self, width: int, height: int) -> Any:
        """The network for one size; its grids are part of it."""
        if self._size != (width, height):
            # Its own loader would run whatever a checkpoint holds, so it gets none.
            args = SimpleNamespace(
                model="dot",
                width=width,
                height=height,
                tracker_path=None,
                estimator_path=None,
                refiner_path=None,
                **self._settings,
            )
            network = self._create(args)
            parts = (
                network.point_tracker.model,
                network.point_tracker.optical_flow_estimator.model,
                network.optical_flow_refiner.model,
            )
            for part, file in zip(parts, self._files, strict=True):
                load_into(part, file, "dot")
            self._network, self._size = network.eval(), (width, height)
        return self._network


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """DOT draws points from the global generators; they are left as they were."""
    state = np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
    finally:
        np.random.set_state(state)
