"""The editor's arithmetic is that of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinema.motion.drag import Drag
from kinema.motion.region import Region
from kinema.motion.timing import EASINGS, clip_times
from kinema.motion.transform import Keyframe, placed, state_at
from kinema_apps.service.testing import Running

pytestmark = pytest.mark.slow


@pytest.fixture
def run(studio: Callable[..., Running], look: Callable[..., Any]) -> Callable[..., Any]:
    """Runs JavaScript with a module of the editor as ``m``."""
    page = look(f"{studio().url}/studio/")

    def run(module: str, body: str, given: Any = None) -> Any:
        path = f"/studio/editor/{module}"
        return page.evaluate(
            "async ([path, given]) => { const m = await import(path); "
            f"return await (async () => {{ {body} }})(); }}",
            [path, given],
        )

    return run


def test_easings_and_playback(run: Callable[..., Any]) -> None:
    times = np.linspace(0, 1, 21).tolist()
    for name, easing in EASINGS.items():
        found = run("model/timing.js", f"return given.map(m.EASINGS['{name}']);", times)
        assert found == pytest.approx([easing(time) for time in times], abs=1e-12)
    for playback in ("loop", "ping-pong"):
        frames = 12
        even = [frame / frames for frame in range(frames)]
        found = run(
            "model/timing.js", f"return given.map((t) => m.motionTime(t, '{playback}', 3));", even
        )
        assert found == pytest.approx(clip_times(frames, playback, 3), abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4, 7])
@pytest.mark.parametrize("easing", ["linear", "gentle"])
def test_paths(run: Callable[..., Any], count: int, easing: Any) -> None:
    rng = np.random.default_rng(count)
    points = rng.uniform(0, 300, (count, 2)).tolist()
    times = sorted(rng.uniform(0, 1, count).tolist())
    moments = np.linspace(0, 1, 33).tolist()
    for given in (None, times):
        drag = Drag(points, times=given, easing=easing)
        found = run(
            "model/path.js",
            "const at = m.follow(given.drag); return given.moments.map(at);",
            {
                "drag": {"points": points, "times": given, "easing": easing},
                "moments": moments,
            },
        )
        assert np.allclose(found, drag.at(moments), atol=1e-9)


def test_transforms(run: Callable[..., Any]) -> None:
    keys = [
        {"time": 0.4, "dx": 20, "dy": -5, "turn": 30, "scale": 1.5, "easing": "gentle"},
        {"time": 1.0, "dx": -3, "dy": 8, "turn": -90, "scale": 0.5, "easing": "linear"},
    ]
    frames = [Keyframe(**key) for key in keys]  # type: ignore[arg-type]
    for time in np.linspace(0, 1, 11):
        expected = placed([(50, 40)], (30, 20), state_at(frames, float(time)))[0]
        found = run(
            "model/keyframes.js",
            "return m.placed([50, 40], [30, 20], m.stateAt(given.keys, given.time));",
            {"keys": keys, "time": float(time)},
        )
        assert np.allclose(found, expected, atol=1e-9)


@pytest.mark.all_packages
@pytest.mark.parametrize(
    "text", ["pan:12", "tilt:-8", "roll:20", "truck:0.2", "dolly:0.3", "zoom:1.4", "orbit:15+pan:5"]
)
def test_camera_frames(run: Callable[..., Any], text: str) -> None:
    from kinema.motion.camera import CameraPath
    from kinema_conditions.camera import camera_frames

    size = (192, 120)
    intrinsics, poses = camera_frames(CameraPath.parse(text), 5, size, 1.0)
    camera = {
        "moves": [
            {"name": move.name, "amount": move.amount, "easing": move.easing}
            for move in CameraPath.parse(text).moves
        ]
    }
    for frame in range(5):
        corners = run(
            "model/camera.js",
            "return m.frameAt(given.camera, given.time, given.size);",
            {"camera": camera, "time": frame / 4, "size": size},
        )
        # What lies at those places of the photo, one unit away, is seen at the frame's corners.
        first = intrinsics[0].numpy()
        for (x, y), seen in zip(corners, [(0, 0), (191, 0), (191, 119), (0, 119)], strict=True):
            world = np.array([(x - first[0, 2]) / first[0, 0], (y - first[1, 2]) / first[1, 1], 1])
            pose = poses[frame].numpy()
            at = intrinsics[frame].numpy() @ (pose[:3, :3] @ world + pose[:3, 3])
            assert np.allclose(at[:2] / at[2], seen, atol=1e-6)


def test_masks_go_there_and_back_and_grow(run: Callable[..., Any]) -> None:
    levels = np.zeros((40, 60), dtype=np.uint8)
    levels[10:25, 20:45] = 255
    levels[10:25, 44] = 90
    found = run(
        "raster/mask.js",
        "const mask = new m.Mask(60, 40, Uint8Array.from(given)); "
        "return (await m.Mask.fromBase64(await mask.toBase64())).toBase64();",
        levels.ravel().tolist(),
    )
    coverage = Region(png=found).coverage((60, 40))
    assert np.array_equal(coverage >= 0.5, levels >= 128)
    grown = run(
        "raster/mask.js",
        "return [...new m.Mask(60, 40, Uint8Array.from(given)).grown(3).levels];",
        levels.ravel().tolist(),
    )
    mine = np.array(grown).reshape(40, 60) >= 128
    theirs = Region.from_array(levels >= 128, grow=3).rasterize((60, 40))
    assert (mine != theirs).mean() < 0.01
