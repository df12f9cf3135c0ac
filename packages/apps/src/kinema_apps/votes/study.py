"""A preference study on disk: which models, which items, and where their videos lie.

A study is a folder of its own. It holds copies of all that raters see, under names that say
nothing, so the page serves that one folder and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.config import from_mapping
from kinema.errors import InputError
from kinema.files import parse_json, read_bytes, write_atomically

FORMAT = "kinema.votes/1"

#: The file that says what a study is, that of its votes, and the folder of what raters see.
STUDY, VOTES, MEDIA = "study.json", "votes.jsonl", "media"

#: The questions of MotionPro's human evaluation (table 4), in our words.
QUESTIONS: Mapping[str, str] = {
    "motion-quality": "In which video does what moves look more natural?",
    "temporal-coherence": "Which video is more consistent over time, without flicker or jumps?",
    "trajectory-alignment": "In which video does the motion follow the drawing better?",
}

#: Is asked only where there is a drawing.
ALIGNMENT = "trajectory-alignment"

#: More attention checks than this nobody answers.
MOST_CHECKS = 100


@attrs.frozen
class Pair:
    """One comparison: an item as two models made it, in the order of ``Study.models``."""

    item: str
    first: str
    second: str


@attrs.frozen(kw_only=True)
class Study:
    """What a study compares.

    Attributes:
        models: their names, at least 2.
        videos: by item, the models that made it.
        drawn: the items whose motion is known and drawn.
        checks: how many attention checks there are.
        ties: whether "no difference" is an answer.
        secret: what the names of the files are made with, 32 hexadecimal digits.

    Raises:
        InputError: these contradict one another.
    """

    models: tuple[str, ...]
    videos: Mapping[str, tuple[str, ...]]
    drawn: frozenset[str]
    checks: int
    ties: bool
    secret: str = attrs.field(factory=lambda: secrets.token_hex(16), repr=False)

    def __attrs_post_init__(self) -> None:
        faults = {
            "models": 2 <= len(self.models) == len(set(self.models)),
            "videos": bool(self.videos) and all(map(self._made, self.videos.values())),
            "drawn": self.drawn <= self.videos.keys(),
            "checks": 0 <= self.checks <= MOST_CHECKS,
            "secret": re.fullmatch("[0-9a-f]{32}", self.secret) is not None,
        }
        bad = [name for name, holds in faults.items() if not holds]
        if bad:
            raise InputError(
                f"A study's {bad[0]} cannot be {getattr(self, bad[0])!r:.60}, beside the models "
                f"{self.models!r:.60}."
            )

    def _made(self, models: tuple[str, ...]) -> bool:
        return 2 <= len(models) == len(set(models)) and set(models) <= set(self.models)

    @property
    def pairs(self) -> list[Pair]:
        """Every comparison there is: each item, each two models that made it."""
        return [
            Pair(item, first, second)
            for item, models in self.videos.items()
            for first, second in itertools.combinations(models, 2)
        ]

    @property
    def key(self) -> str:
        """A public name of this study, so that a browser keeps two apart."""
        return self._name("study")

    def questions(self, item: str) -> tuple[str, ...]:
        """What is asked of an item."""
        return tuple(name for name in QUESTIONS if name != ALIGNMENT or item in self.drawn)

    def video(self, item: str, model: str) -> str:
        """Name of the file with a model's video."""
        return f"{self._name('video', item, model)}.mp4"

    def drawing(self, item: str) -> str:
        """Name of the file with the drawn motion of an item."""
        return f"{self._name('drawing', item)}.png"

    def check_item(self, index: int) -> str:
        """The item that an attention check shows."""
        return random.Random(f"{self.secret} {index}").choice(list(self.videos))

    def check(self, index: int, intact: bool) -> str:
        """Name of the file with one side of an attention check."""
        return f"{self._name('check', str(index), str(intact))}.mp4"

    def _name(self, *words: str) -> str:
        text = "\0".join(words).encode("utf-8", "surrogateescape")
        return hmac.new(bytes.fromhex(self.secret), text, hashlib.sha256).hexdigest()[:32]

    def media(self) -> frozenset[str]:
        """The name of every file that raters may see."""
        return frozenset(
            [self.video(item, model) for item, models in self.videos.items() for model in models]
            + [self.drawing(item) for item in self.drawn]
            + [self.check(index, side) for index in range(self.checks) for side in (True, False)]
        )

    def save(self, folder: Path) -> Path:
        """Write ``study.json``."""
        data = attrs.asdict(self) | {"format": FORMAT, "drawn": sorted(self.drawn)}
        text = json.dumps(data, indent=1) + "\n"
        return write_atomically(
            folder / STUDY, lambda part: part.write_text(text, encoding="utf-8")
        )

    @classmethod
    def load(cls, folder: Path) -> Study:
        """Read the study in a folder.

        Raises:
            InputError: there is none, or it is damaged.
        """
        path = folder / STUDY
        try:
            data: Any = parse_json(read_bytes(path), f"The study {str(path)!r}", InputError)
        except OSError as error:
            raise InputError(
                f"There is no study in {str(folder)!r}: {path.name} cannot be read "
                f"({error.strerror})."
            ) from None
        form = data.pop("format", None) if isinstance(data, dict) else None
        if form != FORMAT:
            raise InputError(f"{str(path)!r} must say 'format': {FORMAT!r}, got {form!r:.60}.")
        try:
            return from_mapping(cls, data, "The study")
        except InputError as error:
            raise InputError(f"{str(path)!r} is damaged: {error}") from None
