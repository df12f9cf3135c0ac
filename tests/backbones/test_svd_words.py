"""What of other libraries reaches the screen while SVD loads: nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from kinema.errors import WeightsError
from kinema.quiet import CHATTY, quiet
from kinema_backbones.svd.weights import load_components


def test_loading_draws_no_bar_and_tells_no_lines(
    svd_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(svd_folder, tmp_path / "svd")
    config = json.loads((folder / "unet" / "config.json").read_text())
    # Of an option that it does not know, diffusers warns at length.
    (folder / "unet" / "config.json").write_text(json.dumps(config | {"strange": 1}))
    load_components(str(folder), torch.float32)
    assert capfd.readouterr() == ("", "")


def test_the_libraries_are_as_loud_afterwards_as_before() -> None:
    from diffusers.utils import logging as diffusers_log
    from transformers.utils import logging as transformers_log

    for log in (diffusers_log, transformers_log):
        before = log.get_verbosity(), log.is_progress_bar_enabled()
        with quiet(*CHATTY, "not_installed"):
            assert log.get_verbosity() == 40
            assert not log.is_progress_bar_enabled()
        assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before


def test_a_pointer_in_a_folder_of_weights_is_named(svd_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(svd_folder, tmp_path / "svd")
    [weights] = (folder / "vae").glob("*.safetensors")
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(WeightsError, match=r"vae/.*safetensors' are a pointer of git-lfs; fetch"):
        load_components(str(folder), torch.float32)
