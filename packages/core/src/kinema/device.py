"""Where a session computes."""

from __future__ import annotations

import torch

from kinema.errors import InputError


def pick_device(device: str) -> str:
    """``"auto"`` as the best device of this machine; any other name as it is.

    Raises:
        InputError: the device is asked for by name and is not there.
    """
    if device != "auto":
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"The device {device!r} cannot be used here: {reason}") from None
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
