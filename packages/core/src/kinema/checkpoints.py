"""Controller folders: what training writes, importers make, and sessions load.

A folder holds ``controller.json`` (which controller, with which config, on which conditions) and
the safetensors files that the controller itself reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError, WeightsError
from kinema.files import parse_json, read_bytes

FORMAT = "kinema.controller/1"
RECORD = "controller.json"


@attrs.frozen(kw_only=True)
class ControllerRecord:
    """What ``controller.json`` says.

    Attributes:
        controller: name of the controller's offer.
        config: its options, as plain data.
        conditions: names of the conditions it was trained on, in channel order, each with the
            options it was trained with.
        manifest: how the weights came to be (training run, or source file and its hash).
        licence: of the weights.
    """

    controller: str
    config: Mapping[str, Any] = attrs.field(factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    manifest: Mapping[str, Any] = attrs.field(factory=dict)
    licence: str = ""

    def __attrs_post_init__(self) -> None:
        kinds = {"controller": str, "licence": str}
        for name in attrs.asdict(self, recurse=False):
            kind = kinds.get(name, Mapping)
            if not isinstance(getattr(self, name), kind):
                raise InputError(
                    f"A controller's {name} cannot be {getattr(self, name)!r:.60}; it is "
                    f"{'text' if kind is str else 'a table'}."
                )
        given: Mapping[str, object] = self.conditions
        wrong = [name for name, own in given.items() if not isinstance(own, Mapping)]
        if wrong:
            raise InputError(f"The options of the condition {wrong[0]!r} are no table.")

    def write(self, folder: Path) -> None:
        """Write ``controller.json`` into an existing folder."""
        text = json.dumps({"format": FORMAT, **attrs.asdict(self)}, indent=1) + "\n"
        (folder / RECORD).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> ControllerRecord:
        """Read a controller folder's record.

        Raises:
            WeightsError: the folder or its record is absent.
            InputError: the record is not of this form.
        """
        path = folder / RECORD
        try:
            data = parse_json(read_bytes(path), "It", InputError)
            if data.pop("format") != FORMAT:
                raise KeyError("format")
            return cls(**data)
        except OSError as error:
            raise WeightsError(
                f"{str(folder)!r} is no controller folder: {RECORD} cannot be read ({error})."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{str(path)!r} is not of the form {FORMAT!r} ({type(error).__name__}: {error})."
            ) from None
