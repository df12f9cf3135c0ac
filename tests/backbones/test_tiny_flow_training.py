"""What trains tiny-flow: its clips are true, and a batch is told what kinema's own parts tell."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from kinema.interfaces import Scene
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.signals import MotionSignal
from kinema_backbones.control.latent_config import LatentSplatConfig
from kinema_backbones.control.latent_copy import LatentCopy
from kinema_backbones.control.latent_splat import LatentSplat
from kinema_backbones.tiny_flow.backbone import TinyFlowBackbone
from kinema_backbones.tiny_flow.config import TinyFlowConfig

TOOLS = Path(__file__).parents[2] / "tools"

pytestmark = pytest.mark.all_packages


@pytest.fixture(scope="module")
def tools() -> Any:
    sys.path.insert(0, str(TOOLS))
    try:
        import tiny_flow_clips
        import tiny_flow_signals
        import train_tiny_flow
    finally:
        sys.path.remove(str(TOOLS))
    return tiny_flow_clips, tiny_flow_signals, train_tiny_flow


@pytest.fixture(scope="module")
def bank(tools: Any) -> Any:
    clips, _, _ = tools
    return clips.draw_bank(backgrounds=4, surfaces=6)


@pytest.fixture
def drawn(tools: Any, bank: Any) -> Any:
    clips, signals, _ = tools
    draw = clips.Renderer(bank, 3)
    made = draw.clips(12)
    drags = signals.draw_drags(made, draw)
    return draw, made, drags


def test_what_is_seen_goes_where_the_moves_say(drawn: Any) -> None:
    _, made, _ = drawn
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    for frame in (3, 7):
        goes = torch.stack([x, y]) + made.moves[:, frame]
        grid = ((goes + 0.5) / 32 - 1).permute(0, 2, 3, 1)
        there = F.grid_sample(made.frames[:, frame], grid, align_corners=False)
        error = (there - made.frames[:, 0]).abs().mean(1)
        resting = (made.frames[:, frame] - made.frames[:, 0]).abs().mean(1)
        moved = made.visible[:, frame] & (made.moves[:, frame].norm(dim=1) > 3)
        assert int(moved.sum()) > 1000
        assert float(error[moved].median()) < 0.01 < float(resting[moved].median())


def test_a_clip_starts_at_rest(drawn: Any) -> None:
    _, made, _ = drawn
    assert float(made.moves[:, 0].abs().max()) < 1e-4
    assert made.frames.shape == (12, 8, 3, 64, 64)


def motions(made: Any, drags: Any) -> list[Motion]:
    found = []
    for video in range(len(made.moves)):
        shown = drags.visible[video, 0]
        paths = [drags.places[video, :, n].tolist() for n in range(2) if bool(shown[n])]
        regions = [Region.from_array(made.moving[video].numpy())]
        found.append(
            Motion(
                canvas=(64, 64),
                drags=[Drag([(x, y) for x, y in path]) for path in paths],
                regions=regions,
            )
        )
    return found


def test_maps_are_those_of_the_conditions(
    tools: Any, drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema_conditions.configs import MotionMaskConfig, RegionTrajectoryConfig
    from kinema_conditions.motion_mask import MotionMask
    from kinema_conditions.region_trajectory import RegionTrajectory

    _, signals, _ = tools
    draw, made, drags = drawn
    assert bool(drags.visible[:, 0, 1].any())
    monkeypatch.setattr(signals, "UNTOLD", 0.0)
    maps = signals.region_maps(made, drags, draw, regions=0.0)
    for video, motion in enumerate(motions(made, drags)):
        scene = Scene(frames=8)
        moves = RegionTrajectory(RegionTrajectoryConfig()).from_motion(motion, scene).dense()
        mask = MotionMask(MotionMaskConfig()).from_motion(motion, scene).dense()
        assert torch.allclose(maps[video, :, :2], moves, atol=1e-3)
        assert torch.equal(maps[video, :, 2:], mask)


def test_latents_are_those_of_the_controllers(tools: Any, drawn: Any) -> None:
    _, signals, _ = tools
    draw, made, drags = drawn
    points = signals.track_points(made, drags, draw)
    photo = torch.randn(12, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    empty = torch.zeros(12, 8, 16, 8, 8)
    empty[:, 0] = photo
    signal = MotionSignal(tracks=points.places, visible=points.visible)
    sites = TinyFlowBackbone.of(TinyFlowConfig(untrained=True, width=32, depth=1)).sites
    copies = LatentCopy().actions(signal, sites)["image-latent"](empty)
    assert torch.equal(signals.copied(photo, points), copies)
    splat = LatentSplat(LatentSplatConfig(temperature=signals.TEMPERATURE))
    acts = splat.actions(signal, sites)
    latents, mask = signals.splatted(photo, points)
    assert torch.allclose(latents, acts["image-latent"](empty), atol=1e-5)
    assert torch.allclose(mask[:, 1:], acts["image-mask"](torch.zeros_like(mask))[:, 1:], atol=1e-5)


def test_it_trains_stops_goes_on_and_is_unpacked(
    tools: Any, bank: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import attrs
    import safetensors.torch

    from kinema_backbones.control.checkpoint import load_controller
    from kinema_backbones.tiny_flow.backbone import load_network

    _, _, training = tools
    path = tmp_path / "bank.safetensors"
    safetensors.torch.save_file(attrs.asdict(bank), path)
    command = partial(
        _arguments, bank=path, batch=6, width=32, depth=2, log=1, measure=1, every=1, device="cpu"
    )
    training.main(command(out=tmp_path / "whole", steps=2))
    whole = safetensors.torch.load_file(tmp_path / "whole" / "seed-0.safetensors")

    assert not (tmp_path / "whole" / "state-0.pt").exists()

    class Cut(Exception):
        pass

    def cut(run: Any, rounds: int) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(training.Run, "measured", cut)
        with pytest.raises(Cut):
            training.main(command(out=tmp_path / "parts", steps=1))
    state = tmp_path / "parts" / "state-0.pt"
    kept = torch.load(state, weights_only=True)
    torch.save({**kept, "steps": 2}, state)
    training.main(command(out=tmp_path / "parts", steps=2))
    parts = safetensors.torch.load_file(tmp_path / "parts" / "seed-0.safetensors")
    assert whole.keys() == parts.keys()
    assert all(bool(tensor.isfinite().all()) for tensor in whole.values())

    training.main(["--unpack", str(tmp_path / "whole" / "seed-0.safetensors"),
                   "--out", str(tmp_path / "weights")])  # fmt: skip
    assert load_network(tmp_path / "weights").sizes.width == 32
    controller = load_controller(tmp_path / "weights" / "controller")
    assert controller.name == "modulation"


def _arguments(**options: Any) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]
