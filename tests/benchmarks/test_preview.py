"""How long a preview takes, from photo and Motion to frames: 16 frames of 512x320.

The goals are 1.0 s for drags and 1.5 s for a camera path on two cores.
"""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from kinema import CameraPath, Drag, Motion, Region, Session

CANVAS = (512, 320)
FRAMES = 16

DRAGS = [Drag([(230, 90), (290, 110), (320, 100)]), Drag([(230, 240)])]
CUP = Region(brush=[(230, 90), (230, 200)], radius=75)
MOTIONS = {
    "drag": Motion(canvas=CANVAS, drags=DRAGS[:1]),
    "drags and a region": Motion(canvas=CANVAS, drags=DRAGS, regions=[CUP]),
    "region moved far": Motion(canvas=CANVAS, drags=[Drag([(230, 90), (380, 130)])], regions=[CUP]),
    "zoom": Motion(canvas=CANVAS, camera=CameraPath.parse("zoom:1.3")),
    "orbit": Motion(canvas=CANVAS, camera=CameraPath.parse("orbit:10")),
    "orbit and drags": Motion(
        canvas=CANVAS, drags=DRAGS, regions=[CUP], camera=CameraPath.parse("orbit:10")
    ),
}


def photo() -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(skimage.data.coffee()).resize(CANVAS))


@pytest.mark.parametrize("name", MOTIONS)
def test_preview(benchmark: BenchmarkFixture, name: str) -> None:
    picture, session = photo(), Session("preview")
    benchmark.group = "preview, 16 frames of 512x320"
    video = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: session.animate(picture, MOTIONS[name], frames=FRAMES), warmup_rounds=1, rounds=3
    )
    assert video.frames.shape == (FRAMES, CANVAS[1], CANVAS[0], 3)
    assert np.array_equal(video.frames[0], picture)
