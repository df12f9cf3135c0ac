"""Transforms, plates and regions that come and go, as `preview` shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinema import (
    CameraPath,
    Drag,
    InputError,
    Keyframe,
    Motion,
    Region,
    Session,
    animate,
    rerun,
)

pytestmark = pytest.mark.all_packages

Frames = NDArray[np.uint8]
Render = Callable[..., Frames]
Locate = Callable[..., NDArray[np.float64]]

SIZE = (160, 120)
MIDDLE = (80.0, 60.0)
DISC = Region(brush=[MIDDLE], radius=26, name="disc")


def spot(seed: int = 0) -> tuple[Frames, Frames]:
    """A patterned disc on a patterned ground, and the ground alone."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 120, (15, 20, 3), dtype=np.uint8))
    ground = np.array(coarse.resize(SIZE, Image.Resampling.BICUBIC))
    fine = Image.fromarray(random.integers(120, 256, (24, 32, 3), dtype=np.uint8))
    bright = np.array(fine.resize(SIZE, Image.Resampling.BICUBIC))
    inside = DISC.rasterize(SIZE)[..., None]
    return np.where(inside, bright, ground).astype(np.uint8), ground


@pytest.mark.parametrize("easing", ["linear", "gentle"])
def test_a_turn_shows_every_part_where_it_belongs(
    render: Render, locate: Locate, easing: Any
) -> None:
    photo, _ = spot()
    keyframe = Keyframe(turn=40, dx=12, easing=easing)
    motion = Motion(canvas=SIZE, regions=[attrs.evolve(DISC, transform=[keyframe])])
    frames = render(photo, motion, frames=9)
    point = (80.0, 48.0)
    paths = []
    turns = []
    for index in range(9):
        share = index / 8
        share = share**3 * (10 - 15 * share + 6 * share**2) if easing == "gentle" else share
        angle = np.radians(40 * share)
        paths.append((80 + 12 * np.sin(angle) + 12 * share, 60 - 12 * np.cos(angle)))
        turns.append(40 * share)
    found = locate(frames, point, np.array(paths), half=7, turns=np.array(turns))
    assert np.abs(found - np.array(paths)).max() < 0.5


def test_there_and_back_again_shows_the_same_frames(render: Render) -> None:
    photo, _ = spot()
    motion = Motion(
        canvas=SIZE,
        regions=[attrs.evolve(DISC, transform=[Keyframe(turn=30, scale=0.8)])],
        playback="ping-pong",
    )
    frames = render(photo, motion, frames=8)
    assert (frames[0] == photo).all()
    for there, back in ((1, 7), (2, 6), (3, 5)):
        assert (frames[there] == frames[back]).all()
    assert (frames[4] != frames[3]).any()


def test_a_region_vanishes_and_its_ground_is_seen(render: Render) -> None:
    photo, _ = spot()
    motion = Motion(canvas=SIZE, regions=[attrs.evolve(DISC, vanishes=0.5)])
    frames = render(photo, motion, frames=9)
    assert (frames[:4] == photo).all()
    assert (frames[4:] == frames[4]).all()
    inside = DISC.rasterize(SIZE)
    assert frames[4][inside].mean() < 100 < photo[inside].mean()
    grown = attrs.evolve(DISC, grow=8).rasterize(SIZE)
    assert (frames[4][~grown] == photo[~grown]).all()


def test_a_region_appears_where_it_has_moved_by_then(render: Render) -> None:
    photo, _ = spot()
    moving = Motion(canvas=SIZE, regions=[DISC], drags=[Drag([MIDDLE, (110, 60)])])
    late = attrs.evolve(moving, regions=[attrs.evolve(DISC, appears=0.4)])
    whole, frames = render(photo, moving, frames=6), render(photo, late, frames=6)
    assert (frames[2:] == whole[2:]).all()
    assert (frames[0] == frames[1]).all()
    assert frames[0][DISC.rasterize(SIZE)].mean() < 100


def test_what_lies_above_stays_when_what_is_below_vanishes(render: Render) -> None:
    photo, _ = spot()
    upper = Region(brush=[(100, 60)], radius=12, name="upper")
    motion = Motion(canvas=SIZE, regions=[attrs.evolve(DISC, vanishes=0.5), upper])
    frames = render(photo, motion, frames=5)
    inner = attrs.evolve(upper, grow=-4).rasterize(SIZE)
    assert np.abs(frames[-1][inner].astype(int) - photo[inner]).max() <= 1
    beside = attrs.evolve(DISC, grow=-4).rasterize(SIZE) & ~attrs.evolve(upper, grow=4).rasterize(
        SIZE
    )
    assert frames[-1][beside].mean() < photo[beside].mean() - 50


def test_a_plate_of_ones_own_is_what_a_hole_shows(tmp_path: Path) -> None:
    photo, ground = spot()
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(ground).save(tmp_path / "plate.png")
    motion = Motion(canvas=SIZE, regions=[DISC], drags=[Drag([MIDDLE, (160, 60)])])
    options: dict[str, Any] = {"size": SIZE, "frames": 4, "seed": 0}
    video = animate(
        tmp_path / "photo.png", motion, "preview", plate=tmp_path / "plate.png", **options
    )
    filled = animate(tmp_path / "photo.png", motion, "preview", **options)
    inside = attrs.evolve(DISC, grow=-2).rasterize(SIZE)
    inside[:, 106:] = False  # where the disc is in the last frame
    assert (video.frames[-1][inside] == ground[inside]).all()
    assert (filled.frames[-1][inside] != ground[inside]).any()
    assert video.manifest is not None
    assert video.manifest.plate["path"] == str(tmp_path / "plate.png")
    again = rerun(video.manifest)
    assert (again.frames == video.frames).all()


def test_a_plate_of_another_shape_is_refused() -> None:
    photo, ground = spot()
    motion = Motion(canvas=SIZE, regions=[DISC], drags=[Drag([MIDDLE, (160, 60)])])
    with pytest.raises(InputError, match="The plate is 120x120 and the photo 160x120; it must be"):
        animate(photo, motion, "preview", plate=ground[:, :120])


def test_backbones_that_cannot_show_it_refuse_by_name() -> None:
    photo, ground = spot()
    motion = Motion(canvas=SIZE, regions=[attrs.evolve(DISC, vanishes=0.5)])
    with Session("tiny") as session:
        with pytest.raises(InputError, match=r"'disc' appears or vanishes .* 'tiny' cannot show"):
            session.animate(photo, motion)
        still = Motion(canvas=SIZE, regions=[DISC], drags=[Drag([MIDDLE, (100, 60)])])
        with pytest.raises(InputError, match="'tiny' reads no plate"):
            session.animate(photo, still, plate=ground)


def test_a_rate_named_alone_gives_more_frames_of_the_same_motion() -> None:
    drag = Motion(canvas=SIZE, drags=[Drag([MIDDLE, (100, 60)])])
    with Session("preview") as session:
        assert session.form(drag).frames == 16
        for fps, frames in ((24, 48), (8, 16), (0.1, 2)):
            form = session.form(drag, fps=fps)
            assert (form.frames, form.fps) == (frames, fps)
        with pytest.raises(InputError, match="2 seconds at 1e\\+300 frames per second are more"):
            session.form(drag, fps=1e300)
        longer = attrs.evolve(drag, duration=3)
        assert session.form(longer, fps=10).frames == 30
        assert session.form(longer, frames=7, fps=10).frames == 7
    with Session("tiny") as session:
        assert session.form(drag, fps=24).frames == 8


def test_drawing_a_frame_asks_for_its_maps_once() -> None:
    from kinema_backbones.preview.stage import Stage

    asked: list[tuple[int, int, int]] = []

    class Counted:
        size = SIZE

        def __len__(self) -> int:
            return 4

        def rows(self, index: int, first: int, last: int) -> NDArray[np.float32]:
            asked.append((index, first, last))
            maps = np.zeros((6, SIZE[1], SIZE[0]), np.float32)
            maps[2] = 1.0
            inside = DISC.rasterize(SIZE)
            maps[3], maps[4] = inside, inside
            maps[0][inside] = 5.0 * index
            return maps[:, first:last]

    photo = (spot()[0] / 255).astype(np.float32)
    stage = Stage(photo, Counted(), attached="always")
    asked.clear()
    for index in range(4):
        stage.frame(index)
    # The first is the photo itself.
    assert asked == [(index, 0, SIZE[1]) for index in (1, 2, 3)]


@pytest.mark.parametrize("kind", ["region", "joint", "drag", "pan", "inside"])
def test_bands_of_any_height_draw_the_same_pixels(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema_backbones.preview import cutout, extension, joint, matte, moves
    from kinema_conditions import layered_maps

    drag = Drag([MIDDLE, (MIDDLE[0] + 12, MIDDLE[1] + 3)])
    camera = CameraPath.parse("pan:8") if kind in ("pan", "inside") else None
    motion = Motion(
        canvas=SIZE,
        drags=[] if camera else [drag],
        regions=[DISC] if kind in ("region", "joint") else [],
        camera=camera,
    )
    inside = {"layered-motion": {"inside": True}} if kind == "inside" else {}
    attached = {"attached": "always"} if kind == "joint" else {}

    def frames() -> NDArray[np.uint8]:
        with Session("preview", condition_options=inside, options=attached) as session:
            return session.animate(spot()[0], motion, frames=3).frames

    whole = frames()
    for module in (cutout, extension, joint, matte, moves):
        monkeypatch.setattr(module, "AT_ONCE", 1500)
    monkeypatch.setattr(extension, "STRIP", 8)
    # One frame is then more than may be kept, so that its rows are made alone.
    monkeypatch.setattr(layered_maps, "KEPT", 1)
    assert np.array_equal(frames(), whole)
