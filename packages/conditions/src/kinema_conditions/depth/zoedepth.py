"""The depth estimator ``zoedepth``: metric depth of one photo, through transformers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.errors import InputError, PluginError, WeightsError
from kinema.interfaces import DepthMap
from kinema.pretrained import load_part, load_pretrained
from kinema_conditions.configs import ZOEDEPTH_WEIGHTS, ZoeDepthConfig

#: The network's input sides must be multiples of this; the image processor's own default is not.
MULTIPLE = 32

#: Least depth in metres that is ever returned; bicubic resizing can undershoot zero.
LEAST = 1e-3

_FILES = ("config.json", ZOEDEPTH_WEIGHTS.path)


class ZoeDepth:
    """ZoeDepth (Bhat et al. 2023), run as its authors do: padded, and averaged with its mirror.

    Raises:
        WeightsError: the weights are not on this machine, or incomplete. Nothing is downloaded.
        PluginError: transformers is not installed.
    """

    def __init__(self, config: ZoeDepthConfig) -> None:
        self.config = config
        try:
            from transformers import ZoeDepthForDepthEstimation, ZoeDepthImageProcessorPil
        except ImportError as error:
            raise PluginError(
                f'zoedepth runs on transformers 5. Install "kinema-conditions[zoedepth]" ({error}).'
            ) from None
        self.folder = find_weights(config)
        self._network = self._load(ZoeDepthForDepthEstimation)
        self._processor = self._prepare(ZoeDepthImageProcessorPil)

    @torch.no_grad()
    def estimate(self, image: Tensor, fit: Callable[[Any], Any] | None = None) -> DepthMap:
        """Metric depth of ``image`` float32 ``(3, H, W)`` in [0, 1], at the same size, in metres.

        Raises:
            PluginError: the network returns a depth that is not finite.
        """
        device = torch.device(self.config.device or image.device)
        network = self._network.to(device)
        prepared = self._processor(
            images=image.float().cpu().numpy(),
            do_rescale=False,
            input_data_format="channels_first",
            return_tensors="pt",
        )
        pixels: Tensor = prepared["pixel_values"].to(device)
        depth = network(pixel_values=pixels).predicted_depth
        mirrored = network(pixel_values=pixels.flip(-1)).predicted_depth
        fitted = self._fitted((depth + mirrored.flip(-1)) / 2, image.shape[-2], image.shape[-1])
        if not bool(torch.isfinite(fitted).all()):
            raise PluginError(
                f"zoedepth returned a depth that is not finite; are the weights in "
                f"{str(self.folder)!r} whole?"
            )
        source = f"zoedepth {self.config.path or self.config.hub}"
        return DepthMap(depth=fitted.clamp(min=LEAST).to(image.device), metric=True, source=source)

    def _fitted(self, depth: Tensor, height: int, width: int) -> Tensor:
        """Network output (1, h, w) back to (H, W), without the padding the processor put around."""
        pad_y = pad_x = 0
        if self._processor.do_pad:
            pad_y, pad_x = (int(math.sqrt(side / 2) * 3) for side in (height, width))
        padded = torch.nn.functional.interpolate(
            depth[:, None].float(),
            size=(height + 2 * pad_y, width + 2 * pad_x),
            mode="bicubic",
            align_corners=False,
        )[0, 0]
        return padded[pad_y : pad_y + height, pad_x : pad_x + width].contiguous()

    def _load(self, kind: Any) -> Any:
        network = load_pretrained(kind, self.folder, "zoedepth needs them.", dtype=torch.float32)
        return network.eval().requires_grad_(False)

    def _prepare(self, kind: Any) -> Any:
        options = {"ensure_multiple_of": MULTIPLE}
        if (self.folder / "preprocessor_config.json").is_file():
            return load_part(kind, self.folder, "The image processor", "", **options)
        return kind(**options)


def weight_files(config: ZoeDepthConfig) -> list[Path]:
    """The files that the estimator reads when it is built with ``config``.

    Raises:
        WeightsError, InputError: as :func:`find_weights`.
    """
    folder = find_weights(config)
    return [folder / name for name in _FILES]


def find_weights(config: ZoeDepthConfig) -> Path:
    """The folder that holds the weights: the one that is named, or the local cache's.

    Raises:
        WeightsError: it is not there; the message says what is missing and where it comes from.
        InputError: a path is named that is no folder.
    """
    record = ZOEDEPTH_WEIGHTS
    if config.path:
        folder = Path(config.path)
        if not folder.is_dir():
            raise InputError(
                f"zoedepth's path {config.path!r} is no folder; name the one that holds "
                f"{' and '.join(_FILES)}."
            )
        missing = [name for name in _FILES if not (folder / name).is_file()]
        where = f"the folder {config.path!r}"
    else:
        from huggingface_hub import try_to_load_from_cache

        found = [try_to_load_from_cache(config.hub, name) for name in _FILES]
        missing = [n for n, path in zip(_FILES, found, strict=True) if not isinstance(path, str)]
        folder = Path(str(found[0])).parent
        where = "the local Hugging Face cache"
    if not missing:
        return folder
    raise WeightsError(
        f"zoedepth needs weights that are not on this machine: {where} lacks "
        f"{' and '.join(missing)}. They come from {config.hub} ({record.path}, "
        f"{record.bytes / 1e9:.2f} GB, licence {record.licence}); fetch them with "
        f"'hf download {config.hub}', or name their folder with the option 'path'. "
        "Nothing is downloaded without you."
    )
