"""The metrics against independent implementations, formulas and what is known exactly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.errors import ExtraError, InputError
from kinema.interfaces import Truth
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema.signals import Observation
from kinema_apps.metrics.camera_error import pose_errors, poses, relative, scale_aligned
from kinema_apps.metrics.configs import DisConfig
from kinema_apps.metrics.ground_truth import EndPointError, PictureMetric, psnr, ssim
from kinema_apps.metrics.image_features import matched
from kinema_apps.metrics.md_vid import BLOCK, KEPT, MdVid, blocks, distance
from kinema_apps.metrics.motion_frechet import histogram
from kinema_apps.metrics.seen_motion import Once, smaller

MOTION = Motion(canvas=(64, 48), drags=[Drag([(20, 20), (30, 20)])])


def video(seed: int, frames: int = 5, size: tuple[int, int] = (64, 48)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand((frames, 3, size[1] // 4, size[0] // 4), generator=generator)
    large = torch.nn.functional.interpolate(small, (size[1], size[0]), mode="bicubic")
    return (large.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


# -- pictures -------------------------------------------------------------------------------------


def test_psnr_and_ssim_are_those_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    pytest.importorskip("kornia")
    first, second = video(0), video(1)
    for name, of, independent in (
        ("psnr", psnr, lambda a, b: metrics.peak_signal_noise_ratio(a, b, data_range=1.0)),
        (
            "ssim",
            ssim,
            lambda a, b: metrics.structural_similarity(
                a, b, data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False,
            ),
        ),
    ):  # fmt: skip
        found = PictureMetric(name, of).compare(first, MOTION, Truth(frames=second))
        pairs = zip(first[1:].numpy() / 255.0, second[1:].numpy() / 255.0, strict=True)
        expected = np.mean([independent(a, b) for a, b in pairs])  # type: ignore[no-untyped-call]
        assert found[name] == pytest.approx(float(expected), abs=2e-4)


def test_equal_videos_have_a_finite_psnr_and_an_ssim_of_one() -> None:
    pytest.importorskip("kornia")
    same = Truth(frames=video(0))
    assert PictureMetric("psnr", psnr).compare(video(0), MOTION, same) == {"psnr": 100.0}
    found = PictureMetric("ssim", ssim).compare(video(0), MOTION, same)["ssim"]
    assert found == pytest.approx(1.0, abs=1e-6)


def test_what_cannot_be_compared_is_refused() -> None:
    metric = PictureMetric("psnr", psnr)
    with pytest.raises(InputError, match="5 frames of 64x48, the real one 4 frames of 64x48"):
        metric.compare(video(0), MOTION, Truth(frames=video(0, frames=4)))
    with pytest.raises(InputError, match="needs the real video"):
        metric.compare(video(0), MOTION, Truth())
    with pytest.raises(InputError, match="compares a video with what is known"):
        metric.measure(video(0), MOTION)
    with pytest.raises(InputError, match="at least 11x11"):
        PictureMetric("ssim", ssim).compare(
            video(0, size=(64, 8)), MOTION, Truth(frames=video(1, size=(64, 8)))
        )


# -- MD-Vid ---------------------------------------------------------------------------------------


def test_the_published_block_keeps_the_start() -> None:
    starts = torch.tensor([[20.7, 13.2], [40.0, 30.9]], dtype=torch.float64)
    points = blocks(starts, (64, 48)).reshape(2, BLOCK * BLOCK, 2)
    assert points[:, KEPT].tolist() == [[20.0, 13.0], [40.0, 30.0]]
    assert points[0, 0].tolist() == [16.0, 9.0]
    assert points[0, -1].tolist() == [23.0, 16.0]
    # Row by row, as the published script lays it: the second point is to the right of the first.
    assert points[0, 1].tolist() == [17.0, 9.0]


def test_the_published_formula_on_made_up_tracks() -> None:
    target = torch.zeros(4, 2, 2, dtype=torch.float64)
    tracks = target.clone()
    tracks[1, 0] = torch.tensor([3.0, 4.0])  # 5 away
    tracks[2, 1] = torch.tensor([0.0, 2.0])
    tracks[3] = torch.tensor([6.0, 8.0])  # both 10 away
    # The mean over frames 1..3 and both drags: (5 + 0 + 0 + 2 + 10 + 10) / 6.
    assert distance(tracks, target, (1, 2, 3)) == pytest.approx(27 / 6)
    assert distance(tracks, target, (3,)) == 10.0


def test_md_vid_asks_the_tracker_for_the_block_and_compares_with_the_drag() -> None:
    asked: list[Tensor] = []

    def follow(frames: Tensor, points: Tensor) -> Tensor:
        asked.append(points)
        return points + torch.arange(len(frames))[:, None, None] * torch.tensor([1.0, 0.0])

    motion = Motion(canvas=(64, 48), drags=[Drag([(20.5, 20), (24.5, 20)]), Drag([(40, 30)])])
    found = MdVid("md-vid", follow).measure(video(0), motion)["md-vid"]
    assert asked[0].shape == (2 * 64, 2)
    # The first is followed from 20 to 24 and wanted from 20.5 to 24.5. A still anchor is wanted to
    # drift by (1, 1) over the clip, and moves by t to the right: |(t - t / 4, t / 4)|.
    second = np.mean([np.hypot(t - t / 4, t / 4) for t in range(1, 5)])
    assert found == pytest.approx((0.5 + second) / 2)
    chosen = MdVid("md-vid", follow, (4,)).measure(video(0), motion)["md-vid"]
    assert chosen == pytest.approx((0.5 + np.hypot(3, 1)) / 2)
    with pytest.raises(InputError, match="is to compare the frame 9; the video has 5"):
        MdVid("md-vid", follow, (9,)).measure(video(0), motion)


# -- motion that is known -------------------------------------------------------------------------


@pytest.mark.all_packages
def test_a_true_video_has_little_error_and_a_still_one_all_of_it() -> None:
    from kinema_conditions.synthetic import SyntheticConfig, generate

    config = SyntheticConfig(most_objects=1, kinds=("sliding",), camera=0.0, travel=0.12)
    clip = generate(5, 0, (128, 80), 6, config)
    truth = Truth(observation=clip.observation)
    metric = EndPointError(DisConfig())
    true = metric.compare(clip.frames, MOTION, truth)
    still = metric.compare(clip.frames[:1].expand(6, -1, -1, -1), MOTION, truth)
    lengths = clip.observation.displacement.norm(dim=-1)
    moving = clip.observation.visible & (lengths.amax(0) > 1.0)
    expected = float(lengths[1:][moving[1:]].mean())
    assert still["end-point-error-moving[dis]"] == pytest.approx(expected, abs=0.05)
    assert true["end-point-error-moving[dis]"] < 0.25 * expected
    # The same points as tracks.
    points = torch.tensor([[30.0, 30.0], [70.0, 40.0]])
    tracks, visible = clip.track(points)
    by_tracks = metric.compare(clip.frames, MOTION, Truth(tracks=tracks, visible=visible))
    assert set(by_tracks) >= {"end-point-error[dis]"}
    with pytest.raises(InputError, match="compares motion of one form"):
        metric.compare(clip.frames[:5], MOTION, truth)


def test_the_pose_of_known_points_is_found_with_its_scale() -> None:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    matrix = np.array([[500.0, 0, 255.5], [0, 500.0, 159.5], [0, 0, 1]])
    true = np.tile(np.eye(4), (4, 1, 1))
    for t in range(4):
        true[t, :3, :3] = Rotation.from_rotvec([0.01 * t, 0.03 * t, 0]).as_matrix()
        true[t, :3, 3] = (0.1 * t, 0, -0.05 * t)
    points = rng.uniform((0, 0), (511, 319), (200, 2))
    depth = rng.uniform(1.5, 4.0, 200)
    world = np.concatenate([points, np.ones((200, 1))], 1) @ np.linalg.inv(matrix).T
    world *= depth[:, None]
    seen = (world @ true[:, :3, :3].transpose(0, 2, 1) + true[:, None, :3, 3]) @ matrix.T
    places = seen[..., :2] / seen[..., 2:]
    places[1:, :30] += 40.0  # what moves by itself
    visible = np.ones((4, 200), bool)
    found = poses(places, visible, depth, np.tile(matrix, (4, 1, 1)))
    turn, shift = pose_errors(found, relative(true))
    assert turn.max() < 0.1
    assert shift.max() < 0.01
    visible[2, 5:] = False
    with pytest.raises(InputError, match="Only 5 points are visible in frame 2"):
        poses(places, visible, depth, np.tile(matrix, (4, 1, 1)))


def test_a_path_of_unknown_scale_is_scaled_by_least_squares() -> None:
    rng = np.random.default_rng(1)
    true = np.tile(np.eye(4), (5, 1, 1))
    true[:, :3, 3] = rng.normal(size=(5, 3))
    found = true.copy()
    found[:, :3, 3] *= 7.0
    _, before = pose_errors(relative(found), relative(true))
    _, after = pose_errors(scale_aligned(found, true), relative(true))
    assert before.max() > 1
    assert after.max() < 1e-12


def test_camera_errors_are_named_with_their_units() -> None:
    with pytest.raises(InputError, match="needs poses, intrinsics and depth"):
        build("camera-error[dis]").compare(video(0), MOTION, Truth())


# -- features -------------------------------------------------------------------------------------


def build(name: str, **options: Any) -> Any:
    kind = "set metric" if name.startswith("fid") else "metric"
    try:
        return Plugins.installed().build(kind, name, options)
    except (InputError, ExtraError) as error:
        pytest.skip(str(error))


def test_fid_is_that_of_torchmetrics_with_the_same_features() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    metric = build("fid[efficientnet-lite0]", frames=0)
    sets = [[video(10 * s + n, frames=4) for n in range(6)] for s in (0, 1)]
    rows = [[metric.features(each) for each in one] for one in sets]
    found = metric.score(*rows)
    assert (found.count, found.reference) == (6, 6)

    class Known(torch.nn.Module):
        """Hands out the features of frames that were numbered beforehand."""

        num_features = 1280

        def __init__(self) -> None:
            super().__init__()
            self.rows = torch.from_numpy(np.concatenate([*rows[0], *rows[1]]))

        def forward(self, numbers: Tensor) -> Tensor:
            return self.rows[numbers.long()]

    theirs = fid.FrechetInceptionDistance(Known(), normalize=False).set_dtype(torch.float64)
    theirs.inception.rows = theirs.inception.rows.double()
    theirs.used_custom_model = True
    theirs.update(torch.arange(24, 48), real=True)
    theirs.update(torch.arange(24), real=False)
    assert found.value == pytest.approx(float(theirs.compute()), rel=1e-3)


def test_the_image_network_is_that_of_its_authors() -> None:
    # Logits that the package efficientnet-lite-pytorch 0.1.0 gives for the same weights and input.
    build("frame-consistency[efficientnet-lite0]")
    from kinema_apps.metrics.efficientnet import network

    x = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224).sin()
    with torch.no_grad():
        logits = network()(x)[0]
    expected = torch.tensor(EXPECTED_LOGITS)
    assert torch.allclose(logits[:5], expected, atol=2e-4)


EXPECTED_LOGITS = [0.19258, 0.69978, 1.83865, 1.35679, 1.90106]


def test_a_point_is_found_where_its_features_went() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(1, 32, 12, 16, generator=generator)
    second = first.roll((2, 3), (2, 3))
    places = matched(torch.cat([first, second]), torch.tensor([[21.5, 13.5]]), (64, 48))
    assert places.shape == (1, 1, 2)
    # Three cells to the right and two down, of 4 pixels each.
    assert torch.allclose(places[0, 0], torch.tensor([33.5, 21.5]), atol=1.0)


def test_histograms_count_directions_and_lengths() -> None:
    vectors = torch.tensor([[10.0, 0.0], [10.0, 0.0], [0.0, -1.0], [0.1, 0.0]])
    found = histogram(vectors) ** 2
    assert found.shape == (32,)
    # Two to the right and fast, one up and slow, one that hardly moves.
    assert sorted(found[found > 0].tolist()) == pytest.approx([0.25, 0.25, 0.5])
    assert found.sum() == pytest.approx(1.0)


# -- what is shared -------------------------------------------------------------------------------


def test_a_video_is_looked_at_once() -> None:
    seen = itertools.count(1)
    look = Once(lambda frames: next(seen))
    one, two = video(0), video(0)
    assert [look(one), look(one), look(two), look(two), look(one)] == [1, 1, 2, 2, 3]


def test_large_frames_are_reduced_and_small_ones_left() -> None:
    assert smaller(video(0), 192) is not None
    assert smaller(video(0), 24).shape == (5, 24, 32, 3)
    assert smaller(video(0), 0).shape == (5, 48, 64, 3)


def test_a_metric_of_an_observation_needs_something_visible() -> None:
    hidden = Observation(
        displacement=torch.zeros(5, 48, 64, 2), visible=torch.zeros(5, 48, 64, dtype=torch.bool)
    )
    metric = build("end-point-error[dis]")
    with pytest.raises(InputError, match="nothing of frame 0 is visible"):
        metric.compare(video(0), MOTION, Truth(observation=hidden))
