"""The weights of tiny-flow that come along: complete, small, and followed in every way it learned.

``benchmarks/tiny_flow_study.py`` measures many scenes, with intervals.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import kinema
from kinema.motion.observed import motion_of
from kinema_backbones.control.checkpoint import load_controller
from kinema_backbones.tiny_flow.backbone import SHIPPED, TinyFlowBackbone
from kinema_backbones.tiny_flow.config import TinyFlowConfig

#: As it was trained: spots about a patch wide, and one point for every patch.
WAYS: dict[str, dict[str, Any]] = {
    "modulation": {},
    "latent-splat": {
        "controller": "latent-splat",
        "controller_options": {"temperature": 16.0},
        "condition_options": {"point-tracks": {"step": 8}},
    },
    "latent-copy": {
        "controller": "latent-copy",
        "condition_options": {"point-tracks": {"step": 8}},
    },
    "none": {"controller": ""},
}


#: Shares of the distance without control. Copies tell of whole patches of 8 pixels alone.
CLOSER = {"modulation": 0.5, "latent-splat": 0.5, "latent-copy": 0.65}


def test_what_comes_along_is_small_and_says_how_it_was_made() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10 * 2**20
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    training = json.loads((SHIPPED / "controller" / "controller.json").read_text())["manifest"]
    made = training["training"]
    assert "tools/train_tiny_flow.py" in text
    assert f"Seed {made['seed']} " in text
    assert f"{made['steps']:,} steps of {made['batch']} clips" in text
    for error in made["errors"].values():
        assert f"{error:.2f}" in text


def test_the_controller_fits_the_sites_of_the_network() -> None:
    backbone = TinyFlowBackbone.of(TinyFlowConfig())
    controller: Any = load_controller(SHIPPED / "controller", "tiny-flow-modulation")
    backbone.attach(controller)()
    told = {(site.name, site.channels, site.stride) for site in controller.config.sites}
    mine = {(s.name, s.channels, s.stride) for s in backbone.sites if s.kind == "feature"}
    assert told == mine


@pytest.mark.slow
@pytest.mark.all_packages
def test_drags_are_followed() -> None:
    """Three unseen scenes."""
    from kinema.plugins import Plugins
    from kinema_conditions.synthetic import SyntheticConfig, generate

    config = SyntheticConfig(
        least_objects=1, most_objects=1, kinds=("sliding",), travel=0.25, camera_share=0.0,
        blur=0.03,
    )  # fmt: skip
    metric: Any = Plugins.installed().build("metric", "trajectory-distance", {})
    scenes = []
    for index in range(3):
        clip = generate(41, index, (64, 64), 8, config)
        motion = motion_of(clip.observation, torch.Generator().manual_seed(0), drags=1)
        scenes.append((clip.frames[0], motion))

    def mean(clips: list[torch.Tensor]) -> float:
        found = [metric.measure(c, m) for c, (_, m) in zip(clips, scenes, strict=True)]
        return float(sum(each["trajectory-distance"] for each in found) / len(found))

    still = mean([photo.expand(8, -1, -1, -1).contiguous() for photo, _ in scenes])
    distances = {}
    for way, told in WAYS.items():
        with kinema.Session("tiny-flow", device="cpu", **told) as session:
            videos = [session.animate(p.numpy(), m, frames=8).frames for p, m in scenes]
        distances[way] = mean([torch.from_numpy(frames.copy()) for frames in videos])
    free = distances.pop("none")
    for way, distance in distances.items():
        assert distance < CLOSER[way] * min(still, free), way


@pytest.mark.all_packages
def test_it_is_taken_with_its_controller_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema_apps.cli import cli

    monkeypatch.chdir(tmp_path)
    Image.effect_noise((96, 64), 80).convert("RGB").save("any.png")
    words = ["animate", "any.png", "--drag", "40,30 60,30", "--backbone", "tiny-flow"]
    words += ["--sample", "steps=1", "--frames", "4"]
    written = {}
    for name in ("", "tiny-flow-modulation"):
        named = ["--controller", name] if name else []
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, *named, "--out", f"x{name}.mp4"])
        assert ended.value.code in (None, 0)
        written[name] = json.loads(Path(f"x{name}.mp4.manifest.json").read_text())
    used = [each["offers"]["controller"][0]["name"] for each in written.values()]
    assert used == ["tiny-flow-modulation"] * 2
    weights = hashlib.sha256((SHIPPED / "tiny-flow.safetensors").read_bytes()).hexdigest()
    assert weights in json.dumps(written[""])
