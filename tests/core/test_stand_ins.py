"""Files that downloads leave in place of others are told for what they are."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema import MotionError, WeightsError
from kinema.files import check_weights, stand_in, torch_reason
from kinema.formats import read_motion

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9560000000\n"
STAND_INS = {
    "pointer": (POINTER, "a pointer of git-lfs; fetch the file itself with `git lfs pull`"),
    "page": (b"\n <!DOCTYPE html><html>Sign in</html>", "a web page; download the file itself"),
    "denied": (b"<html>Access denied</html>", "a web page; download the file itself"),
    "answer": (b"<?xml version='1.0'?><Error/>", "an XML answer of a server; download the file"),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_what_stands_for_weights_is_named(tmp_path: Path, name: str) -> None:
    content, words = STAND_INS[name]
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        check_weights(tmp_path / "absent", path)
    assert f"The weights {str(path)!r} are {words}" in str(caught.value)
    motion = path.rename(tmp_path / "tracks.pth")
    with pytest.raises(MotionError) as refused:
        read_motion(motion, canvas=(9, 9))
    assert words in str(refused.value)


def test_what_is_the_file_itself_is_none(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "a.pt")
    (tmp_path / "empty").touch()
    for name in ("a.pt", "empty", "absent"):
        assert stand_in(tmp_path / name) == ""


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def test_torch_s_advice_to_load_unsafely_is_not_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(pickle.UnpicklingError) as caught:
        torch.load(path, weights_only=True)
    assert torch_reason(caught.value) == "it holds something else than tensors and plain data"
    assert "No such file" in torch_reason(FileNotFoundError(2, "No such file or directory"))
    assert torch_reason(RuntimeError("")) == "RuntimeError"
