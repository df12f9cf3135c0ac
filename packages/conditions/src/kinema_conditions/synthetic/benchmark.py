"""The benchmark ``synthetic``: items whose answer is known exactly, made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from kinema.errors import InputError, MotionError
from kinema.interfaces import BenchmarkItem, Case, Truth
from kinema.motion.camera import CameraPath
from kinema.motion.motion import Motion
from kinema.motion.observed import motion_of
from kinema_conditions.synthetic.ambiguous import Reading, ambiguous_pairs
from kinema_conditions.synthetic.clip import SyntheticClip, film
from kinema_conditions.synthetic.random_scene import random_scene
from kinema_conditions.synthetic.scene import Scene
from kinema_conditions.synthetic_config import (
    SYNTHETIC_SUBSETS,
    SyntheticBenchmarkConfig,
    SyntheticConfig,
)

#: How often a scene is drawn again that shows nothing to drag.
TRIES = 64

#: Least length in widths of the canvas by which the camera must move the picture.
LEAST_CAMERA = 0.02


class SyntheticBenchmark:
    """Scenes of flat layers before a camera; see :mod:`kinema_conditions.synthetic.scene`.

    ``fine-grained``: drags of limbs of one object, before a camera at rest. ``object-level``: one
    drag of a whole object. ``camera``: a path of poses, and nothing else moves. ``camera-object``:
    both at once; the drag is what a resting camera would see. ``misread``: a drag that may mean the
    object or the camera, and the region that says which; ``misread-unmasked`` leaves the region
    out. Items of even number of these two mean the object, the others the camera.
    """

    def __init__(self, config: SyntheticBenchmarkConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """``count`` of each subset."""
        return [
            BenchmarkItem(key=f"{subset}-{index:04d}", subset=subset, place=(subset, index))
            for subset in self.config.subsets
            for index in range(self.config.count)
        ]

    def read(self, item: BenchmarkItem) -> Case:
        """Draw the scene.

        Raises:
            InputError: no scene of this size and T shows anything to drag.
        """
        subset, index = str(item.place[0]), int(item.place[1])
        if subset.startswith("misread"):
            return self._misread(index, masked=subset == "misread")
        for attempt in range(TRIES):
            series = SYNTHETIC_SUBSETS.index(subset)
            rng = np.random.default_rng([self.config.seed, index, 100 + series, attempt])
            try:
                clip, motion = _MAKERS[subset](self.config, rng)
            except MotionError:
                continue
            return self._case(clip, motion)
        size = self.config.size
        raise InputError(
            f"None of {TRIES} scenes of {size[0]}x{size[1]} with {self.config.frames} frames shows "
            "anything to drag. Ask for larger or longer ones."
        )

    def _misread(self, index: int, masked: bool) -> Case:
        config, reading = self.config, _READINGS[index % 2]
        pairs = ambiguous_pairs(
            config.seed * 100_003 + index // 2, 1, config.size, config.frames, config.blur
        )
        pair = next(pairs)
        motion = pair.motion(reading)
        if not masked:
            motion = attrs.evolve(motion, regions=())
        return self._case(pair.clip(reading), motion)

    def _case(self, clip: SyntheticClip, motion: Motion) -> Case:
        return Case(
            photo=clip.frames[0].numpy(),
            motion=motion,
            size=self.config.size,
            frames=self.config.frames,
            fps=self.config.fps,
            truth=Truth(
                frames=clip.frames,
                observation=clip.observation,
                intrinsics=clip.intrinsics.numpy(),
                world_to_camera=clip.world_to_camera.numpy(),
                depth=clip.depth,
            ),
            licence="CC0-1.0",
        )


_READINGS: tuple[Reading, Reading] = ("object", "camera")


def _scene(config: SyntheticBenchmarkConfig, rng: np.random.Generator, **shown: Any) -> Scene:
    about = SyntheticConfig(
        blur=config.blur, textures=config.textures, fps=config.fps, travel=config.travel, **shown
    )
    return random_scene(rng, config.size, config.frames, about)


def _drags(
    clip: SyntheticClip, rng: np.random.Generator, count: int, config: SyntheticBenchmarkConfig
) -> Motion:
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return motion_of(clip.observation, generator, count, config.fps)


def _fine_grained(
    config: SyntheticBenchmarkConfig, rng: np.random.Generator
) -> tuple[SyntheticClip, Motion]:
    shown: dict[str, Any] = {"least_objects": 1, "most_objects": 1, "kinds": ("articulated",)}
    clip = film(_scene(config, rng, camera=0.0, **shown), fps=config.fps)
    return clip, _drags(clip, rng, 3, config)


def _object_level(
    config: SyntheticBenchmarkConfig, rng: np.random.Generator
) -> tuple[SyntheticClip, Motion]:
    kinds = ("affine", "rotating", "sliding")
    shown: dict[str, Any] = {"least_objects": 1, "most_objects": 1, "kinds": kinds}
    clip = film(_scene(config, rng, camera=0.0, **shown), fps=config.fps)
    return clip, _drags(clip, rng, 1, config)


def _camera(
    config: SyntheticBenchmarkConfig, rng: np.random.Generator
) -> tuple[SyntheticClip, Motion]:
    shown: dict[str, Any] = {"least_objects": 0, "most_objects": 2, "kinds": ("affine",)}
    scene = _moving_camera(_scene(config, rng, camera_share=1.0, **shown))
    still = np.tile(np.eye(3), (config.frames, 1, 1))
    layers = tuple(attrs.evolve(layer, motion=still) for layer in scene.layers)
    clip = film(attrs.evolve(scene, layers=layers), fps=config.fps)
    return clip, _filmed(Motion(canvas=config.size), clip, config)


def _camera_object(
    config: SyntheticBenchmarkConfig, rng: np.random.Generator
) -> tuple[SyntheticClip, Motion]:
    shown: dict[str, Any] = {"least_objects": 1, "most_objects": 1, "kinds": ("affine", "sliding")}
    scene = _moving_camera(_scene(config, rng, camera_share=1.0, **shown))
    rest = attrs.evolve(
        scene,
        intrinsics=np.tile(scene.intrinsics[:1], (config.frames, 1, 1)),
        world_to_camera=np.tile(scene.world_to_camera[:1], (config.frames, 1, 1)),
    )
    drags = _drags(film(rest, fps=config.fps), rng, 1, config)
    clip = film(scene, fps=config.fps)
    return clip, _filmed(drags, clip, config)


def _moving_camera(scene: Scene) -> Scene:
    """The scene, if its camera moves enough to be seen.

    Raises:
        MotionError: it does not.
    """
    middle = np.array([(scene.size[0] - 1) / 2, (scene.size[1] - 1) / 2, 1.0])
    corner = np.array([0.0, 0.0, 1.0])
    moved = 0.0
    for point in (middle, corner):
        end = scene.ways[0, -1] @ point
        moved = max(moved, float(np.linalg.norm(end[:2] / end[2] - point[:2])))
    if moved < LEAST_CAMERA * scene.size[0]:
        raise MotionError("The camera of this scene hardly moves.")
    return scene


def _filmed(motion: Motion, clip: SyntheticClip, config: SyntheticBenchmarkConfig) -> Motion:
    """The motion with the clip's camera."""
    matrices = clip.intrinsics.numpy()
    path = CameraPath(
        world_to_camera=clip.world_to_camera.numpy()[:, :3].tolist(),
        intrinsics=[(k[0, 0], k[1, 1], k[0, 2], k[1, 2]) for k in matrices],
    )
    return attrs.evolve(motion, camera=path, fps=config.fps, duration=config.frames / config.fps)


_Maker = Callable[[SyntheticBenchmarkConfig, np.random.Generator], tuple[SyntheticClip, Motion]]

_MAKERS: dict[str, _Maker] = {
    "fine-grained": _fine_grained,
    "object-level": _object_level,
    "camera": _camera,
    "camera-object": _camera_object,
}
