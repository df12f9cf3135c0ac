"""Average the weights of checkpoints of one lineage, as files of float16 to ship.

The mean of the ends of two parts of a training is often better than either (Wortsman et al., "Model
soups", 2022). Run from the root of the repository:

    python tools/average_weights.py CHECKPOINT [CHECKPOINT ...] --out FOLDER

FOLDER gets the network's files and the sub-folder `controller`; what is not numbers is that of the
first checkpoint.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

PARTS = {"weights": ".", "controller": "controller"}


def average(tensors: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor, computed in float64, as float16.

    Raises:
        ValueError: the names or shapes differ, so they are not of one lineage.
    """
    shapes = [{name: tuple(t.shape) for name, t in one.items()} for one in tensors]
    if any(one != shapes[0] for one in shapes):
        raise ValueError("The checkpoints do not hold the same tensors.")
    return {
        name: torch.stack([one[name].double() for one in tensors]).mean(0).half()
        for name in tensors[0]
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the average of the checkpoints named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args(arguments)
    for part, place in PARTS.items():
        folder = options.out / place
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((options.checkpoints[0] / part).iterdir()):
            if path.suffix == ".safetensors":
                loaded = [load_file(each / part / path.name) for each in options.checkpoints]
                save_file(average(loaded), folder / path.name)
                (folder / path.name).chmod(0o644)
            elif path.is_file():
                shutil.copyfile(path, folder / path.name)


if __name__ == "__main__":
    main()
