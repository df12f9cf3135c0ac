"""The controller time-to-move on backbones of exploding noise: tiny follows, svd in its form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from kinema import Drag, InputError, Motion, Session
from kinema.interfaces import Step
from kinema.levels import Schedule, edm_schedule, flow_schedule
from kinema.testing.scenes import textured
from kinema_backbones.control.latent_config import TimeToMoveConfig
from kinema_backbones.control.time_to_move import Blending, Clocks, landed, latent_mask

#: Levels down to where the reference is seen through the noise; tiny's own end far above that.
SAMPLE = {"steps": 12, "sigma_min": 0.3, "motion_guidance": 1.0}

#: Where tiny, which was never trained without a controller, makes up little motion of its own.
CLOCKS = {"clocks": "step", "weak": 6, "strong": 8}


def red_disc() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A photo of a red disc at (20, 32), and where it is."""
    photo: NDArray[np.uint8] = (textured(64, 64).permute(1, 2, 0) * 120 + 60).byte().numpy()
    y, x = np.mgrid[:64, :64]
    disc = (x - 20) ** 2 + (y - 32) ** 2 < 81
    photo[disc] = (230, 40, 40)
    return photo, disc


def centre(frame: NDArray[np.uint8]) -> float:
    """The x of what is red."""
    pixels = frame.astype(float)
    red = np.clip(pixels[..., 0] - pixels[..., 1:].mean(-1) - 60, 0, None)
    return float((red * np.arange(frame.shape[1])).sum() / red.sum())


@pytest.mark.slow
@pytest.mark.all_packages
def test_tiny_follows_without_any_controller_trained_for_it(tmp_path: Path) -> None:
    photo, disc = red_disc()
    mask = tmp_path / "mask.png"
    Image.fromarray((disc * 255).astype(np.uint8)).save(mask)
    moved = {}
    for controller in ("time-to-move", ""):
        told = CLOCKS if controller else None
        with Session(
            "tiny",
            controller=controller,
            controller_options=told,
            device="cpu",
            sample=SAMPLE,
        ) as session:
            for distance in (8, 24):
                motion = Motion(
                    canvas=(64, 64),
                    drags=[Drag([(20, 32), (20 + distance, 32)])],
                    regions=[str(mask)],
                )
                video = session.animate(photo, motion, size=(64, 64), frames=8)
                moved[controller, distance] = centre(video.frames[-1]) - centre(video.frames[0])
    assert moved["time-to-move", 8] == pytest.approx(8, abs=4)
    assert moved["time-to-move", 24] == pytest.approx(24, abs=6)
    # Without control the distance asked for changes nothing.
    assert moved["", 8] == moved["", 24]


@pytest.mark.all_packages
@pytest.mark.parametrize("controller", ["time-to-move", "latent-copy", "latent-splat"])
def test_control_without_training_acts_on_svd(open_session: Any, controller: str) -> None:
    photo, _ = red_disc()
    motion = Motion(canvas=(64, 64), drags=[Drag([(20, 32), (40, 32)])])
    sample = {"steps": 4}
    videos = [
        open_session("svd", controller=name, sample=sample)
        .animate(photo, motion, size=(64, 64), frames=5)
        .frames
        for name in ("", controller)
    ]
    assert not np.array_equal(videos[0], videos[1])


def test_exploding_noise_is_added_to_the_reference_as_it_is() -> None:
    schedule = Schedule.exploding(edm_schedule(50))
    reference, noise = torch.randn(2, 1, 3, 4, 2, 2)
    mask = torch.zeros(1, 3, 1, 2, 2)
    mask[..., 0] = 1
    blending = Blending(reference, mask, TimeToMoveConfig())
    assert blending.begins(schedule) == 16
    made = {
        index: blending(
            torch.full_like(reference, 7.0), Step(index=index, schedule=schedule, noise=noise)
        )
        for index in (16, 17, 21, 22)
    }
    assert torch.equal(made[16], reference + schedule.sigmas[16] * noise)
    for index in (17, 21):
        wanted = reference + schedule.sigmas[index] * noise
        assert torch.equal(made[index][..., 0], wanted[..., 0])
        assert bool((made[index][..., 1] == 7).all())
    assert bool((made[22] == 7).all())


def test_clocks_are_told_as_shares_steps_or_levels() -> None:
    schedule = flow_schedule(50, 3.0, "unipc-published")
    for config in (
        TimeToMoveConfig(),
        TimeToMoveConfig(clocks="step", weak=3, strong=7),
        TimeToMoveConfig(clocks="level", weak=0.979, strong=0.948),
    ):
        assert Clocks.of(config, schedule) == Clocks(3, 7)
    with pytest.raises(InputError, match="mean the steps 3 and 60 of 50"):
        Clocks.of(TimeToMoveConfig(clocks="step", weak=3, strong=60), schedule)


@pytest.mark.parametrize(
    "options",
    [
        {"weak": 0.1},
        {"clocks": "step"},
        {"weak": 0.3, "strong": 0.2},
        {"clocks": "level", "weak": 0.5, "strong": 0.9},
        {"reference": "clip.mp4"},
        {"clocks": "frames"},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TimeToMoveConfig(**options)


def test_a_mask_lands_without_pores() -> None:
    disc = torch.zeros(32, 32, dtype=torch.bool)
    disc[10:20, 8:16] = True
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    # Half as large again around the corner (8, 10), and on by a fraction of a pixel.
    moves = torch.stack([(x - 8) * 0.5 + 0.3, (y - 10) * 0.5])
    moved = landed(moves, disc)
    assert bool(moved[10:23, 9:19].all())
    assert int(moved.sum()) < 15 * 13 + 40
    assert latent_mask(disc[None].expand(5, -1, -1), 8, 4).shape == (2, 1, 4, 4)
