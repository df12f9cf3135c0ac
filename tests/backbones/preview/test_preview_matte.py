"""Outlines and mattes of regions whose mask was drawn by hand, and joints that are not cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinema import Drag, Motion, Region
from kinema.errors import InputError
from kinema_backbones.preview.config import PreviewConfig
from kinema_backbones.preview.matte import feathered, guided_filter, matte, own_colour
from kinema_backbones.preview.outline import distances, half_width
from kinema_backbones.preview.plate import stained

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
Photo = Callable[..., Frames]
Render = Callable[..., Frames]

SIZE = (160, 120)


def disc(radius: float) -> Floats:
    """An anti-aliased disc in the middle."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    distance = np.hypot(x - 80, y - 60)
    return np.asarray(np.clip(radius - distance + 0.5, 0.0, 1.0), np.float32)


def scene(alpha: Floats, seed: int = 0) -> Floats:
    """Orange on green, both with a pattern."""
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.normal(size=(*alpha.shape, 1)).astype(np.float32), (0, 0), 2)
    front = np.array([0.8, 0.4, 0.1], np.float32) + noise[..., None] * 0.3
    back = np.array([0.2, 0.5, 0.3], np.float32) - noise[..., None] * 0.3
    share = alpha[..., None]
    return (share * front + (1 - share) * back).clip(0, 1).astype(np.float32)


def estimated(photo: Floats, mask: Masks) -> Floats:
    nothing = np.zeros_like(mask)
    return matte(photo, mask, mask.astype(np.float32), nothing, nothing)


@pytest.mark.parametrize("radius", [36, 38, 43, 50])
def test_a_mask_too_small_or_too_large_gives_the_matte_of_the_object(radius: int) -> None:
    true = disc(40)
    found = estimated(scene(true), disc(radius) > 0.5)
    # The outline is the object's whatever the mask was; its blur is that of a lens.
    assert np.abs(found - true).sum() < 0.4 * (2 * np.pi * 40)
    assert np.abs(found - true)[disc(43) < 0.5].max() < 0.1
    assert np.abs(found - true)[disc(37) > 0.5].max() < 0.1


def test_a_mask_in_grey_is_taken_at_its_word() -> None:
    true = np.asarray(cv2.GaussianBlur(disc(40), (0, 0), 3), np.float32)
    nothing = np.zeros(true.shape, bool)
    found = matte(scene(true), true >= 0.5, true, nothing, nothing)
    assert np.abs(found - true).max() < 0.05


def test_a_matte_never_enters_another_region_or_crosses_a_joint() -> None:
    photo = scene(disc(40))
    mask = disc(40) > 0.5
    mask[:, 90:] = False
    blocked = np.zeros_like(mask)
    blocked[:, 90:] = True
    nothing = np.zeros_like(mask)
    found = matte(photo, mask, mask.astype(np.float32), blocked, nothing)
    assert not found[blocked].any()
    held = np.zeros_like(mask)
    held[30:90, 90] = True
    found = matte(photo, mask, mask.astype(np.float32), nothing, held)
    assert (found[40:80, 87] > 0.95).all()


def test_everything_and_nothing_are_their_own_matte() -> None:
    photo = scene(disc(40))
    for mask in (np.ones(photo.shape[:2], bool), np.zeros(photo.shape[:2], bool)):
        assert np.array_equal(estimated(photo, mask), mask.astype(np.float32))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 14])
def test_half_the_width_of_a_thin_part(width: int) -> None:
    mask = np.zeros((60, 120), bool)
    mask[20 : 20 + width] = True
    half = half_width(mask, distances(mask)[0])
    assert np.abs(half[mask] - width / 2).max() <= 1.01


def test_the_guided_filter_keeps_the_edges_of_its_guide() -> None:
    guide = np.zeros((40, 40, 3), np.float32)
    guide[:, 20:] = 1.0
    rough = np.zeros((40, 40), np.float32)
    rough[:, 18:] = 1.0
    smooth = guided_filter(guide, rough, 3, 1e-4)
    assert np.abs(np.diff(smooth, axis=1)).max(axis=0).argmax() == 19
    even = guided_filter(guide, np.full_like(rough, 0.3), 3, 1e-4)
    assert np.allclose(even, 0.3, atol=1e-3)


def test_the_colour_of_an_edge_comes_without_what_is_behind_it() -> None:
    alpha = np.asarray(cv2.GaussianBlur(disc(40), (0, 0), 1.0), np.float32)
    front, back = np.array([0.9, 0.2, 0.1]), np.array([0.1, 0.3, 0.9])
    share = alpha[..., None]
    photo = (share * front + (1 - share) * back).astype(np.float32)
    behind = np.broadcast_to(back, photo.shape).astype(np.float32)
    colour = own_colour(photo, alpha, behind)
    assert np.abs(colour - front)[alpha > 0.05].max() < 0.02


def test_feathering_leaves_thin_parts_their_middle() -> None:
    alpha = np.zeros((60, 60), np.float32)
    alpha[:, 28:31] = 1.0
    assert feathered(alpha, 24.0)[:, 29].min() == 1.0
    assert feathered(alpha, 0.0) is alpha


def test_stains_reach_two_pixels_beyond_the_matte() -> None:
    alpha = np.zeros((20, 20), np.float32)
    alpha[10, 10] = 1.0
    rows, columns = np.nonzero(stained(alpha))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 12, 8, 12)


@pytest.mark.parametrize("attached", ["sometimes", ""])
def test_an_unknown_kind_of_attachment_is_refused(attached: Any) -> None:
    with pytest.raises(InputError, match="attached must be auto, never or always, got"):
        PreviewConfig(attached=attached)


def wall(photo: Photo) -> tuple[Frames, Motion]:
    """A part of one and the same wall, moved by six pixels."""
    region = Region(polygon=[(150, 100), (330, 100), (330, 220), (150, 220)])
    motion = Motion(canvas=(512, 320), drags=[Drag([(240, 160), (246, 160)])], regions=[region])
    return photo("gravel"), motion


@pytest.mark.all_packages
def test_a_part_of_a_whole_stretches_at_its_joint(photo: Photo, render: Render) -> None:
    picture, motion = wall(photo)
    moved = render(picture, motion, 3)[-1].astype(int)
    whole = render(picture, motion, 3, attached="always")[-1].astype(int)
    assert np.abs(moved - whole).mean() < 3
    # Each line of pixels is the photo's, squeezed here and drawn out there: nothing is lost.
    around = np.s_[100:220, 100:380]
    inner = np.s_[120:200, 170:310]
    shifted = np.roll(picture.astype(int), 6, axis=1)
    assert np.abs(moved - shifted)[inner].mean() < 2
    assert np.abs(moved[around].mean() - picture[around].mean()) < 2
    cut = render(picture, motion, 3, attached="never")[-1].astype(int)
    assert np.array_equal(cut[160, 360:], picture[160, 360:])
    assert not np.array_equal(moved[160, 336:340], picture[160, 336:340])


@pytest.mark.all_packages
@pytest.mark.parametrize(("attached", "kind"), [(True, "always"), (False, "never")])
def test_what_a_region_says_of_itself_counts(
    photo: Photo, render: Render, attached: bool, kind: str
) -> None:
    picture, motion = wall(photo)
    (region,) = motion.regions
    other = Region(polygon=[(30, 250), (90, 250), (90, 300), (30, 300)], name="other")
    drags = [*motion.drags, Drag([(60, 280), (64, 280)])]
    both = attrs.evolve(motion, drags=drags, regions=[region, other])
    said = attrs.evolve(both, regions=[attrs.evolve(region, attached=attached), other])
    frames = {each: render(picture, both, 3, attached=each) for each in ("always", "never")}
    unlike = "never" if attached else "always"
    found = render(picture, said, 3, attached=unlike)
    # The one is as it says, the other as is said for all; only the patches of fills may differ.
    for place, mine, others in (
        (np.s_[:, 90:230, 120:380], kind, unlike),
        (np.s_[:, 235:, :110], unlike, kind),
    ):
        like, other = (
            np.abs(found[place].astype(int) - frames[each][place]).mean() for each in (mine, others)
        )
        assert 5 * like < other


@pytest.mark.all_packages
def test_what_goes_far_comes_off(photo: Photo, render: Render) -> None:
    picture, motion = wall(photo)
    far = Motion(
        canvas=motion.canvas, drags=[Drag([(240, 160), (400, 160)])], regions=motion.regions
    )
    frames = render(picture, far, 3)
    assert np.array_equal(frames, render(picture, far, 3, attached="never"))


@pytest.mark.all_packages
def test_a_soft_mask_moves_its_soft_edge(render: Render, tmp_path: Path) -> None:
    alpha = cv2.GaussianBlur(disc(24), (0, 0), 2.5)
    front, back = np.array([230.0, 60, 40]), np.array([40.0, 90, 200])
    picture = (alpha[..., None] * front + (1 - alpha[..., None]) * back).round().astype(np.uint8)
    Image.fromarray((alpha * 255).round().astype(np.uint8)).save(tmp_path / "soft.png")
    motion = Motion(
        canvas=SIZE,
        drags=[Drag([(80, 60), (110, 60)])],
        regions=[Region(mask=tmp_path / "soft.png")],
    )
    last = render(picture, motion, 3)[-1].astype(float)
    moved = np.roll(picture, 30, axis=1).astype(float)
    assert np.abs(last - moved)[:, 66:].max() <= 8
    assert np.abs(last - back)[:, 40:70].max() <= 8
