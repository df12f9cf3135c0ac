"""Depth from a file and from a prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kinema import InputError
from kinema.interfaces import DepthMap
from kinema_conditions.configs import DepthFileConfig, PlanePriorConfig
from kinema_conditions.depth.depth_file import DepthFile
from kinema_conditions.depth.plane_prior import PlanePrior

PHOTO = torch.zeros(3, 40, 60)


def ramp(height: int = 40, width: int = 60) -> np.ndarray[Any, Any]:
    return np.linspace(1, 3, height * width, dtype=np.float32).reshape(height, width)


def read(path: Path, photo: torch.Tensor = PHOTO, **options: Any) -> DepthMap:
    return DepthFile(DepthFileConfig(path=str(path), **options)).estimate(photo)


def test_a_npy_file_is_depth_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "depth.npy"
    np.save(path, ramp())
    found = read(path)
    assert torch.equal(found.depth, torch.from_numpy(ramp()))
    assert found.metric
    assert found.source == "depth-file depth.npy"
    assert torch.allclose(read(path, scale=2.0).depth, 2 * found.depth)
    assert not read(path, metric=False).metric


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_16_bit_picture_is_millimetres_unless_scaled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"depth{suffix}"
    values = (ramp() * 1000).round().astype(np.uint16)
    Image.fromarray(values).save(path)
    expected = torch.from_numpy(values.astype(np.float32))
    assert torch.allclose(read(path).depth, expected / 1000)
    assert torch.allclose(read(path, scale=1 / 5000).depth, expected / 5000)


def test_a_floating_point_tif_is_depth_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "depth.tif"
    Image.fromarray(ramp()).save(path)
    assert torch.equal(read(path).depth, torch.from_numpy(ramp()))


def test_gaps_take_the_nearest_depth_and_the_source_says_so(tmp_path: Path) -> None:
    path = tmp_path / "depth.npy"
    values = np.full((40, 60), 2.0)
    values[:, 30:] = 5.0
    values[10, 10], values[10, 50], values[5, 50], values[0, 0] = np.nan, np.inf, 0, -1
    np.save(path, values)
    found = read(path)
    assert found.depth[[10, 10, 5, 0], [10, 50, 50, 0]].tolist() == [2, 5, 5, 2]
    assert found.source.endswith("0.2% of its pixels had no depth and took the nearest one")
    with pytest.raises(InputError, match=r"4 of the 2400 pixels of the depth file .*'fill'"):
        read(path, fill=False)


def test_a_file_of_another_size_is_fitted_as_photos_are(tmp_path: Path) -> None:
    """Twice the size, and wider: the middle is kept, no value is invented."""
    path = tmp_path / "depth.npy"
    values = np.arange(80 * 200, dtype=np.float32).reshape(80, 200) + 1
    np.save(path, values)
    found = read(path)
    assert found.source == "depth-file depth.npy, fitted from 200x80"
    assert torch.equal(found.depth, torch.from_numpy(values[1::2, 41:161:2].copy()))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npy", None, r"absent.npy' cannot be read: .*No such file"),
        ("colour.npy", np.zeros((4, 5, 3)), r"must hold one number per pixel, .*\(4, 5, 3\)"),
        ("empty.npy", np.zeros((4, 5)), "holds no positive, finite depth at all"),
        ("words.npy", np.array([["far"]]), "must hold one number per pixel, .* <U3"),
        ("broken.npy", b"no array", "broken.npy' cannot be read"),
        ("broken.png", b"no picture", "broken.png' is no image that can be read"),
        ("grey.png", Image.new("L", (5, 4)), "picture of the mode 'L'; its 8 bits are too coarse"),
        ("depth.exr", b"", r"has no known form; .*\(EXR: save its z channel as .npy.\)"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif isinstance(content, Image.Image):
        content.save(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([[{"depth": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read: Object arrays cannot be loaded"):
        read(path)


def test_bad_options_are_named() -> None:
    with pytest.raises(InputError, match="depth-file needs the option 'path'"):
        DepthFile(DepthFileConfig())
    with pytest.raises(InputError, match=r"scale must be a positive number, got -1\.0"):
        DepthFileConfig(path="a.npy", scale=-1.0)
    with pytest.raises(InputError, match=r"plane-prior needs 0 < near < far, got 3.0 and 2.0"):
        PlanePriorConfig(near=3.0, far=2.0)


def test_the_prior_is_a_ramp_of_inverse_depth_and_says_what_it_is() -> None:
    found = PlanePrior(PlanePriorConfig(near=1.0, far=5.0)).estimate(torch.rand(3, 41, 60))
    column = found.depth[:, 7]
    assert column[[0, 20, 40]].tolist() == pytest.approx([5, 1 / 0.6, 1])
    assert torch.equal(found.depth, column[:, None].expand(41, 60))
    assert not found.metric
    assert found.source == "plane-prior, a prior and not a measurement"
