"""A video transformer of today as a stranger's plugin: text, folded time, flow matching.

The plugin lies in tests/packaging/plugins/wan-like and imports nothing of ours but ``kinema``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema import Drag, FormError, Motion, Session
from kinema.clips.dataset import ClipDataset
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.interfaces import Adaptation, Backbone
from kinema.plugins import Plugins
from kinema.testing import BackboneContract
from kinema.testing.scenes import textured
from kinema.training import TrainConfig, train
from kinema.training.config import OptimizerConfig

if TYPE_CHECKING:
    from kinema_wan_like.backbone import WanLike

PLUGIN = Path(__file__).parents[1] / "packaging" / "plugins" / "wan-like" / "src"

MOTION = Motion(canvas=(96, 64), drags=[Drag([(20, 30), (60, 40)])])


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    monkeypatch.syspath_prepend(str(PLUGIN))
    import kinema_wan_like.plugin

    found = Plugins()
    found.load_entry_points()
    found.register(kinema_wan_like.plugin, "wan-like", "kinema-wan-like", "0.3.0")
    return found


def photo() -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (textured(64, 96).permute(1, 2, 0) * 255).byte().numpy()
    return pixels


def opened(plugins: Plugins, **options: Any) -> Session:
    return Session("wan-like", plugins=plugins, sample={"steps": 3}, **options)


class TestWanLike(BackboneContract):
    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(PLUGIN))

    def make(self) -> Backbone:
        from kinema_wan_like.backbone import WanLike
        from kinema_wan_like.configs import WanLikeConfig

        return WanLike(WanLikeConfig())


def test_its_own_form_schedule_and_solver_are_used_and_recorded(plugins: Plugins) -> None:
    with Session("wan-like", plugins=plugins, sample={"steps": 3}) as session:
        video = session.animate(photo(), MOTION)
    assert video.frames.shape == (9, 64, 96, 3)
    assert video.fps == 16.0
    manifest = video.manifest
    assert manifest is not None
    assert manifest.sample["spacing"] == "unipc"
    [solver] = manifest.offers["solver"]
    assert solver["name"] == "unipc"
    assert "nothing reads the motion" in manifest.notes[0]


def test_a_frame_count_it_cannot_make_is_refused_with_the_nearest(plugins: Plugins) -> None:
    with opened(plugins) as session, pytest.raises(FormError, match=r"frames=17\.$"):
        session.animate(photo(), MOTION, frames=16)


@pytest.mark.all_packages
def test_a_motion_of_another_length_is_brought_to_the_nearest(plugins: Plugins) -> None:
    longer = Motion(canvas=(96, 64), drags=MOTION.drags, fps=8.0, duration=1.5)
    with opened(plugins, controller="copy-along-tracks") as session:
        video = session.animate(photo(), longer)
    assert len(video.frames) == 13
    assert video.manifest is not None
    assert "the motion has 12 frames, the backbone 'wan-like' makes 13" in video.manifest.notes[0]


def test_texts_and_a_last_image_change_the_video(plugins: Plugins) -> None:
    last = photo()[:, ::-1]
    with opened(plugins) as session:
        plain, prompted, negated, ended = (
            session.animate(photo(), MOTION, **given).frames
            for given in (
                {},
                {"prompt": "a boat"},
                {"negative_prompt": "a boat"},
                {"last_image": last},
            )
        )
    for other in (prompted, negated, ended):
        assert not np.array_equal(plain, other)


@pytest.mark.all_packages
def test_point_tracks_steer_it_at_its_image_latent(plugins: Plugins) -> None:
    seen: list[Tensor] = []
    with opened(plugins) as session:
        plain = session.animate(photo(), MOTION).frames
    with opened(plugins, controller="copy-along-tracks") as session:
        backbone: WanLike = session.backbone  # type: ignore[assignment]
        embed = backbone.embed

        def spy(request: Any) -> Any:
            made = embed(request)
            seen.append(made["conditional"].condition[0, :, 4:])
            return made

        backbone.embed = spy  # type: ignore[method-assign]
        steered = session.animate(photo(), MOTION).frames
    assert not np.array_equal(plain, steered)
    [latents] = seen
    assert latents.shape == (3, 16, 8, 12)
    # The drag ends at (60, 40), in the cell (7, 5); its start (20, 30) lies in the cell (2, 3).
    assert torch.equal(latents[-1, :, 5, 7], latents[0, :, 3, 2])


@pytest.mark.all_packages
def test_fresh_modulation_changes_nothing_and_a_trained_one_does(plugins: Plugins) -> None:
    with opened(plugins) as session:
        plain = session.animate(photo(), MOTION).frames
    with opened(plugins, controller="modulation") as session:
        assert np.array_equal(plain, session.animate(photo(), MOTION).frames)
        controller: Any = session.controller
        with torch.no_grad():
            for parameter in controller.parameters():
                parameter += 0.2
        assert not np.array_equal(plain, session.animate(photo(), MOTION).frames)


@pytest.mark.all_packages
def test_several_videos_in_one_pass_are_those_made_one_by_one(plugins: Plugins) -> None:
    from kinema.session.job import Job

    jobs = [
        Job(photo=photo()[:, :: (-1) ** n], motion=MOTION, seed=n, prompt=f"boat {n}")
        for n in range(3)
    ]
    with opened(plugins, controller="copy-along-tracks") as session:
        alone = [session.animate_all([job])[0].frames for job in jobs]
        together = [video.frames for video in session.animate_all(jobs, exact=False)]
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


@pytest.mark.all_packages
@pytest.mark.parametrize("method", ["none", "full"])
def test_it_is_prepared_for_and_trained(plugins: Plugins, tmp_path: Path, method: Any) -> None:
    config = PrepareConfig(
        source="synthetic",
        out=str(tmp_path / "clips"),
        backbone="wan-like",
        tracker="ground-truth",
        size=(96, 64),
        frames=9,
        options={"source": {"count": 4}},
        workers=1,
    )
    prepare(config, plugins=plugins)
    clips = ClipDataset(tmp_path / "clips")
    assert tuple(clips[0].latents.shape) == (3, 16, 8, 12)
    assert clips[0].frames == 9
    assert tuple(clips[0].encodings["text"].shape) == (16, 16)
    losses: list[float] = []
    folder = train(
        TrainConfig(
            data=str(tmp_path / "clips"),
            out=str(tmp_path / "run"),
            backbone="wan-like",
            controller="modulation",
            adaptation=Adaptation(method=method),
            optimizer=OptimizerConfig(learning_rate=1e-3),
            steps=10,
            batch=2,
            device="cpu",
            events=(),
        ),
        plugins=plugins,
        on_step=lambda step, steps, values: losses.append(values["loss"]),
    )
    assert len(losses) == 10
    assert all(np.isfinite(losses))
    weights = {"weights": str(folder / "weights")} if method == "full" else {}
    with opened(plugins, controller=str(folder / "controller"), **weights) as session:
        trained = session.animate(photo(), MOTION).frames
    with opened(plugins) as session:
        assert not np.array_equal(trained, session.animate(photo(), MOTION).frames)
