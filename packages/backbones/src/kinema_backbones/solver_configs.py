"""Options of the solvers ``unipc`` and ``dpmpp-2m``. Torch-free."""

from __future__ import annotations

import attrs

from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class UniPCConfig:
    """Options of ``unipc``; the defaults are those of Wan's published runs.

    Raises:
        InputError: a value is out of range.
    """

    order: int = 2
    """Steps that a prediction is made of, 1 to 3; the last steps of a run use fewer."""
    corrector: bool = True
    """Whether each step corrects the one before it by the new prediction. With order 1 and without
    it, it is the solver euler."""

    def __attrs_post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise InputError(f"The order of unipc is 1, 2 or 3, got {self.order!r}.")
