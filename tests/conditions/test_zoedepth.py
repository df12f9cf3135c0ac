"""ZoeDepth through transformers, on a tiny random network saved in the real format."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema import InputError, Plugins, WeightsError
from kinema.interfaces import DepthEstimator
from kinema.testing import DepthEstimatorContract
from kinema_conditions.configs import ZoeDepthConfig

pytest.importorskip("transformers")

from kinema_conditions.depth.zoedepth import ZoeDepth

#: Of the network's input; the real checkpoint says 384 and 512.
SIZE = {"height": 96, "width": 128}
PHOTO = torch.rand(3, 80, 128, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with config.json, model.safetensors and preprocessor_config.json, 0.4 MB."""
    from transformers import (
        BeitConfig,
        ZoeDepthConfig,
        ZoeDepthForDepthEstimation,
        ZoeDepthImageProcessorPil,
    )

    backbone = BeitConfig(
        image_size=32,
        patch_size=16,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_embedding_dim=8,
        num_patch_transformer_layers=1,
        patch_transformer_hidden_size=16,
        patch_transformer_intermediate_size=32,
        patch_transformer_num_attention_heads=2,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )
    generator = torch.Generator().manual_seed(0)
    network = ZoeDepthForDepthEstimation(config)
    for parameter in network.parameters():
        # Large enough that the photo, and not the biases alone, decides the depth.
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    folder = tmp_path_factory.mktemp("zoedepth")
    network.save_pretrained(folder)
    ZoeDepthImageProcessorPil(ensure_multiple_of=32, size=SIZE).save_pretrained(folder)
    return folder


def estimator(path: Path | str, **options: Any) -> ZoeDepth:
    return ZoeDepth(ZoeDepthConfig(path=str(path), **options))


class TestContract(DepthEstimatorContract):
    @pytest.fixture(autouse=True)
    def _weights(self, weights: Path) -> None:
        self.options = {"path": str(weights)}

    def make(self) -> DepthEstimator:
        built: DepthEstimator = Plugins.installed().build(
            "depth estimator", "zoedepth", self.options
        )
        return built


def test_depth_is_that_of_the_network_with_padding_cut_and_the_mirror_averaged(
    weights: Path,
) -> None:
    found = estimator(weights).estimate(PHOTO)
    assert found.metric
    assert found.source == f"zoedepth {weights}"
    assert float(found.depth.std()) > 0

    from transformers import ZoeDepthForDepthEstimation

    network = ZoeDepthForDepthEstimation.from_pretrained(weights, local_files_only=True)
    up, left = int((80 / 2) ** 0.5 * 3), int((128 / 2) ** 0.5 * 3)
    padded = torch.nn.functional.pad(PHOTO[None], (left, left, up, up), mode="reflect")
    side = torch.nn.functional.interpolate(
        padded, size=(96, 160), mode="bilinear", align_corners=True
    )
    depths = []
    with torch.no_grad():
        for pixels in (side, side.flip(-1)):
            depths.append(network(pixel_values=(pixels - 0.5) / 0.5).predicted_depth[:, None])
    mean = (depths[0] + depths[1].flip(-1)) / 2
    whole = torch.nn.functional.interpolate(mean, size=padded.shape[-2:], mode="bicubic")
    expected = whole[0, 0, up:-up, left:-left].clamp(min=1e-3)
    assert torch.allclose(found.depth, expected, atol=1e-4)


def test_a_mirrored_photo_has_the_mirrored_depth(weights: Path) -> None:
    made = estimator(weights)
    depth, mirrored = (made.estimate(photo).depth for photo in (PHOTO, PHOTO.flip(-1)))
    assert torch.allclose(depth, mirrored.flip(-1), atol=1e-3)


def test_the_input_size_is_a_multiple_of_32_without_a_processor_file(
    weights: Path, tmp_path: Path
) -> None:
    """The image processor's own default is 1/32, which breaks odd sizes."""
    for name in ("config.json", "model.safetensors"):
        shutil.copy(weights / name, tmp_path)
    made = estimator(tmp_path)
    prepared = made._processor(
        images=PHOTO.numpy(),
        do_rescale=False,
        input_data_format="channels_first",
        return_tensors="pt",
    )
    assert prepared["pixel_values"].shape == (1, 3, 352, 512)


def test_absent_weights_say_which_how_large_and_which_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    expected = (
        r"the local Hugging Face cache lacks config\.json and model\.safetensors\. They come from "
        r"Intel/zoedepth-nyu \(model\.safetensors, 1\.38 GB, licence MIT\); fetch them with "
        r"'hf download Intel/zoedepth-nyu'.*Nothing is downloaded"
    )
    with pytest.raises(WeightsError, match=expected):
        Plugins.installed().build("depth estimator", "zoedepth")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"lacks model\.safetensors\. They come from"):
        estimator(tmp_path)
    with pytest.raises(InputError, match="is no folder; name the one that holds"):
        estimator(tmp_path / "nowhere")


def test_weights_are_found_in_the_local_cache(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def cached(hub: str, name: str) -> str:
        asked.append(hub)
        return str(weights / name)

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    made = ZoeDepth(ZoeDepthConfig(hub="Intel/zoedepth-kitti"))
    assert made.folder == weights
    assert set(asked) == {"Intel/zoedepth-kitti"}
    assert made.estimate(PHOTO).source == "zoedepth Intel/zoedepth-kitti"


def test_broken_and_incomplete_weights_are_named(weights: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copy(weights / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        estimator(tmp_path)
    tensors = load_file(weights / "model.safetensors")
    del tensors[sorted(tensors)[0]]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack 1 tensors, such as \['[\w.]+'\]"):
        estimator(tmp_path)
