"""Synthetic clips: what they say of themselves is true."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import attrs
import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema import InputError
from kinema_conditions.camera import displacement_from_poses, project_tracks
from kinema_conditions.synthetic import (
    Scene,
    SyntheticClip,
    SyntheticConfig,
    calibration_clip,
    film,
    generate,
)
from kinema_conditions.synthetic.scene import carried, pixel_grid

SIZE = (192, 128)


def warped_back(clip: SyntheticClip, frame: int) -> Tensor:
    """What ``frame`` shows where each pixel of frame 0 has gone to, float (H, W, 3)."""
    places = clip.observation.displacement[frame].numpy() + pixel_grid(clip.scene.size)
    x, y = (np.ascontiguousarray(places[..., axis], dtype=np.float32) for axis in (0, 1))
    return torch.from_numpy(cv2.remap(clip.frames[frame].numpy(), x, y, cv2.INTER_CUBIC)).float()


def recoloured(clip: SyntheticClip) -> tuple[SyntheticClip, Tensor]:
    """The same scene with one plain colour per layer, and those colours (L, 3)."""
    import attrs

    layers, colours = [], []
    for index, layer in enumerate(clip.scene.layers):
        colour = [(index * 67 + 40) % 200 + 30, (index * 131) % 220 + 20, (index * 29) % 200 + 50]
        colours.append(colour)
        plain = np.broadcast_to(np.array(colour) / 255, layer.texture.shape).astype(np.float32)
        layers.append(attrs.evolve(layer, texture=plain))
    return film(attrs.evolve(clip.scene, layers=tuple(layers))), torch.tensor(colours).float()


def _flat(frame: Tensor) -> Tensor:
    """Where the 3x3 pixels around are of one colour, (H, W)."""
    picture = frame.permute(2, 0, 1).float()[None]
    highest = torch.nn.functional.max_pool2d(picture, 3, stride=1, padding=1)
    lowest = -torch.nn.functional.max_pool2d(-picture, 3, stride=1, padding=1)
    return (highest - lowest)[0].amax(0) < 3


def test_the_same_arguments_give_the_same_clip_whatever_came_before() -> None:
    first = generate(5, 3, SIZE, 4)
    generate(6, 0, SIZE, 4)
    np.random.default_rng(0).random(10)
    again = generate(5, 3, SIZE, 4)
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.observation.displacement, again.observation.displacement)
    assert torch.equal(first.observation.visible, again.observation.visible)
    assert torch.equal(first.depth, again.depth)
    assert torch.equal(first.world_to_camera, again.world_to_camera)


def test_every_index_and_every_seed_is_another_clip() -> None:
    shown = {generate(s, i, (48, 32), 2).frames.numpy().tobytes() for s in (0, 1) for i in range(8)}
    assert len(shown) == 16


def test_the_global_random_state_is_left_alone() -> None:
    torch_state, state = torch.random.get_rng_state(), np.random.get_state(legacy=False)
    generate(0, 0, (48, 32), 2)
    assert torch.equal(torch_state, torch.random.get_rng_state())
    assert repr(state) == repr(np.random.get_state(legacy=False))


@given(
    width=st.integers(16, 130),
    height=st.integers(16, 90),
    frames=st.integers(2, 6),
    index=st.integers(0, 10**6),
)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_any_size_and_length(width: int, height: int, frames: int, index: int) -> None:
    clip = generate(1, index, (width, height), frames)
    assert clip.frames.shape == (frames, height, width, 3)
    assert clip.frames.dtype == torch.uint8
    assert clip.observation.displacement.shape == (frames, height, width, 2)
    assert clip.observation.displacement.dtype == torch.float32
    assert bool(clip.observation.visible[0].all())
    assert clip.depth.shape == clip.layers.shape == clip.objects.shape == (height, width)
    assert bool((clip.depth > 0).all())
    assert clip.intrinsics.shape == (frames, 3, 3)
    assert clip.world_to_camera.shape == (frames, 4, 4)


@pytest.mark.parametrize("index", range(6))
def test_warping_a_frame_back_gives_frame_0(index: int) -> None:
    clip = generate(11, index, SIZE, 6)
    shown = clip.frames.float()
    for frame in (1, 3, 5):
        seen = clip.observation.visible[frame]
        error = (warped_back(clip, frame) - shown[0]).abs().mean(-1)[seen].mean()
        still = (shown[frame] - shown[0]).abs().mean(-1)[seen].mean()
        assert float(error) < 3.5
        assert float(error) < (0.1 if frame == 5 else 0.3) * float(still)


@pytest.mark.parametrize("index", range(8))
def test_the_background_moves_as_the_camera_says(index: int) -> None:
    clip = generate(12, index, SIZE, 5, SyntheticConfig(camera_share=1.0, camera=0.2))
    moved, inside = displacement_from_poses(clip.depth, clip.intrinsics, clip.world_to_camera)
    behind = (clip.layers == 0) & inside
    error = (moved - clip.observation.displacement).norm(dim=-1)[behind]
    assert float(error.max()) < 1e-3
    assert float(moved[-1].norm(dim=-1).max()) > 1.0


@pytest.mark.parametrize("index", range(4))
def test_objects_move_as_the_camera_sees_their_own_motion(index: int) -> None:
    """Checked by lifting and projecting each point, which the scene itself never does."""
    clip = generate(13, index, SIZE, 5, SyntheticConfig(camera_share=1.0, camera=0.2))
    grid = pixel_grid(SIZE)
    for number in range(1, len(clip.scene.layers)):
        here = (clip.layers == number).numpy()
        if not here.any():
            continue
        own = clip.scene.layers[number].motion
        rested = np.stack([carried(way, grid[here]) for way in own])
        expected, _ = project_tracks(
            torch.from_numpy(rested), clip.depth[here], clip.intrinsics, clip.world_to_camera
        )
        places = torch.from_numpy(grid[here]).float() + clip.observation.displacement[:, here]
        assert float((places - expected).abs().max()) < 1e-3


@pytest.mark.parametrize("index", [0, 1, 2, 5, 7])
def test_visibility_is_what_the_drawn_frames_show(index: int) -> None:
    """Each layer in one plain colour: a pixel is visible if its colour is where it should be."""
    clip = generate(14, index, SIZE, 5, SyntheticConfig(least_objects=2))
    plain, colours = recoloured(clip)
    assert torch.equal(plain.observation.visible, clip.observation.visible)
    own = colours[clip.layers]
    grid = torch.from_numpy(pixel_grid(SIZE)).float()
    far = torch.tensor([SIZE[0] - 1, SIZE[1] - 1])
    covered = 0
    for frame in range(1, 5):
        places = grid + clip.observation.displacement[frame]
        inside = ((places >= 0) & (places <= far)).all(-1)
        assert not bool((clip.observation.visible[frame] & ~inside).any())
        nearest = places.round().long()
        x, y = nearest[..., 0].clamp(0, SIZE[0] - 1), nearest[..., 1].clamp(0, SIZE[1] - 1)
        found = plain.frames[frame].float()[y, x]
        shown = (found - own).abs().amax(-1) < 12
        # Where no outline is near, in either frame, there is nothing to argue about.
        clear = inside & _flat(plain.frames[0]) & _flat(plain.frames[frame])[y, x]
        assert torch.equal(shown[clear], clip.observation.visible[frame][clear])
        assert float(clear.float().mean()) > 0.6
        covered += int((inside & ~clip.observation.visible[frame]).sum())
    assert covered > 200


def test_layers_and_objects_name_what_is_seen_in_frame_0() -> None:
    clip = generate(14, 1, SIZE, 2, SyntheticConfig(least_objects=3, kinds=("articulated",)))
    plain, colours = recoloured(clip)
    agree = (plain.frames[0].float() - colours[clip.layers]).abs().amax(-1) < 12
    assert float(agree.float().mean()) > 0.93
    owners = torch.tensor([layer.owner for layer in clip.scene.layers])
    assert torch.equal(clip.objects, owners[clip.layers])
    assert int(clip.objects.min()) == -1
    assert len(clip.scene.layers) > int(owners.max()) + 2


def test_nearer_layers_are_drawn_over_farther_ones() -> None:
    for index in range(6):
        clip = generate(15, index, SIZE, 2, SyntheticConfig(least_objects=3))
        depths = [1 / layer.inverse_depth[2] for layer in clip.scene.layers[1:]]
        assert depths == sorted(depths, reverse=True)
        behind, before = clip.depth[clip.objects < 0], clip.depth[clip.objects >= 0]
        assert float(behind.min()) > float(before.max())


def test_limbs_stay_at_their_joints() -> None:
    from kinema_conditions.synthetic.shapes import Limb

    clip = generate(16, 0, SIZE, 6, SyntheticConfig(least_objects=3, kinds=("articulated",)))
    layers, joints = clip.scene.layers, 0
    for index, layer in enumerate(layers):
        if not isinstance(layer.shape, Limb):
            continue
        joints += 1
        name = "body" if layer.name == "arm" else "arm"
        joint = np.array([layer.shape.start])
        others = [
            other
            for other, candidate in enumerate(layers)
            if candidate.owner == layer.owner
            and candidate.name == name
            and (name == "body" or np.allclose(getattr(candidate.shape, "end", np.inf), joint))
        ]
        assert len(others) == 1
        for frame in range(6):
            mine = carried(clip.scene.ways[index, frame], joint)
            theirs = carried(clip.scene.ways[others[0], frame], joint)
            assert np.allclose(mine, theirs, atol=1e-6)
    assert joints >= 6


def test_points_of_any_frame_are_followed_there_and_back() -> None:
    clip = generate(17, 2, SIZE, 5, SyntheticConfig(least_objects=3))
    points = torch.from_numpy(np.random.default_rng(0).uniform(5, 120, (60, 2)))
    tracks, visible = clip.track(points, frame=3)
    assert tracks.shape == (5, 60, 2)
    assert visible.shape == (5, 60)
    assert torch.allclose(tracks[3], points.float())
    assert bool(visible[3].all())
    seen = visible[1]
    again, _ = clip.track(tracks[1][seen].double(), frame=1)
    assert torch.allclose(again[3], points[seen].float(), atol=1e-3)


def test_points_of_frame_0_agree_with_the_dense_motion() -> None:
    clip = generate(17, 3, SIZE, 4)
    rows, columns = torch.randint(128, (50,)), torch.randint(192, (50,))
    points = torch.stack([columns, rows], dim=-1).double()
    tracks, visible = clip.track(points)
    dense = clip.observation.displacement[:, rows, columns]
    assert torch.allclose(tracks - points.float(), dense, atol=1e-4)
    assert torch.equal(visible, clip.observation.visible[:, rows, columns])


def test_without_a_camera_and_objects_nothing_moves() -> None:
    still = SyntheticConfig(least_objects=0, most_objects=0, camera=0)
    clip = generate(0, 0, SIZE, 3, still)
    assert not bool(clip.observation.displacement.abs().max() > 1e-4)
    assert torch.equal(clip.frames[0], clip.frames[2])
    assert len(clip.scene.layers) == 1


def test_the_config_limits_how_far_things_move() -> None:
    config = SyntheticConfig(camera=0.1, camera_share=1.0, travel=0.2)
    for index in range(6):
        clip = generate(18, index, SIZE, 8, config)
        behind = clip.observation.displacement[:, clip.layers == 0].norm(dim=-1)
        assert float(behind.max()) <= 0.1 * 192 + 1e-3
        for layer in clip.scene.layers[1:]:
            if layer.name == "body":
                middle = np.array([layer.shape.centre])  # type: ignore[union-attr]
                gone = max(float(np.linalg.norm(carried(w, middle) - middle)) for w in layer.motion)
                assert gone <= 0.2 * 192 * 1.05


def test_blur_smooths_surfaces_and_leaves_outlines_and_motion() -> None:
    config = SyntheticConfig(least_objects=1, most_objects=1, kinds=("affine",))
    sharp = generate(5, 2, (96, 64), 4, config)
    smooth = generate(5, 2, (96, 64), 4, attrs.evolve(config, blur=0.03))
    assert torch.equal(sharp.observation.displacement, smooth.observation.displacement)
    assert torch.equal(sharp.objects, smooth.objects)

    def roughness(frames: torch.Tensor, inside: torch.Tensor) -> float:
        steps = frames[0].float().diff(dim=1).abs().mean(-1)
        return float(steps[inside].mean())

    same = sharp.objects[:, 1:] == sharp.objects[:, :-1]
    assert roughness(smooth.frames, same) < 0.5 * roughness(sharp.frames, same)
    assert roughness(smooth.frames, ~same) > 2 * roughness(smooth.frames, same)


def test_kinds_and_textures_can_be_chosen() -> None:
    turning = generate(0, 0, SIZE, 2, SyntheticConfig(kinds=("rotating",), textures="patterns"))
    assert {layer.name for layer in turning.scene.layers} == {"background", "body"}
    photos = generate(0, 0, SIZE, 2, SyntheticConfig(kinds=("rotating",), textures="photos"))
    assert not torch.equal(turning.frames, photos.frames)


def test_the_calibration_clip_moves_as_it_says() -> None:
    clip = calibration_clip()
    steps = clip.observation.displacement.diff(dim=0)
    assert 8.5 < float(steps[:, clip.objects == 0].norm(dim=-1).mean()) < 9.7
    assert float(clip.observation.displacement[:, clip.objects < 0].norm(dim=-1).max()) > 3
    error = (warped_back(clip, 15) - clip.frames[0].float()).abs().mean(-1)
    assert float(error[clip.observation.visible[15]].mean()) < 2


def test_the_photos_are_small_and_their_licence_is_named() -> None:
    folder = files("kinema_conditions.synthetic") / "photos"
    note = (folder / "LICENCE.md").read_text(encoding="utf-8")
    photos = [entry for entry in folder.iterdir() if entry.name.endswith(".webp")]
    assert len(photos) == 5
    for photo in photos:
        assert f"`{photo.name}`" in note
        assert len(photo.read_bytes()) < 150_000
    assert "CC0" in note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"least_objects": 3, "most_objects": 2},
            r"need 0 <= least_objects <= most_objects, got 3 and 2\.",
        ),
        ({"kinds": ("flying",)}, r"Unknown kinds .*\['flying'\]\. Choose at least one of: affine,"),
        ({"kinds": ()}, r"Unknown kinds of synthetic objects \[\]"),
        ({"textures": "wood"}, "Unknown textures 'wood' .* Choose one of: photos, patterns, mixed"),
        ({"travel": -1.0}, r"travel of synthetic clips must be within \[0, 2\.0\], got -1\.0"),
        ({"camera": 0.9}, r"camera of synthetic clips must be within \[0, 0\.5\], got 0\.9"),
        ({"camera_share": float("nan")}, r"camera_share .* must be within \[0, 1\.0\], got nan"),
        ({"fps": 0.0}, r"fps of synthetic clips must be positive, got 0\.0"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SyntheticConfig(**options)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="a seed and an index of at least 0, got -1 and 2"):
        generate(-1, 2)
    with pytest.raises(InputError, match=r"at least 16x16 pixels and 2 frames, got 8x40 and 3"):
        generate(0, 0, (8, 40), 3)
    with pytest.raises(InputError, match=r"at least 16x16 pixels and 2 frames, got 64x40 and 1"):
        generate(0, 0, (64, 40), 1)


def test_a_scene_of_hand_made_layers_can_be_filmed() -> None:
    """Only the background, a camera that turns: the scene is public for tests like this one."""
    scene = generate(0, 0, SIZE, 3, SyntheticConfig(least_objects=0, most_objects=0)).scene
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[2, 0, 3] = -0.1
    made = Scene(
        size=SIZE,
        layers=scene.layers,
        intrinsics=scene.intrinsics[[0, 0, 0]],
        world_to_camera=poses,
    )
    moved = film(made).observation.displacement
    assert not bool(moved[1].abs().max() > 1e-4)
    focal, depth = scene.intrinsics[0, 0, 0], film(made).depth
    assert torch.allclose(moved[2, ..., 0], (-0.1 * focal / depth).float(), atol=1e-3)
