"""Loaders of the published metrics, with random networks of the real form."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema.errors import WeightsError
from kinema.interfaces import Truth
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.offers import METRIC, SET_METRIC
from kinema.plugins import Plugins
from kinema_apps.metrics.i3d import InflatedInception, InflatedInceptionFeatures
from kinema_apps.metrics.inception import Inception, InceptionFeatures, as_tensorflow_1
from kinema_apps.metrics.lpips import Lpips, LpipsNetwork

MOTION = Motion(canvas=(64, 48), drags=[Drag([(20, 20), (30, 20)])])

PUBLISHED = {
    "md-vid": "MD-Vid",
    "md-img": "MD-Img",
    "frame-consistency": "Frame consistency",
    "lpips": "LPIPS",
    "fid": "FID",
    "fvd": "FVD",
}


def video(frames: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 48, 64, 3), generator=generator, dtype=torch.uint8)


def saved(network: nn.Module, path: Path, **more: Any) -> Path:
    """The weights as their authors saved them: a plain state dict."""
    torch.save({**network.state_dict(), **more}, path)
    return path


def random(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5) if value.ndim == 1 else value.normal_(0, 0.05)
    return network.eval()


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inception")
    return saved(random(Inception()), folder / "mine.pth", extra=torch.zeros(3))


def test_what_is_published_is_named_so_and_companions_never(kinema_plugins: Plugins) -> None:
    from kinema_apps import plugin

    kinema_plugins.register(plugin, "apps")
    found = [*kinema_plugins.all(METRIC), *kinema_plugins.all(SET_METRIC)]
    named: dict[str, Any] = {item.offer.name: item.offer for item in found}
    for name, published in PUBLISHED.items():
        assert named[name].published == published
        assert named[name].weights
        assert all(record.licence and record.hub for record in named[name].weights)
    for name, offer in named.items():
        assert not (offer.published and offer.stands_in_for), name
        if "[" in name:
            assert offer.stands_in_for
            assert not offer.published
            assert not offer.weights


@pytest.mark.parametrize("name", ["md-img", "frame-consistency", "lpips", "fid", "fvd"])
def test_absent_weights_are_named_with_source_and_licence(name: str) -> None:
    plugins = Plugins()
    from kinema_apps import plugin

    plugins.register(plugin, "apps")
    if name in ("md-img", "frame-consistency"):
        pytest.importorskip("transformers")
        pytest.importorskip("diffusers")
    kind: Any = SET_METRIC if name in ("fid", "fvd") else METRIC
    with pytest.raises(WeightsError, match=f"The metric '{name}' needs weights") as found:
        plugins.build(kind, name, {"path": "nowhere"})
    assert "licence" in str(found.value)
    assert "Nothing is downloaded" in str(found.value)


def test_files_that_lie_elsewhere_are_not_asked_of_the_hub() -> None:
    from kinema_apps import plugin
    from kinema_apps.weights import fetch, find_offer, states

    plugins = Plugins()
    plugins.register(plugin, "apps")
    found = find_offer(plugins, "fid")
    assert [state.path for state in states(found)] == [None]
    with pytest.raises(WeightsError, match=r"is not on the Hugging Face hub but at: github\.com"):
        fetch(found, None)


def test_fid_has_the_features_of_the_loaded_network(inception: Path) -> None:
    features = InceptionFeatures(str(inception), "fid")
    found = features(video(2))
    assert found.shape == (2, 2048)
    network = random(Inception())
    pictures = as_tensorflow_1(video(2).permute(0, 3, 1, 2).float(), 299)
    with torch.no_grad():
        expected = network((pictures - 128) / 128)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_pictures_are_resized_as_tensorflow_1_did() -> None:
    row = torch.tensor([0.0, 10.0, 20.0])[None, None, None].expand(1, 1, 3, 3)
    # Pixel i of 6 lies at i / 2 of 3, and beyond the last there is nothing to come.
    assert as_tensorflow_1(row, 6)[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 20]


def test_fvd_has_the_logits_of_the_loaded_network(tmp_path: Path) -> None:
    network = random(InflatedInception())
    path = saved(network, tmp_path / "i3d.pt")
    features = InflatedInceptionFeatures(str(path), "fvd")
    found = features(video(16))
    assert found.shape == (1, 400)
    assert torch.equal(found, features(video(16)))
    assert not torch.equal(found, features(video(16, seed=1)))
    from kinema.errors import InputError

    with pytest.raises(InputError, match="needs at least 10 frames, the video has 4"):
        features(video(4))


def test_the_network_has_the_published_parameters() -> None:
    count = sum(value.numel() for value in Inception().parameters())
    assert count == pytest.approx(23.9e6, rel=0.01)
    count = sum(value.numel() for value in InflatedInception().parameters())
    assert count == pytest.approx(12.7e6, rel=0.01)
    assert "Mixed_4f.b2b.conv3d.weight" in InflatedInception().state_dict()


def lpips_folder(folder: Path) -> Path:
    network = random(LpipsNetwork())
    state = {k: v for k, v in network.state_dict().items() if k.startswith("features.")}
    torch.save(state, folder / "alexnet-owt-7be5be79.pth")
    heads = {
        f"lin{number}.model.1.weight": network.state_dict()[f"heads.{index}"].abs()
        for number, index in enumerate((0, 3, 6, 8, 10))
    }
    torch.save(heads, folder / "alex.pth")
    return folder


def test_lpips_compares_frame_by_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The published file's name carries its digest, which a random one cannot have.
    monkeypatch.setattr("kinema_apps.metrics.weights._check_digest", lambda *told: None)
    metric = Lpips(str(lpips_folder(tmp_path)))
    same = Truth(frames=video(3).repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert same.frames is not None
    assert metric.compare(same.frames, MOTION, same)["lpips"] == pytest.approx(0.0, abs=1e-6)
    noise = (same.frames.float() + 40 * torch.randn(same.frames.shape)).clamp(0, 255)
    worse = metric.compare(noise.to(torch.uint8), MOTION, same)["lpips"]
    assert worse > 1e-3


def test_a_published_file_that_is_another_one_is_refused(tmp_path: Path) -> None:
    folder = lpips_folder(tmp_path)
    with pytest.raises(WeightsError, match="should begin with 7be5be79"):
        Lpips(str(folder))


def test_other_networks_and_pickles_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"conv.weight": torch.zeros(3)}, wrong)
    with pytest.raises(WeightsError, match="are of another network"):
        InceptionFeatures(str(wrong), "fid")
    evil = tmp_path / "evil.pth"
    torch.save({"x": Path("run me")}, evil)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        InceptionFeatures(str(evil), "fid")


def test_safetensors_do_as_well(inception: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = torch.load(inception, weights_only=True)
    save_file(state, tmp_path / "mine.safetensors")
    first = InceptionFeatures(str(inception), "fid")(video(1))
    second = InceptionFeatures(str(tmp_path / "mine.safetensors"), "fid")(video(1))
    assert torch.equal(first, second)


@pytest.mark.all_packages
def test_frame_consistency_is_of_clip(tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from kinema_apps.metrics.records import CLIP

    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8, projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    plugins = Plugins.installed()
    metric = plugins.build(METRIC, "frame-consistency", {"path": str(tmp_path)})
    still = metric.measure(video(1).expand(4, -1, -1, -1), MOTION)
    assert still["frame-consistency"] == pytest.approx(1.0)
    found = metric.measure(video(4), MOTION)["frame-consistency"]
    assert found < 1.0
    # The hub has a pickle of the whole of CLIP; only the tensors of its eyes are read.
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save({**state, "logit_scale": torch.ones(())}, tmp_path / CLIP.path)
    metric = plugins.build(METRIC, "frame-consistency", {"path": str(tmp_path)})
    assert metric.measure(video(4), MOTION)["frame-consistency"] == pytest.approx(found)
    torch.save({**state, "x": Path("run me")}, tmp_path / CLIP.path)
    told = r"pickle that holds more than tensors.* The metric 'frame-consistency' needs them\."
    with pytest.raises(WeightsError, match=told):
        plugins.build(METRIC, "frame-consistency", {"path": str(tmp_path)})


# The oldest transformers reads a vocabulary in a way that tokenizers has given up.
@pytest.mark.filterwarnings("ignore:Deprecated in 0.9.0:DeprecationWarning")
@pytest.mark.all_packages
def test_md_img_is_of_dift(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 32), layers_per_block=1, cross_attention_dim=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=8,
    ).save_pretrained(tmp_path / "unet")  # fmt: skip
    AutoencoderKL(
        block_out_channels=(32, 32), latent_channels=4, norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).save_pretrained(tmp_path / "vae")  # fmt: skip
    DDIMScheduler().save_pretrained(tmp_path / "scheduler")
    text = CLIPTextConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        vocab_size=1000, max_position_embeddings=8,
    )  # fmt: skip
    CLIPTextModel(text).save_pretrained(tmp_path / "text_encoder")
    _tokenizer(tmp_path / "tokenizer")
    plugins = Plugins.installed()
    options = {"path": str(tmp_path), "side": 64, "ensemble": 2}
    metric = plugins.build(METRIC, "md-img", options)
    still = video(1).expand(4, -1, -1, -1)
    anchor = Motion(canvas=(64, 48), drags=[Drag([(20, 20)])])
    found = metric.measure(still, anchor)["md-img"]
    assert found == metric.measure(still, anchor)["md-img"]
    assert np.isfinite(found)
    # In a video that does not change, the point is found where it was.
    assert found < 3


def _tokenizer(folder: Path) -> None:
    """The smallest that loads: single letters, and the words that CLIP begins and ends with."""
    import json

    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{each}</w>" for each in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = {"model_max_length": 8, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.all_packages
def test_md_vid_asks_cotracker_for_the_published_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Tensor] = []

    class Network(nn.Module):
        """Of the predictor's form, and small: how points move is read off the frames' features."""

        def __init__(self) -> None:
            super().__init__()
            self.fnet = nn.Conv2d(3, 4, 3, stride=4, padding=1)
            self.head = nn.Linear(4, 2)

        def forward(self, frames: Tensor, points: Tensor) -> Tensor:
            seen = self.fnet(frames / 255 * 2 - 1).mean(dim=(2, 3))
            steps: Tensor = self.head(seen - seen[:1]) - self.head.bias
            return points + steps[:, None]

    class CoTrackerPredictor(nn.Module):
        """The signature of cotracker.predictor.CoTrackerPredictor, version 3."""

        def __init__(
            self, checkpoint: Any = "x", offline: Any = 1, v2: Any = 0, window_len: Any = 60
        ) -> None:
            super().__init__()
            assert checkpoint is None
            self.model = Network()

        def forward(
            self, video: Tensor, queries: Tensor, backward_tracking: bool = False
        ) -> tuple[Tensor, Tensor]:
            asked.append(queries)
            tracks = self.model(video[0], queries[0, :, 1:])[None]
            return tracks, torch.ones(tracks.shape[:3], dtype=torch.bool)

    module: Any = ModuleType("cotracker.predictor")
    module.CoTrackerPredictor = CoTrackerPredictor
    monkeypatch.setitem(sys.modules, "cotracker", ModuleType("cotracker"))
    monkeypatch.setitem(sys.modules, "cotracker.predictor", module)
    network: Any = random(Network())
    path = saved(network, tmp_path / "mine.pth")
    plugins = Plugins.installed()
    metric = plugins.build(METRIC, "md-vid", {"path": str(path)})
    motion = Motion(canvas=(64, 48), drags=[Drag([(20, 20), (30, 20)]), Drag([(40.7, 30.2)])])
    found = metric.measure(video(4), motion)["md-vid"]

    (queries,) = asked
    assert queries.shape == (1, 2 * 64, 3)
    assert (queries[0, :, 0] == 0).all()
    starts = queries[0].reshape(2, 64, 3)[:, 36, 1:]
    assert starts.tolist() == [[20, 20], [40, 30]]
    # The published formula by hand, on what the same weights say.
    with torch.no_grad():
        tracks = network(video(4).permute(0, 3, 1, 2).float(), starts)
    shares = torch.arange(4)[:, None, None] / 3
    ends = torch.tensor([[[20.0, 20.0], [40.7, 30.2]], [[30.0, 20.0], [41.7, 31.2]]])
    far = (tracks - torch.lerp(ends[:1], ends[1:], shares)).norm(dim=-1)[1:]
    assert found == pytest.approx(float(far.mean()), rel=1e-5)
    with pytest.raises(WeightsError, match="scaled_offline"):
        plugins.build(METRIC, "md-vid", {"path": "nowhere"})
