"""A real photo through a tiny random SVD: motion in, MP4 and manifest out, and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

import kinema
from kinema.errors import Cancelled
from kinema.session.replay import rerun
from kinema_backbones.svd.sizes import NetworkSizes, build_components
from kinema_backbones.svd.weights import save_components

pytestmark = pytest.mark.all_packages

MOTION = kinema.Motion(
    canvas=(96, 64),
    drags=[kinema.Drag([(40, 30), (64, 34)])],
    regions=[kinema.Region(polygon=[(24, 16), (64, 16), (64, 48), (24, 48)])],
)
SAMPLE = {"steps": 2}


@pytest.fixture(scope="module")
def weights(tiny_sizes: NetworkSizes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "svd"
    return save_components(build_components(tiny_sizes, seed=0), folder)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(skimage.data.chelsea()).save(path)
    return path


def session(weights: Path, controller: Path | str | None, **more: Any) -> kinema.Session:
    more.setdefault("sample", SAMPLE)
    return kinema.Session("svd", weights=weights, controller=controller, device="cpu", **more)


def frames(opened: kinema.Session, photo: Path, **more: Any) -> NDArray[np.uint8]:
    with opened:
        return opened.animate(photo, MOTION, frames=4, **more).frames


def test_photo_to_film_and_again(
    weights: Path, converted: Path, photo: Path, tmp_path: Path
) -> None:
    with session(weights, converted, options={"decode_chunk": 2}) as opened:
        video = opened.animate(photo, MOTION, frames=4, seed=5)
    assert video.frames.shape == (4, 64, 96, 3)
    assert video.frames.std() > 1
    film = video.save(tmp_path / "cat.mp4")
    assert Path(film).stat().st_size > 1000
    manifest = video.manifest
    assert manifest is not None
    assert manifest.choices["decode_chunk"] == 2
    [used] = manifest.offers["controller"]
    assert used["name"] == "modulation"
    assert any(path.endswith("lora/adapter_model.safetensors") for path in manifest.files) or any(
        path.endswith("controller.safetensors") for path in manifest.files
    )
    assert any("Apache-2.0" in licence for licence in manifest.licences)
    saved = manifest.save(tmp_path / "cat.json")
    assert np.array_equal(rerun(saved).frames, video.frames)


def test_control_changes_the_video_and_nothing_else(
    weights: Path, converted: Path, photo: Path
) -> None:
    plain = frames(session(weights, None), photo)
    fresh = frames(session(weights, "modulation"), photo)
    controlled = frames(session(weights, converted), photo)
    assert np.array_equal(plain, fresh)
    assert not np.array_equal(plain, controlled)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sample",
    [
        {"steps": 3, "solver": "heun"},
        {"steps": 3, "guidance_stop": 0.5},
        {"steps": 3, "motion_guidance": 3.0},
    ],
    ids=str,
)
def test_ways_to_sample(
    weights: Path, converted: Path, photo: Path, sample: dict[str, Any]
) -> None:
    plain = frames(session(weights, converted, sample={"steps": 3}), photo)
    other = frames(session(weights, converted, sample=sample), photo)
    assert other.shape == plain.shape
    assert not np.array_equal(other, plain)


def test_a_run_can_be_cancelled_between_steps(weights: Path, photo: Path) -> None:
    seen: list[int] = []
    with session(weights, None, sample={"steps": 4}) as opened, pytest.raises(Cancelled):
        opened.animate(
            photo,
            MOTION,
            frames=2,
            on_progress=lambda step, _: seen.append(step),
            cancel=lambda: len(seen) == 2,
        )
    assert seen == [1, 2]
