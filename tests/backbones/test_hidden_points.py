"""Hidden track points through every controller: two files alike in what is seen give one video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kinema import Motion, Session, Tracks
from kinema.formats import read_motion
from kinema.motion.region import Region
from kinema.testing.scenes import textured

pytestmark = pytest.mark.all_packages

CANVAS = (96, 64)
RIGHT = Region(polygon=[(40, 10), (90, 10), (90, 60), (40, 60)])
#: Two tracks end early, one is hidden for a while, one is never seen, and one always.
SEEN = np.array([[t < 4, t not in (3, 4, 5), False, True, t != 8] for t in range(9)])


def places(hidden: float) -> NDArray[np.float64]:
    starts = np.array([(20.0, 30), (60, 40), (50, 50), (80, 20), (44, 44)])
    moved = starts + np.arange(9)[:, None, None] * np.array([1.5, 0.75])
    found: NDArray[np.float64] = np.where(SEEN[..., None], moved, hidden)
    return found


def from_file(folder: Path, hidden: float) -> Motion:
    folder.mkdir()
    np.save(folder / "a_tracks.npy", places(hidden))
    np.save(folder / "a_visibility.npy", SEEN)
    return read_motion(folder / "a_tracks.npy", canvas=CANVAS)


def in_memory(folder: Path, hidden: float) -> Motion:
    tracks = Tracks(points=places(hidden).tolist(), visible=SEEN.tolist())
    return Motion(canvas=CANVAS, tracks=tracks, regions=[RIGHT])


def filled(session: Session) -> None:
    """Random weights for a controller that trains; at first it changes nothing."""
    generator = torch.Generator().manual_seed(1)
    controller: Any = session.controller
    if isinstance(controller, torch.nn.Module):
        with torch.no_grad():
            for weight in controller.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)


@pytest.fixture(params=["a file", "a region"])
def motions(request: Any, tmp_path: Path) -> list[Motion]:
    make = from_file if request.param == "a file" else in_memory
    values = (0.0, -1e4, float("nan"))
    return [make(tmp_path / str(number), value) for number, value in enumerate(values)]


def check(session: Session, motions: list[Motion], frames: int) -> None:
    pixels: NDArray[np.uint8] = (textured(64, 96).permute(1, 2, 0) * 255).byte().numpy()
    made = [
        session.animate(pixels, motion, size=CANVAS, frames=frames).frames for motion in motions
    ]
    for other in made[1:]:
        assert np.array_equal(made[0], other)
    still = Motion(canvas=CANVAS, tracks=Tracks(points=[[(20, 30)]] * 9))
    assert not np.array_equal(made[0], session.animate(pixels, still, size=CANVAS,
                                                       frames=frames).frames)  # fmt: skip


@pytest.mark.parametrize("frames", [9, 6])
def test_the_preview_trusts_no_hidden_point(motions: list[Motion], frames: int) -> None:
    with Session("preview") as session:
        check(session, motions, frames)


@pytest.mark.parametrize("controller", ["modulation", "concat", "add", "time-to-move"])
def test_no_controller_trusts_a_hidden_point(motions: list[Motion], controller: str) -> None:
    sample = {"steps": 3, "sigma_min": 0.3}
    with Session("tiny", controller=controller, device="cpu", sample=sample) as session:
        filled(session)
        check(session, motions, 8)
