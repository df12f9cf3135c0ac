# --8<-- [start:contract]
"""The tests of the condition ``ripple``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import attrs
import pytest
import torch
from kinema import (
    CameraPath,
    Drag,
    InputError,
    Motion,
    MotionError,
    Observation,
    Plugins,
    Region,
)
from kinema.interfaces import Condition, Scene
from kinema.testing import ConditionContract

from kinema_ripple.config import RippleConfig
from kinema_ripple.ripple import Ripple, offsets


class TestRipple(ConditionContract):
    """Every promise of a condition, checked by kinema's own suite."""

    def make(self) -> Condition:
        """The condition under test."""
        return Ripple(RippleConfig(wavelength=8.0))

    # --8<-- [end:contract]

    def motions(self) -> Sequence[Motion]:
        """The suite's motions, and one where two drags meet."""
        both = [Drag([(20, 20), (40, 20)]), Drag([(70, 40)])]
        return [*super().motions(), Motion(canvas=(96, 64), drags=both)]


# --8<-- [start:discovered]
def test_am_i_discovered() -> None:
    found = Plugins.installed().find("condition", "ripple")
    assert found.source.distribution == "kinema-ripple"


def test_listing_me_loads_no_torch() -> None:
    code = "import sys, kinema_ripple.plugin; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --8<-- [end:discovered]


# --8<-- [start:numbers]
def test_a_ring_pushes_outward_and_runs() -> None:
    ripple = Ripple(RippleConfig(height=3.0, wavelength=16.0, rings=2.0))
    motion = Motion(canvas=(96, 64), drags=[Drag([(48, 32)])])
    dx = ripple.from_motion(motion, Scene(frames=9)).channel("dx")
    # At the last frame the front is 2 wavelengths = 32 px away. A quarter wave behind
    # it, at 28 px, is a crest that still fades in; a wavelength further in, a full one.
    torch.testing.assert_close(dx[8, 32, 48 + 12], torch.tensor(3.0))
    torch.testing.assert_close(dx[8, 32, 48 - 12], torch.tensor(-3.0))
    torch.testing.assert_close(dx[8, 32, 48 + 28], torch.tensor(3.0 * 0.25))
    assert not dx[8, 32, 48 + 33 :].any(), "nothing moves ahead of the front"
    assert not dx[4, 32, 48 + 17 :].any(), "half the time, half the way"


# --8<-- [end:numbers]


def test_the_rings_stay_inside_the_regions() -> None:
    left = Region(polygon=[(0, 0), (47, 0), (47, 63), (0, 63)])
    motion = Motion(canvas=(96, 64), drags=[Drag([(40, 32)])], regions=[left])
    maps = Ripple(RippleConfig()).from_motion(motion, Scene(frames=5)).dense()
    assert maps[..., :48].any()
    assert not maps[..., 48:].any()


def test_an_observation_gives_back_what_is_ring_like() -> None:
    x, y = torch.rand(2, generator=torch.Generator().manual_seed(1)).tolist()
    away, radius = offsets(x * 95, y * 63, 64, 96)
    push = 3.0 * away * (radius >= 1)
    moved = torch.stack([torch.zeros_like(push), push]).permute(0, 2, 3, 1)
    seen = Observation(
        displacement=moved, visible=torch.ones(2, 64, 96, dtype=torch.bool)
    )
    signal = Ripple(RippleConfig()).from_observation(
        seen, torch.Generator().manual_seed(1)
    )
    torch.testing.assert_close(signal.dense(), moved.permute(0, 3, 1, 2))


def test_hidden_pixels_do_not_count() -> None:
    moved = torch.zeros(2, 64, 96, 2)
    moved[1, :, 48:] = torch.tensor([9.0, -7.0])
    visible = torch.ones(2, 64, 96, dtype=torch.bool)
    visible[1, :, 48:] = False
    seen = Observation(displacement=moved, visible=visible)
    signal = Ripple(RippleConfig()).from_observation(
        seen, torch.Generator().manual_seed(0)
    )
    assert not signal.dense().any()


def test_a_camera_path_is_refused() -> None:
    motion = Motion(canvas=(96, 64), camera=CameraPath.parse("pan:5"))
    with pytest.raises(MotionError, match="cannot express a camera path or tracks"):
        Ripple(RippleConfig()).from_motion(motion, Scene(frames=4))


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(RippleConfig)])
def test_options_are_positive(name: str) -> None:
    with pytest.raises(
        InputError, match=f"^ripple's {name} must be a positive number, got -1.0"
    ):
        RippleConfig(**{name: -1.0})
