"""The adapters to trackers that the user installs: what they pass on, and what they refuse."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema import PluginError, WeightsError
from kinema.interfaces import Tracker
from kinema.plugins import Plugins
from kinema.testing import TrackerContract
from kinema_conditions.tracker_configs import DOT_WEIGHTS, CoTracker3Config, DotConfig
from kinema_conditions.trackers.cotracker3 import CoTracker3
from kinema_conditions.trackers.dot import Dot

#: What the stand-ins' checkpoints hold: pixels per frame.
VELOCITY = {"velocity": torch.tensor([2.0, 0.0])}

FRAMES = torch.zeros(5, 30, 41, 3, dtype=torch.uint8)


class Launcher:
    """A pickle that would run code when loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a checkpoint ran code')",)


class Mover(torch.nn.Module):
    """A network whose one weight is how fast everything moves."""

    def __init__(self) -> None:
        super().__init__()
        self.velocity = torch.nn.Parameter(torch.zeros(2))

    def move(self, points: Tensor, start: Tensor, video: Tensor) -> tuple[Tensor, Tensor]:
        """Points (..., 2) of frames ``start`` (...) in every frame, first, and what is inside."""
        frames = torch.arange(float(video.shape[1])).reshape(-1, *[1] * start.ndim)
        tracks = points + self.velocity * (frames - start)[..., None]
        far = torch.tensor([video.shape[-1] - 1.0, video.shape[-2] - 1.0])
        return tracks, ((tracks >= 0) & (tracks <= far)).all(-1)


@pytest.fixture
def fake_cotracker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for ``cotracker.predictor`` with its published signature."""
    module: Any = ModuleType("cotracker.predictor")
    module.calls = []

    class CoTrackerPredictor(torch.nn.Module):
        def __init__(
            self, checkpoint: Any = "x", offline: Any = 1, v2: Any = 0, window_len: Any = 60
        ) -> None:
            super().__init__()
            module.calls.append(
                {"checkpoint": checkpoint, "offline": offline, "v2": v2, "window_len": window_len}
            )
            self.model = Mover()

        def forward(
            self,
            video: Tensor,
            queries: Tensor,
            segm_mask: Tensor | None = None,
            grid_size: int = 0,
            grid_query_frame: int = 0,
            backward_tracking: bool = False,
        ) -> tuple[Tensor, Tensor]:
            module.calls.append(
                {"video": video, "queries": queries, "backward_tracking": backward_tracking}
            )
            tracks, inside = self.model.move(queries[0, :, 1:], queries[0, :, 0], video)
            return tracks[None], inside[None]

    module.CoTrackerPredictor = CoTrackerPredictor
    monkeypatch.setitem(sys.modules, "cotracker", ModuleType("cotracker"))
    monkeypatch.setitem(sys.modules, "cotracker.predictor", module)
    return module


@pytest.fixture
def cotracker3_weights(tmp_path: Path) -> str:
    """A checkpoint for the stand-in."""
    torch.save(VELOCITY, tmp_path / "scaled_offline.pth")
    return str(tmp_path / "scaled_offline.pth")


@pytest.fixture
def fake_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A stand-in for a clone of DOT, with the names and forms of its own code."""
    module: Any = ModuleType("dot.models")
    module.calls, module.drawn = [], []
    clone = tmp_path / "clone"
    module.__file__ = str(clone / "dot" / "models" / "__init__.py")
    (clone / "configs").mkdir(parents=True)
    for name in ("cotracker2_patch_4_wind_8", "raft_patch_8", "raft_patch_4_alpha"):
        (clone / "configs" / f"{name}.json").write_text("{}", encoding="utf-8")

    class DenseOpticalTracker(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.point_tracker = torch.nn.Module()
            self.point_tracker.model = Mover()
            self.point_tracker.optical_flow_estimator = torch.nn.Module()
            self.point_tracker.optical_flow_estimator.model = Mover()
            self.optical_flow_refiner = torch.nn.Module()
            self.optical_flow_refiner.model = Mover()

        def forward(self, data: dict[str, Tensor], mode: str, **options: Any) -> dict[str, Tensor]:
            module.calls.append({"mode": mode, **data, **options})
            module.drawn.append((float(torch.rand(1)), float(np.random.rand())))
            video = data["video"]
            if mode == "tracks_for_queries":
                queries = data["query_points"][0]
                places, start = queries[:, [2, 1]], queries[:, 0]
            else:
                y, x = torch.meshgrid(*map(torch.arange, video.shape[-2:]), indexing="ij")
                places, start = torch.stack([x, y], dim=-1).float(), torch.zeros(x.shape)
            # All three parts must have been loaded for the motion to come out right.
            tracker: Any = self.point_tracker
            parts: Any = (tracker.optical_flow_estimator, self.optical_flow_refiner)
            assert all(torch.equal(part.model.velocity, VELOCITY["velocity"]) for part in parts)
            tracks, inside = tracker.model.move(places, start, video)
            return {"tracks": torch.cat([tracks, inside[..., None].float()], dim=-1)[None]}

    def create_model(args: Any) -> DenseOpticalTracker:
        module.calls.append(args)
        return DenseOpticalTracker()

    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "dot", ModuleType("dot"))
    monkeypatch.setitem(sys.modules, "dot.models", module)
    return module


@pytest.fixture
def dot_weights(tmp_path: Path) -> str:
    """A folder of checkpoints for the stand-in."""
    for record in DOT_WEIGHTS:
        torch.save({"model": VELOCITY}, tmp_path / record.path)
    return str(tmp_path)


class TestCoTracker3(TrackerContract):
    @pytest.fixture(autouse=True)
    def _installed(self, fake_cotracker: Any, cotracker3_weights: str) -> None:
        self.options = {"path": cotracker3_weights, "batch": 700}

    def make(self) -> Tracker:
        built: Tracker = Plugins.installed().build("tracker", "cotracker3", self.options)
        return built


class TestDot(TrackerContract):
    @pytest.fixture(autouse=True)
    def _installed(self, fake_dot: Any, dot_weights: str) -> None:
        self.options = {"path": dot_weights}

    def make(self) -> Tracker:
        built: Tracker = Plugins.installed().build("tracker", "dot", self.options)
        return built


def test_cotracker3_passes_on_frames_and_queries(
    fake_cotracker: Any, cotracker3_weights: str
) -> None:
    tracker = CoTracker3(CoTracker3Config(path=cotracker3_weights, window=24))
    points = torch.tensor([[4.0, 5.0], [20.0, 9.5]])
    tracks, visible = tracker.track(FRAMES + 200, points, frame=3)
    calls = fake_cotracker.calls
    assert calls[0] == {"checkpoint": None, "offline": True, "v2": False, "window_len": 24}
    assert calls[1]["video"].shape == (1, 5, 3, 30, 41)
    assert float(calls[1]["video"].max()) == 200.0
    assert calls[1]["queries"].tolist() == [[[3.0, 4.0, 5.0], [3.0, 20.0, 9.5]]]
    assert calls[1]["backward_tracking"] is True
    assert torch.equal(tracks[3], points)
    assert torch.equal(tracks[4] - tracks[3], torch.tensor([[2.0, 0.0], [2.0, 0.0]]))
    assert visible.dtype == torch.bool


@pytest.mark.parametrize("stride", [1, 4, 7])
def test_cotracker3_fills_in_between_the_pixels_it_follows(
    stride: int, fake_cotracker: Any, cotracker3_weights: str
) -> None:
    tracker = CoTracker3(CoTracker3Config(path=cotracker3_weights, stride=stride, batch=50))
    seen = tracker.observe(FRAMES)
    moved = torch.arange(5.0)[:, None, None] * 2
    assert torch.allclose(seen.displacement[..., 0], moved.expand(5, 30, 41), atol=1e-4)
    assert float(seen.displacement[..., 1].abs().max()) < 1e-4
    # The stand-in says that what leaves at the right is not visible.
    assert not bool(seen.visible[4, :, -3:].any())
    assert bool(seen.visible[4, :, :29].all())
    assert all(call["queries"].shape[1] <= 50 for call in fake_cotracker.calls[1:])


def test_cotracker3_without_points_asks_nothing(
    fake_cotracker: Any, cotracker3_weights: str
) -> None:
    tracker = CoTracker3(CoTracker3Config(path=cotracker3_weights))
    tracks, visible = tracker.track(FRAMES, torch.zeros(0, 2))
    assert tracks.shape == (5, 0, 2)
    assert visible.shape == (5, 0)
    assert len(fake_cotracker.calls) == 1


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cotracker", None)
    monkeypatch.setitem(sys.modules, "dot", None)
    with pytest.raises(
        PluginError,
        match=r"cotracker3 runs on the package 'cotracker' of facebookresearch/co-tracker "
        r"\(licence CC-BY-NC-4\.0\), which you install yourself \(.*cotracker.*\)",
    ):
        CoTracker3(CoTracker3Config())
    with pytest.raises(
        PluginError,
        match=r"dot runs on a clone of 16lemoing/dot \(licence MIT, its point tracker "
        r"CC-BY-NC-4\.0\) on your Python path",
    ):
        Dot(DotConfig())


def test_another_version_of_cotracker_is_named(
    fake_cotracker: Any, monkeypatch: pytest.MonkeyPatch, cotracker3_weights: str
) -> None:
    monkeypatch.setattr(fake_cotracker, "CoTrackerPredictor", lambda checkpoint, window_len: None)
    with pytest.raises(PluginError, match=r"package 'cotracker' is not version 3 \(.*offline"):
        CoTracker3(CoTracker3Config(path=cotracker3_weights))
    monkeypatch.delattr(fake_cotracker, "CoTrackerPredictor")
    with pytest.raises(PluginError, match="which you install yourself"):
        CoTracker3(CoTracker3Config(path=cotracker3_weights))


@pytest.mark.parametrize(
    ("path", "where"), [("", "its option 'path' is not set"), ("nowhere.pth", "'nowhere.pth' does")]
)
def test_absent_cotracker3_weights_are_named(path: str, where: str, fake_cotracker: Any) -> None:
    with pytest.raises(
        WeightsError,
        match=rf"cotracker3 needs weights that are not on this machine: {where}.* It needs "
        r"scaled_offline\.pth \(102 MB, licence CC-BY-NC-4\.0\) from facebook/cotracker3; fetch "
        r"them yourself and name the file with the option 'path'\. Nothing is downloaded without",
    ):
        Plugins.installed().build("tracker", "cotracker3", {"path": path})


def test_absent_dot_weights_are_named(fake_dot: Any, tmp_path: Path) -> None:
    (tmp_path / "cvo_raft_patch_8.pth").write_bytes(b"")
    with pytest.raises(
        WeightsError,
        match=rf"'{re.escape(str(tmp_path))}' does not hold them\. It needs "
        r"movi_f_cotracker2_patch_4_wind_8\.pth \(licence CC-BY-NC-4\.0\), cvo_raft_patch_8\.pth "
        r"\(licence MIT\), movi_f_raft_patch_4_alpha\.pth \(licence MIT\) from 16lemoing/dot; .* "
        "name their folder",
    ):
        Plugins.installed().build("tracker", "dot", {"path": str(tmp_path)})


def test_a_checkpoint_that_holds_code_is_refused(fake_cotracker: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"model": Launcher()}, path)
    with pytest.raises(WeightsError, match=r"cotracker3 weights '.*weights\.pth' cannot be loaded"):
        CoTracker3(CoTracker3Config(path=str(path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no checkpoint", "cannot be loaded"),
        (b"", "cannot be loaded"),
        ([torch.zeros(2)], "are no mapping of names to tensors, but list"),
        ({"step": 3}, "are no mapping of names to tensors, but dict"),
        (
            {"velocity": torch.zeros(3)},
            r"are of another network: 1 of 1 tensors are missing .*, the first is 'velocity'",
        ),
        ({"weight": torch.zeros(2)}, "are of another network: 1 of 1 tensors are missing"),
    ],
)
def test_weights_of_another_kind_are_refused(
    content: Any, message: str, fake_cotracker: Any, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=message):
        CoTracker3(CoTracker3Config(path=str(path)))


def test_dot_passes_on_a_clip_of_a_size_it_takes(fake_dot: Any, dot_weights: str) -> None:
    tracker = Dot(DotConfig(path=dot_weights, points=4096))
    seen = tracker.observe(FRAMES)
    args, call = fake_dot.calls[0], fake_dot.calls[1]
    assert (args.model, args.width, args.height) == ("dot", 48, 32)
    assert args.tracker_path is args.estimator_path is args.refiner_path is None
    assert Path(args.tracker_config).name == "cotracker2_patch_4_wind_8.json"
    assert call["video"].shape == (1, 5, 3, 32, 48)
    assert call["mode"] == "tracks_from_first_to_every_other_frame"
    assert call["num_tracks"] == 4096
    # It moves everything by 2 px a frame of its own, larger frames.
    assert seen.displacement.shape == (5, 30, 41, 2)
    expected = 2 * torch.arange(5.0)[:, None, None] * 40 / 47
    assert torch.allclose(seen.displacement[..., 0], expected.expand(5, 30, 41), atol=1e-3)
    assert not bool(seen.visible[4, :, -4:].any())
    assert bool(seen.visible[0].all())


def test_dot_asks_for_points_by_time_y_and_x(fake_dot: Any, dot_weights: str) -> None:
    frames = torch.zeros(5, 32, 48, 3, dtype=torch.uint8)
    points = torch.tensor([[4.0, 5.0], [20.0, 9.5]])
    tracks, visible = Dot(DotConfig(path=dot_weights)).track(frames, points, frame=1)
    assert fake_dot.calls[1]["query_points"].tolist() == [[[1.0, 5.0, 4.0], [1.0, 9.5, 20.0]]]
    assert torch.equal(tracks[1], points)
    assert torch.allclose(tracks[3] - points, torch.tensor([[4.0, 0.0], [4.0, 0.0]]), atol=1e-3)
    assert bool(visible.all())


def test_dot_leaves_the_global_generators_alone(fake_dot: Any, dot_weights: str) -> None:
    torch_state, state = torch.random.get_rng_state(), repr(np.random.get_state(legacy=False))
    tracker = Dot(DotConfig(path=dot_weights, seed=3))
    tracker.observe(FRAMES)
    first = fake_dot.drawn[:]
    assert torch.equal(torch_state, torch.random.get_rng_state())
    assert state == repr(np.random.get_state(legacy=False))
    tracker.observe(FRAMES)
    assert fake_dot.drawn == first * 2
    assert sum(isinstance(call, dict) for call in fake_dot.calls) == 2
    assert len(fake_dot.calls) == 3


def test_a_clone_of_dot_without_its_configs_is_named(
    fake_dot: Any, dot_weights: str, tmp_path: Path
) -> None:
    fake_dot.__file__ = str(tmp_path / "elsewhere" / "dot" / "models" / "__init__.py")
    with pytest.raises(PluginError, match=r"dot was found at '.*elsewhere', but not its file '.*"):
        Dot(DotConfig(path=dot_weights))
