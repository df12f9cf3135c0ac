"""Photos, rendering and measuring for the tests of the preview."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from kinema import Motion, Plugins
from kinema.config import SampleConfig
from kinema.interfaces import Backbone, Condition, DepthMap, Request, Scene
from kinema.noise import draw_noise
from kinema.sampling import sample

Frames = NDArray[np.uint8]
Photo = Callable[..., Frames]
Render = Callable[..., Frames]
Locate = Callable[..., NDArray[np.float64]]


@pytest.fixture(scope="session")
def photo() -> Photo:
    """``photo(name, (width, height))``: a photo of scikit-image, uint8 (H, W, 3)."""

    def load(name: str, size: tuple[int, int] = (512, 320)) -> Frames:
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        scale = max(size[0] / image.width, size[1] / image.height)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
        return np.asarray(image.crop((left, top, left + size[0], top + size[1])))

    return load


@pytest.fixture(scope="session")
def render() -> Render:
    """``render(photo, motion, frames, depth)``: the frames of a preview, uint8 (T, H, W, 3)."""
    plugins = Plugins.installed()

    def make(
        picture: Frames, motion: Motion, frames: int = 16, depth: Any = 2.0, **options: Any
    ) -> Frames:
        height, width = picture.shape[:2]
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
        meters = torch.as_tensor(depth, dtype=torch.float32).expand(height, width).contiguous()
        found = DepthMap(depth=meters, metric=True, source="test")
        condition: Condition = plugins.build("condition", "layered-motion")
        scene = Scene(frames=frames, image=image, depth=lambda: found)
        backbone: Backbone = plugins.build("backbone", "preview", options)
        embeddings = backbone.embed(
            Request(
                image=image[None],
                size=(width, height),
                frames=frames,
                fps=8.0,
                terms={"conditional": {}, "unconditional": {}},
                signal=condition.from_motion(motion, scene),
            )
        )
        noise = draw_noise(backbone.latent_shape((width, height), frames), [0])
        pixels = backbone.decode(sample(backbone, embeddings, noise, SampleConfig()))[0]
        return (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()

    return make


@pytest.fixture(scope="session")
def locate() -> Locate:
    """``locate(frames, point, expected)``: where the photo's patch around ``point`` is found.

    Template matching around ``expected`` (T, 2), with a parabola through the best score; nothing is
    read from the field. ``turns`` (T,) turns the patch by so many degrees clockwise.
    """

    def find(
        frames: Frames,
        point: tuple[float, float],
        expected: NDArray[np.float64],
        half: int = 8,
        reach: int = 5,
        turns: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        found = []
        for index, (frame, around) in enumerate(zip(frames, expected, strict=True)):
            turn = 0.0 if turns is None else float(turns[index])
            patch = _patch(frames[0], point, half, turn)
            window = _patch(frame, tuple(np.round(around)), half + reach, 0.0)
            score = cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED)
            found.append(np.round(around) + _peak(np.asarray(score, np.float64)) - reach)
        return np.array(found)

    return find


def _patch(picture: Frames, point: Any, half: int, turn: float) -> Frames:
    matrix = cv2.getRotationMatrix2D((0.0, 0.0), turn, 1.0)
    matrix[:, 2] = point - matrix[:, :2] @ np.array([half, half])
    size = (2 * half + 1, 2 * half + 1)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def _peak(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best place (x, y) in ``score``, between pixels."""
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    place = []
    for line, index in ((score[row], column), (score[:, column], row)):
        shift = 0.0
        if 0 < index < len(line) - 1:
            before, best, after = line[index - 1 : index + 2]
            curve = before - 2 * best + after
            shift = 0.5 * (before - after) / curve if curve else 0.0
        place.append(index + shift)
    return np.array(place)
