"""What a preview shows of drags and regions, measured on photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema import Drag, Motion, Plugins, Region, Session, Tracks
from kinema.interfaces import Scene

# The preview reads the condition layered-motion, which a sister package offers.
pytestmark = pytest.mark.all_packages

Frames = NDArray[np.uint8]
Photo = Callable[..., Frames]
Render = Callable[..., Frames]
Locate = Callable[..., NDArray[np.float64]]

CANVAS = (512, 320)
#: What a region may change beside its mask: 4 pixels in which its outline is looked for, 2 that are
#: filled around it, and the kernel that samples it.
BESIDE = np.ones((17, 17), np.uint8)
SPOON = Region(brush=[(325, 225), (345, 200)], radius=40)
PATCHES = Region(brush=[(165, 285), (300, 265)], radius=35)
BADGE = Region(polygon=[(90, 190), (280, 190), (280, 290), (90, 290)])


def arc(point: tuple[float, float], centre: tuple[float, float], degrees: float) -> Any:
    """A drag that turns clockwise around a centre, in steps of a degree."""
    arm = complex(*point) - complex(*centre)
    turns = np.exp(1j * np.radians(np.linspace(0, degrees, 1 + round(degrees))))
    return [(p.real, p.imag) for p in complex(*centre) + arm * turns]


LANDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "no region, curved": (
        "chelsea",
        {"drags": [Drag([(305, 260), (325, 250), (340, 235)])]},
    ),
    "no region, between anchors": (
        "chelsea",
        {"drags": [Drag([(305, 260), (335, 245)]), Drag([(168, 125)]), Drag([(362, 145)])]},
    ),
    "no region, far": (
        "coffee",
        {"drags": [Drag([(235, 200), (330, 160)], easing="ease-in-out")]},
    ),
    "brush": (
        "coffee",
        {"drags": [Drag([(325, 225), (380, 240), (420, 200)])], "regions": [SPOON]},
    ),
    "brush, out and back": (
        "astronaut",
        {"drags": [Drag([(165, 285), (120, 250), (165, 285)])], "regions": [PATCHES]},
    ),
    "turn about an anchor": (
        "astronaut",
        {"drags": [Drag(arc((230, 240), (120, 240), 25)), Drag([(120, 240)])], "regions": [BADGE]},
    ),
    "two drags of one region": (
        "astronaut",
        {
            "drags": [Drag([(165, 285), (190, 270)]), Drag([(300, 265), (327, 260)])],
            "regions": [PATCHES],
        },
    ),
    "timed": (
        "rocket",
        {
            "drags": [Drag([(256, 125), (280, 60)], times=(0.25, 0.75))],
            "regions": [Region(brush=[(256, 110), (256, 290)], radius=18)],
        },
    ),
}


@pytest.mark.parametrize("name", LANDINGS)
def test_the_drawn_point_lands_within_a_pixel_in_every_frame(
    photo: Photo, render: Render, locate: Locate, name: str
) -> None:
    source, parts = LANDINGS[name]
    motion = Motion(canvas=CANVAS, **parts)
    frames = render(photo(source), motion)
    paths = [drag.path(16) for drag in motion.drags]
    turns = np.zeros(16)
    if motion.regions and len(paths) == 2:
        arms = paths[0] - paths[1]
        turns = np.degrees(np.unwrap(np.arctan2(arms[:, 1], arms[:, 0])))
        turns -= turns[0]
    for drag, path in zip(motion.drags, paths, strict=True):
        found = locate(frames, drag.points[0], path, half=12, turns=turns)
        assert np.hypot(*(found - path).T).max() < 1.0


def test_tracks_land_as_drags_do(photo: Photo, render: Render, locate: Locate) -> None:
    steps = np.linspace(0, 1, 16)[:, None, None]
    starts = np.array([[310.0, 215.0], [335.0, 230.0], [345.0, 195.0]])
    points = starts + steps * np.array([60.0, 20.0])
    motion = Motion(canvas=CANVAS, regions=[SPOON], tracks=Tracks(points=points.tolist()))
    frames = render(photo("coffee"), motion)
    for number, start in enumerate(starts):
        found = locate(frames, tuple(start), points[:, number])
        assert np.hypot(*(found - points[:, number]).T).max() < 1.0


def test_frame_0_is_the_photo_and_the_rest_moves(photo: Photo, render: Render) -> None:
    picture = photo("coffee")
    frames = render(picture, Motion(canvas=CANVAS, **LANDINGS["brush"][1]))
    assert np.array_equal(frames[0], picture)
    assert (frames[1:] != picture).any(axis=(1, 2, 3)).all()


def test_outside_the_region_and_its_landing_every_frame_is_the_photo(
    photo: Photo, render: Render
) -> None:
    picture = photo("coffee")
    drag = Drag([(325, 225), (280, 180), (420, 130)])
    frames = render(picture, Motion(canvas=CANVAS, drags=[drag], regions=[SPOON]))
    # A mask may be too tight, so what is beside it is looked at, and filled, as well.
    mask = cv2.dilate(SPOON.rasterize(CANVAS).astype(np.uint8), BESIDE)
    for frame, (x, y) in zip(frames, drag.path(16) - drag.points[0], strict=True):
        shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
        landed = cv2.warpAffine(mask * 255, shift, CANVAS) > 0
        outside = (mask == 0) & ~landed
        assert np.array_equal(frame[outside], picture[outside])


def test_a_drag_without_region_leaves_everything_far_from_it_as_it_is(
    photo: Photo, render: Render
) -> None:
    picture = photo("chelsea")
    frames = render(picture, Motion(canvas=CANVAS, drags=[Drag([(250, 150), (275, 160)])]))
    y, x = np.mgrid[:320, :512]
    changed = (frames != picture).any(axis=(0, 3))
    assert changed[150, 250:270].all()
    assert not changed[np.hypot(x - 250, y - 150) > 80].any()


def test_an_anchor_holds_its_surroundings(photo: Photo, render: Render, locate: Locate) -> None:
    picture = photo("chelsea")
    drag = Drag([(250, 150), (290, 160)])
    free = render(picture, Motion(canvas=CANVAS, drags=[drag]))
    held = render(picture, Motion(canvas=CANVAS, drags=[drag, Drag([(200, 140)])]))
    stay = np.tile(np.array([200.0, 140.0]), (16, 1))
    assert np.abs(locate(held, (200, 140), stay) - stay).max() < 0.3
    assert np.abs(locate(free, (200, 140), stay, reach=20) - stay).max() > 3


def test_an_anchored_part_of_a_region_stays_while_the_rest_moves(
    photo: Photo, render: Render
) -> None:
    picture = photo("astronaut")
    anchors = [Drag([point]) for point in ((110, 205), (110, 275), (120, 240))]
    motion = Motion(
        canvas=CANVAS, drags=[Drag([(260, 240), (255, 252)]), *anchors], regions=[BADGE]
    )
    change = np.abs(render(picture, motion).astype(int) - picture)[-1]
    assert change[237:244, 117:124].mean() < 3
    assert change[237:244, 257:264].mean() > 10


def squares() -> tuple[Frames, Region, Region]:
    """A red square left and a blue one right, on grey noise."""
    picture = np.random.default_rng(0).integers(100, 140, (64, 160, 3), dtype=np.uint8)
    picture[20:44, 20:44] = (200, 30, 30)
    picture[20:44, 116:140] = (30, 30, 200)
    red = Region(polygon=[(20, 20), (43, 20), (43, 43), (20, 43)], name="red")
    blue = Region(polygon=[(116, 20), (139, 20), (139, 43), (116, 43)], name="blue")
    return picture, red, blue


@pytest.mark.parametrize("top", ["red", "blue"])
def test_later_regions_cover_earlier_ones(render: Render, top: str) -> None:
    picture, red, blue = squares()
    drags = [Drag([(32, 32), (80, 32)]), Drag([(128, 32), (80, 32)])]
    regions = [blue, red] if top == "red" else [red, blue]
    motion = Motion(canvas=(160, 64), drags=drags, regions=regions)
    middle = render(picture, motion, 5)[-1, 28:36, 76:84].mean(axis=(0, 1))
    assert np.abs(middle - ((200, 30, 30) if top == "red" else (30, 30, 200))).max() < 3


def test_a_region_that_stays_covers_what_passes_below_it(render: Render) -> None:
    picture, red, blue = squares()
    motion = Motion(canvas=(160, 64), drags=[Drag([(32, 32), (128, 32)])], regions=[red, blue])
    frames = render(picture, motion, 9)
    assert np.array_equal(frames[:, 22:42, 118:138], np.tile(picture[22:42, 118:138], (9, 1, 1, 1)))
    edges = np.abs(frames[:, 20:44, 116:140].astype(int) - picture[20:44, 116:140])
    assert edges.mean() < 2
    over = render(picture, Motion(canvas=(160, 64), drags=motion.drags, regions=[blue, red]), 9)
    assert np.abs(over[-1, 28:36, 124:132].astype(int) - (200, 30, 30)).max() < 3


def test_a_drag_moves_the_region_it_names_and_not_the_one_below_it(render: Render) -> None:
    picture, red, blue = squares()
    drag = Drag([(32, 32), (32, 12)], region="blue")
    frames = render(picture, Motion(canvas=(160, 64), drags=[drag], regions=[red, blue]), 3)
    assert np.array_equal(frames[-1, :, :60], picture[:, :60])
    assert np.abs(frames[-1, 4:20, 120:136].astype(int) - (30, 30, 200)).max() < 3


def test_a_still_motion_is_the_photo_throughout(render: Render) -> None:
    picture, red, blue = squares()
    still = Motion(canvas=(160, 64), drags=[Drag([(32, 32)])], regions=[red, blue])
    assert np.array_equal(render(picture, still, 4), np.tile(picture, (4, 1, 1, 1)))


def test_a_part_that_leaves_the_canvas_uncovers_its_place(render: Render) -> None:
    picture, red, _ = squares()
    motion = Motion(canvas=(160, 64), drags=[Drag([(32, 32), (-40, 32)])], regions=[red])
    last = render(picture, motion, 4)[-1].astype(int)
    assert np.abs(last[20:44, 20:44] - 120).max() < 40
    assert np.array_equal(last[:, 50:], picture[:, 50:])


def test_a_region_continues_beyond_the_side_it_touches(render: Render) -> None:
    picture = np.full((64, 96, 3), 60, np.uint8)
    picture[40:, 30:60] = 200
    region = Region(polygon=[(30, 40), (59, 40), (59, 63), (30, 63)])
    motion = Motion(canvas=(96, 64), drags=[Drag([(45, 50), (45, 35)])], regions=[region])
    last = render(picture, motion, 4)[-1]
    assert (last[55:, 36:54] > 190).all()


@pytest.mark.parametrize("ends", [[(130, 60), (60, 75), (60, 105)], [(95, 60), (75, 75), (45, 95)]])
def test_a_bent_region_is_whole_where_it_lands_and_nowhere_else(
    render: Render, ends: list[tuple[float, float]]
) -> None:
    picture = np.random.default_rng(0).integers(90, 130, (160, 200, 3), dtype=np.uint8)
    region = Region(polygon=[(40, 40), (130, 40), (130, 120), (40, 120)])
    inside = region.rasterize((200, 160))
    picture[inside] = (200, 40, 40)
    starts = [(110.0, 60.0), (60.0, 75.0), (60.0, 105.0)]
    drags = [Drag([start, end]) for start, end in zip(starts, ends, strict=True)]
    motion = Motion(canvas=(200, 160), drags=drags, regions=[region])
    frames = render(picture, motion, 5).astype(int)

    signal = Plugins.installed().build("condition", "layered-motion")
    moves = signal.from_motion(motion, Scene(frames=5)).dense().numpy()
    rows, columns = np.nonzero(inside)
    for frame, move in zip(frames, moves, strict=True):
        x = np.rint(columns + move[0][inside]).astype(int)
        y = np.rint(rows + move[1][inside]).astype(int)
        kept = (x >= 0) & (y >= 0) & (x < 200) & (y < 160)
        landed = np.zeros((160, 200), np.uint8)
        landed[y[kept], x[kept]] = 1
        whole = cv2.morphologyEx(landed, cv2.MORPH_CLOSE, np.ones((5, 5)))
        outside = cv2.dilate(whole | inside.astype(np.uint8), BESIDE) == 0
        assert np.array_equal(frame[outside], picture[outside])
        solid = cv2.erode(whole, np.ones((11, 11))) > 0
        assert np.abs(frame[solid] - (200, 40, 40)).max() < 4


@pytest.mark.parametrize(
    "ways",
    [
        [[(156, 142), (356, 242)], [(356, 142), (156, 242)]],
        [[(156, 192), (356, 192)], [(300, 92), (300, 292)]],
        [[(156, 177), (356, 177)], [(356, 207), (156, 207)]],
    ],
    ids=["meeting", "across", "passing"],
)
def test_drags_that_cross_arrive(ways: list[list[tuple[int, int]]]) -> None:
    """No warp takes both there without folding; where it folds, what was dragged is in front."""
    photo = np.full((384, 512, 3), 110, np.uint8)
    for channel, way in enumerate(ways):
        x, y = way[0]
        photo[y - 5 : y + 6, x - 5 : x + 6] = 0
        photo[y - 5 : y + 6, x - 5 : x + 6, channel] = 255
    motion = Motion(canvas=(512, 384), drags=[Drag(way) for way in ways])
    with Session("preview") as session:
        video = session.animate(photo, motion, size=(512, 384), frames=9)
    assert video.manifest is not None
    assert any("cross or meet" in note for note in video.manifest.notes)
    for channel, way in enumerate(ways):
        x, y = way[-1]
        seen = video.frames[-1][y - 8 : y + 9, x - 8 : x + 9].astype(int)
        own, other = seen[..., channel], seen[..., 1 - channel]
        assert (own - other).max() > 150
