"""Session, animate and rerun, on the toy backbone: everything but the picture."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import kinema
from kinema.checkpoints import ControllerRecord
from kinema.errors import Cancelled, InputError, MotionError, WeightsError
from kinema.hooks import hookimpl
from kinema.interfaces import DepthMap
from kinema.media.manifest import Manifest
from kinema.offers import BackboneOffer
from kinema.plugins import Plugins
from kinema.session.replay import differences
from kinema.testing import toy_plugin

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])
FEW = {"steps": 3}


@pytest.fixture
def plugins(kinema_plugins: Plugins) -> Plugins:
    kinema_plugins.register(toy_plugin, "toys", "kinema", "0.1.0")
    return kinema_plugins


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)


@pytest.fixture
def photo_file(photo: NDArray[np.uint8], tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


def toy_video(photo: Any, motion: kinema.Motion = MOTION, **more: Any) -> kinema.Video:
    more.setdefault("sample", FEW)
    return kinema.animate(photo, motion, backbone="toy", **more)


def manifest_of(video: kinema.Video) -> Manifest:
    assert video.manifest is not None
    return video.manifest


def test_a_video_has_the_motions_frames_and_rate(plugins: Plugins, photo: Any) -> None:
    video = toy_video(photo)
    assert video.frames.shape == (16, 64, 96, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == 8.0


def test_the_callers_frames_fps_and_size_win(plugins: Plugins, photo: Any) -> None:
    video = toy_video(photo, frames=5, fps=12, size="48x32")
    assert video.frames.shape == (5, 32, 48, 3)
    assert video.fps == 12.0


@pytest.mark.parametrize("kind", ["path", "pil", "tensor"])
def test_a_photo_may_come_in_any_form(
    plugins: Plugins, photo: NDArray[np.uint8], photo_file: Path, kind: str
) -> None:
    forms = {
        "path": photo_file,
        "pil": Image.fromarray(photo),
        "tensor": torch.from_numpy(photo).permute(2, 0, 1),
    }
    assert np.array_equal(toy_video(forms[kind]).frames, toy_video(photo).frames)


def test_the_seed_decides(plugins: Plugins, photo: Any) -> None:
    first, again, other = (toy_video(photo, seed=seed).frames for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("controller", ["toy-latent", "toy-noise"])
def test_a_controller_acts_at_its_site(plugins: Plugins, photo: Any, controller: str) -> None:
    plain = toy_video(photo).frames
    assert not np.array_equal(plain, toy_video(photo, controller=controller).frames)


class Companions:
    """The toy backbone with a controller that comes along."""

    @hookimpl
    def kinema_backbones(self) -> Iterator[BackboneOffer]:
        [toy] = toy_plugin.kinema_backbones()
        yield attrs.evolve(toy, name="toy-with-controller", controller="toy-latent")


def test_a_backbones_own_controller_is_taken_unless_another_is_named(
    plugins: Plugins, photo: Any
) -> None:
    plugins.register(Companions(), "companions", "kinema", "0.1.0")

    def named(controller: str | None) -> str:
        with kinema.Session("toy-with-controller", controller=controller) as session:
            return session.controller_name

    assert named(None) == "toy-latent"
    assert named("toy-noise") == "toy-noise"
    assert named("") == ""
    free = kinema.animate(photo, MOTION, backbone="toy-with-controller", controller="", sample=FEW)
    assert np.array_equal(free.frames, toy_video(photo).frames)
    # What was recorded without a controller is repeated without one.
    again = kinema.rerun(manifest_of(free), photo=photo)
    assert np.array_equal(again.frames, free.frames)


def test_the_latent_controller_moves_the_picture_by_the_drag(plugins: Plugins, photo: Any) -> None:
    frames = toy_video(photo, controller="toy-latent")
    plain = toy_video(photo).frames.astype(int)
    moved = np.roll(plain, 24, axis=2)
    there = np.abs(frames.frames[-1].astype(int) - moved[-1]).mean()
    stayed = np.abs(frames.frames[-1].astype(int) - plain[-1]).mean()
    assert there < 0.5 * stayed


def test_a_feature_controller_acts_once_trained(plugins: Plugins, photo: Any) -> None:
    plain = toy_video(photo).frames
    with kinema.Session("toy", controller="toy-feature", sample=FEW) as session:
        assert np.array_equal(session.animate(photo, MOTION).frames, plain)
        controller: Any = session.controller
        for weight in controller.parameters():
            torch.nn.init.ones_(weight)
        assert not np.array_equal(session.animate(photo, MOTION).frames, plain)


def test_motion_guidance_turns_the_motion_up(plugins: Plugins, photo: Any) -> None:
    calm = toy_video(photo, controller="toy-latent")
    strong = toy_video(photo, controller="toy-latent", sample={**FEW, "motion_guidance": 2.0})
    assert not np.array_equal(calm.frames, strong.frames)


def test_closing_a_session_detaches_the_controller(plugins: Plugins, photo: Any) -> None:
    session = kinema.Session("toy", controller="toy-feature", sample=FEW)
    network = session.backbone.network  # type: ignore[attr-defined]
    assert len(network.features._forward_hooks) == 1
    session.close()
    assert len(network.features._forward_hooks) == 0


def test_progress_and_cancellation(plugins: Plugins, photo: Any) -> None:
    seen: list[tuple[int, int]] = []
    toy_video(photo, on_progress=lambda step, steps: seen.append((step, steps)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled, match="after 2 of 3 steps"):
        toy_video(
            photo,
            on_progress=lambda step, steps: seen.append((step, steps)),
            cancel=lambda: len(seen) == 5,
        )


def observer(seen: list[Any]) -> SimpleNamespace:
    def kinema_run_started(run: Any) -> None:
        seen.append(("started", run.frames, run.size))

    def kinema_step_finished(step: int, latents: Any) -> None:
        seen.append((step, tuple(latents.shape)))

    def kinema_sample_finished(video: Any) -> None:
        seen.append(("finished", video.frames.shape))

    def kinema_run_failed(error: BaseException) -> None:
        seen.append(("failed", type(error).__name__))

    marked: list[Callable[..., None]] = [
        kinema_run_started,
        kinema_step_finished,
        kinema_sample_finished,
        kinema_run_failed,
    ]
    return SimpleNamespace(**{hook.__name__: kinema.hookimpl(hook) for hook in marked})


def test_enabled_observers_see_the_run(plugins: Plugins, photo: Any) -> None:
    seen: list[Any] = []
    plugins.register(observer(seen), "watcher")
    toy_video(photo, frames=2)
    assert seen == []
    toy_video(photo, frames=2, events=["watcher"])
    assert seen == [
        ("started", 2, (96, 64)),
        (1, (1, 2, 3, 8, 12)),
        (2, (1, 2, 3, 8, 12)),
        (3, (1, 2, 3, 8, 12)),
        ("finished", (2, 64, 96, 3)),
    ]


def test_observers_see_a_failure(plugins: Plugins, photo: Any) -> None:
    seen: list[Any] = []
    plugins.register(observer(seen), "watcher")
    with pytest.raises(Cancelled):
        toy_video(photo, events=["watcher"], cancel=lambda: True)
    assert seen[-1] == ("failed", "Cancelled")


def test_a_failing_observer_does_not_take_the_run_down(plugins: Plugins, photo: Any) -> None:
    def kinema_step_finished(step: int) -> None:
        raise OSError("disk full")

    plugins.register(
        SimpleNamespace(kinema_step_finished=kinema.hookimpl(kinema_step_finished)), "logger"
    )
    message = r"The plugin 'logger' failed in kinema_step_finished: OSError: disk full"
    with pytest.warns(RuntimeWarning, match=message):
        assert toy_video(photo, events=["logger"]).frames.shape[0] == 16


def test_the_manifest_says_how_the_video_was_made(plugins: Plugins, photo_file: Path) -> None:
    video = toy_video(photo_file, seed=4, controller="toy-noise")
    record = manifest_of(video)
    assert record.offers["backbone"] == [
        {
            "name": "toy",
            "distribution": "kinema",
            "version": "0.1.0",
            "config": {"device": "cpu", "seed": 0},
        }
    ]
    assert [item["name"] for item in record.offers["control condition"]] == ["toy-shift"]
    assert (record.seed, record.frames, record.fps, record.size) == (4, 16, 8.0, (96, 64))
    assert record.photo["path"] == str(photo_file)
    assert record.choices == {"device": "cpu", "dtype": "float32"}
    assert kinema.Motion.from_dict(dict(record.motion)) == MOTION
    assert record.sample["steps"] == 3
    assert record.environment["torch"] == torch.__version__.split("+")[0]


def test_a_rerun_gives_equal_frames(plugins: Plugins, photo_file: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (96, 64), 255).save(mask)
    motion = attrs.evolve(MOTION, regions=[mask])
    video = toy_video(photo_file, motion, seed=9, controller="toy-latent", frames=6)
    path = manifest_of(video).save(tmp_path / "video.manifest.json")
    mask.unlink()
    again = kinema.rerun(path)
    assert np.array_equal(video.frames, again.frames)
    assert differences(manifest_of(video), manifest_of(again)) == []


def test_a_rerun_refuses_another_photo(
    plugins: Plugins, photo_file: Path, tmp_path: Path, photo: Any
) -> None:
    path = manifest_of(toy_video(photo_file)).save(tmp_path / "m.json")
    Image.fromarray(255 - photo).save(photo_file)
    with pytest.raises(InputError, match=r"is not the one of the manifest: its sha256 is"):
        kinema.rerun(path)
    photo_file.unlink()
    with pytest.raises(InputError, match=r"is not there; pass the photo along\."):
        kinema.rerun(path)


def test_a_rerun_from_memory_needs_the_photo(plugins: Plugins, photo: Any, tmp_path: Path) -> None:
    video = toy_video(photo)
    path = manifest_of(video).save(tmp_path / "m.json")
    with pytest.raises(InputError, match=r"photo \(it came from memory\) is not there"):
        kinema.rerun(path)
    assert np.array_equal(kinema.rerun(path, photo=photo).frames, video.frames)


def test_differences_are_named(plugins: Plugins, photo: Any) -> None:
    record = manifest_of(toy_video(photo))
    other = attrs.evolve(
        record, frames_sha256="0", environment={**record.environment, "torch": "9.9"}
    )
    assert differences(record, other) == [
        "the frames differ",
        f"torch: {record.environment['torch']} then, 9.9 now",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("frames", "16"), ("fps", None), ("seed", True), ("motion", []), ("photo", 7), ("sample", "")],
)
def test_a_manifest_with_a_wrong_entry_is_refused(
    plugins: Plugins, photo: Any, tmp_path: Path, name: str, value: Any
) -> None:
    path = tmp_path / "m.json"
    document = json.loads(manifest_of(toy_video(photo)).to_json())
    path.write_text(json.dumps({**document, name: value}))
    with pytest.raises(InputError, match=f"A manifest's {name} cannot be {re.escape(repr(value))}"):
        kinema.rerun(path)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"format": "kinema.manifest/9"}', "not json", '{"format": 3, "x": 1}']
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"is not a manifest of the form 'kinema\.manifest/2'"):
        Manifest.load(path)


def test_an_absent_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Manifest.load(tmp_path / "none.json")


def depth_plugin(seen: list[Any]) -> SimpleNamespace:
    class Wall:
        def estimate(self, image: Any, fit: Any) -> DepthMap:
            seen.append(tuple(image.shape))
            return DepthMap(depth=torch.ones(image.shape[1:]), metric=False, source="wall")

    def kinema_depth_estimators() -> Iterator[Any]:
        yield kinema.offers.DepthEstimatorOffer(
            name="wall", summary="A wall.", factory=lambda config: Wall()
        )

    return SimpleNamespace(kinema_depth_estimators=kinema.hookimpl(kinema_depth_estimators))


def test_depth_is_estimated_only_when_a_condition_asks(plugins: Plugins, photo: Any) -> None:
    seen: list[Any] = []
    plugins.register(depth_plugin(seen), "wall")
    toy_video(photo, depth="wall")
    assert seen == []
    scene_depths: list[DepthMap] = []

    class Asking:
        channels = ("dx", "dy")

        def from_motion(self, motion: Any, scene: Any) -> Any:
            scene_depths.extend([scene.depth(), scene.depth()])
            maps = torch.ones(scene.frames, 2, 64, 96)
            return kinema.MotionSignal(maps=maps, channels=self.channels, notes=("a wall",))

        def from_observation(self, observation: Any, generator: Any) -> Any:
            raise AssertionError

    def kinema_conditions() -> Iterator[Any]:
        yield kinema.offers.ConditionOffer(
            name="asking", summary="Asks.", factory=lambda config: Asking()
        )

    plugins.register(SimpleNamespace(kinema_conditions=kinema.hookimpl(kinema_conditions)), "ask")
    video = toy_video(photo, depth="wall", controller="toy-noise", conditions=["asking"])
    assert seen == [(3, 64, 96)]
    assert scene_depths[0] is scene_depths[1]
    assert manifest_of(video).notes == ("a wall",)
    assert manifest_of(video).offers["depth estimator"][0]["name"] == "wall"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "toi"}, r"Unknown backbone 'toi'\. Did you mean 'toy'\?"),
        ({"controller": "nope"}, r"Unknown controller 'nope'\."),
        ({"dtype": "float16"}, r"The backbone 'toy' has no dtype to choose, got 'float16'\."),
        ({"weights": "here"}, r"The backbone 'toy' has no weights to choose, got 'here'\."),
        ({"device": "abacus"}, r"The device 'abacus' cannot be used here: "),
        ({"options": {"sed": 1}}, r"has no option 'sed'\. Did you mean 'seed'\?"),
        ({"events": ["nobody"]}, r"Unknown plugin 'nobody'\."),
        ({"conditions": ["toy-shift"]}, r"The conditions toy-shift are named, but no controller"),
        ({"sample": {"steps": -1}}, r"steps must be at least 1 and at most 10000, got -1\."),
        ({"depth": "wal"}, r"Unknown depth estimator 'wal'\."),
        ({"depth": "gone.npy"}, r"The depth file 'gone\.npy' does not exist\."),
    ],
)
def test_bad_session_options_are_named(
    plugins: Plugins, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kinema.Session(**{"backbone": "toy", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"size": (100, 64)},
            r"^The backbone 'toy' cannot make 16 frames of 100x64 pixels\. The nearest that it "
            r"makes is size=\(96, 64\)\.$",
        ),
        ({"size": "big"}, r"The size must be \(width, height\) or 'WxH', got 'big'\."),
        ({"frames": 1}, r"^frames must be at least 2, got 1\.$"),
        ({"fps": 0}, r"^fps must be a positive number, got 0\.$"),
        ({"fps": float("inf")}, r"^fps must be a positive number, got inf\.$"),
        (
            {"seed": 2**64},
            r"A seed must be a whole number from -\d+ to \d+, got 18446744073709551616",
        ),
        ({"seed": 1.5}, r"A seed must be a whole number from .* got 1\.5\."),
        (
            {"size": "99999x99999"},
            r"The size must have at most 268435456 pixels, got '99999x99999'",
        ),
    ],
)
def test_bad_video_options_are_named(
    plugins: Plugins, photo: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        toy_video(photo, **options)


def test_a_drag_in_the_cropped_part_is_refused(plugins: Plugins, photo: Any) -> None:
    motion = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(2, 30), (20, 30)])])
    with pytest.raises(MotionError, match=r"A drag starts at \(-14, 30\), outside the canvas"):
        toy_video(photo, motion, size=(64, 64))


def test_a_controller_folder_is_loaded_by_its_record(plugins: Plugins, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is no controller folder: controller\.json cannot"):
        kinema.Session("toy", controller=tmp_path)
    (tmp_path / "controller.json").write_text("{}")
    with pytest.raises(InputError, match=r"is not of the form 'kinema\.controller/1'"):
        kinema.Session("toy", controller=tmp_path)


@attrs.frozen(kw_only=True)
class Options:
    weights: str = ""
    strength: float = 1.0


def trained_plugin(seen: list[Any]) -> SimpleNamespace:
    class Trained:
        def __init__(self, config: Options) -> None:
            seen.append(config)

        def actions(self, signal: Any, sites: Any, scenes: Any) -> dict[str, Any]:
            return {}

    def kinema_controllers() -> Iterator[Any]:
        yield kinema.offers.ControllerOffer(
            name="trained",
            summary="From a folder.",
            config=Options,
            factory=Trained,
            conditions=("motion-mask",),
        )

    return SimpleNamespace(kinema_controllers=kinema.hookimpl(kinema_controllers))


def test_a_controller_folder_decides_conditions_and_licence(
    plugins: Plugins, tmp_path: Path, photo: Any
) -> None:
    seen: list[Any] = []
    plugins.register(trained_plugin(seen), "trained")
    record = ControllerRecord(
        controller="trained",
        config={"strength": 2.0},
        conditions={"toy-shift": {}},
        licence="CC0-1.0",
    )
    record.write(tmp_path)
    video = toy_video(photo, controller=tmp_path)
    assert seen == [Options(weights=str(tmp_path), strength=2.0)]
    assert manifest_of(video).licences == (f"{tmp_path.name}: CC0-1.0",)
    assert str(tmp_path / "controller.json") in manifest_of(video).files
    assert json.loads(manifest_of(video).to_json())["seed"] == 0


def test_a_rerun_keeps_the_controllers_options(
    plugins: Plugins, tmp_path: Path, photo: Any
) -> None:
    seen: list[Any] = []
    plugins.register(trained_plugin(seen), "trained")
    ControllerRecord(controller="trained", conditions={"toy-shift": {}}).write(tmp_path)
    video = toy_video(photo, controller=tmp_path, controller_options={"strength": 3.0})
    kinema.rerun(manifest_of(video), photo=photo, plugins=plugins)
    assert [options.strength for options in seen] == [3.0, 3.0]


def test_a_rerun_refuses_weights_that_changed(plugins: Plugins, tmp_path: Path, photo: Any) -> None:
    plugins.register(trained_plugin([]), "trained")
    ControllerRecord(controller="trained", conditions={"toy-shift": {}}).write(tmp_path)
    adapter = tmp_path / "lora" / "adapter.safetensors"
    adapter.parent.mkdir()
    adapter.write_bytes(b"one")
    video = toy_video(photo, controller=tmp_path)
    adapter.write_bytes(b"two")
    with pytest.raises(InputError, match=r"lora/adapter\.safetensors' has changed since"):
        kinema.rerun(manifest_of(video), photo=photo, plugins=plugins)
