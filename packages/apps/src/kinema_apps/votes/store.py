"""The votes of a study: one JSON line each, on the disk before it is confirmed."""

from __future__ import annotations

import json
import os
import random
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from kinema.config import from_mapping
from kinema.errors import InputError
from kinema.files import parse_json
from kinema_apps.votes.study import VOTES, Pair, Study

#: What a rater may be called.
RATER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

#: More raters than this are refused, so that nobody fills the disk.
MOST_RATERS = 10_000

#: The sides of the page, and the answer that needs ``Study.ties``.
SIDES = ("a", "b")
SAME = "same"


@attrs.frozen(kw_only=True)
class Trial:
    """One screen of one rater: what is on side a and on side b.

    Attributes:
        item: what was animated.
        a, b: models; of an attention check, ``intact`` and ``broken``.
        check: which attention check it is, or None.
    """

    item: str
    a: str
    b: str
    check: int | None = None


@attrs.frozen(kw_only=True)
class Vote:
    """One rater's answers to one trial: for each question ``a``, ``b`` or ``same``."""

    rater: str
    trial: int
    answers: Mapping[str, str]
    seconds: float
    at: str


@attrs.frozen(kw_only=True)
class _Enrolled:
    """A rater, and what that one is shown."""

    rater: str
    at: str
    trials: tuple[Trial, ...]


class VoteStore:
    """Raters, what each is shown, and what each answered.

    A line is written whole and flushed to the disk before :meth:`enrol` or :meth:`add` returns.
    What a kill cut off in the middle was never confirmed; it is cut away when the file is opened
    again.

    Args:
        folder: of the study.
        study: what is compared.
        per_rater: comparisons shown to each rater, at most; attention checks come on top.
        votes_per_pair: raters per comparison, before comparisons without votes are begun.

    Raises:
        InputError: a line is damaged, other than the last.
    """

    def __init__(
        self, folder: Path, study: Study, per_rater: int = 30, votes_per_pair: int = 3
    ) -> None:
        self.path = folder / VOTES
        self.study = study
        self.per_rater, self.votes_per_pair = per_rater, votes_per_pair
        self.trials: dict[str, list[Trial]] = {}
        self.votes: dict[tuple[str, int], Vote] = {}
        self._writing = threading.Lock()
        for line in _whole_lines(self.path):
            self._take(line)

    def enrol(self, rater: str, at: str) -> list[Trial]:
        """What a rater is shown; the same again for one who comes back.

        Raises:
            InputError: the name is none, or there are too many raters.
        """
        if not RATER.fullmatch(rater):
            raise InputError(f"A rater's name has 1 to 64 of A-Z a-z 0-9 _ -, got {rater[:80]!r}.")
        with self._writing:
            if rater not in self.trials:
                if len(self.trials) >= MOST_RATERS:
                    raise InputError(f"This study has {MOST_RATERS} raters and takes no more.")
                trials = [attrs.asdict(trial) for trial in self._drawn(rater)]
                self._write({"record": "rater", "rater": rater, "at": at, "trials": trials})
            return self.trials[rater]

    def add(self, vote: Vote) -> bool:
        """Keep a vote; False if this trial was answered before, in which case that answer stays.

        Raises:
            InputError: the rater, the trial, a question or an answer is none of this study.
        """
        with self._writing:
            self._check_vote(vote)
            if (vote.rater, vote.trial) in self.votes:
                return False
            self._write({"record": "vote"} | attrs.asdict(vote))
            return True

    def _drawn(self, rater: str) -> list[Trial]:
        """A new rater's trials.

        Comparisons that others have begun come first until each has ``votes_per_pair`` raters:
        agreement can only be seen where several answer the same. Order and sides are the rater's
        own.
        """
        rng = random.Random(f"{self.study.secret} {rater}")
        shown: dict[Pair, int] = {}
        for trials in self.trials.values():
            for trial in trials:
                if trial.check is None:
                    pair = self.pair_of(trial)
                    shown[pair] = shown.get(pair, 0) + 1
        pairs = self.study.pairs
        rng.shuffle(pairs)

        def rank(pair: Pair) -> tuple[bool, int]:
            times = shown.get(pair, 0)
            full = times >= self.votes_per_pair
            return full, times if full else -times

        chosen = sorted(pairs, key=rank)[: self.per_rater]
        rng.shuffle(chosen)
        trials = []
        for pair in chosen:
            a, b = rng.sample((pair.first, pair.second), 2)
            trials.append(Trial(item=pair.item, a=a, b=b))
        for index in range(self.study.checks):
            a, b = rng.sample(("intact", "broken"), 2)
            check = Trial(item=self.study.check_item(index), a=a, b=b, check=index)
            trials.insert(rng.randint(1, len(trials)), check)
        return trials

    def pair_of(self, trial: Trial) -> Pair:
        """Which comparison a trial is, whatever side each model is on."""
        first, second = sorted((trial.a, trial.b), key=self.study.models.index)
        return Pair(trial.item, first, second)

    def _write(self, record: Mapping[str, Any]) -> None:
        data = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        new = not self.path.exists()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(file, data)
            if written != len(data):
                os.ftruncate(file, os.fstat(file).st_size - written)
                raise OSError("the disk is full")
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            _flush_folder(self.path.parent)
        self._take(data)

    def _take(self, line: bytes) -> None:
        what = f"A line of {str(self.path)!r}"
        data = parse_json(line, what, InputError)
        kind = data.pop("record", None) if isinstance(data, dict) else None
        if kind == "rater":
            enrolled = from_mapping(_Enrolled, data, what)
            for trial in enrolled.trials:
                self._check_trial(trial, what)
            self.trials[enrolled.rater] = list(enrolled.trials)
        elif kind == "vote":
            vote = from_mapping(Vote, data, what)
            try:
                self._check_vote(vote)
            except InputError as error:
                raise InputError(f"{what} is no vote of this study: {error}") from None
            self.votes[vote.rater, vote.trial] = vote
        else:
            raise InputError(f"{what} is neither a rater nor a vote: {line[:60]!r}.")

    def _check_trial(self, trial: Trial, what: str) -> None:
        study, sides = self.study, {trial.a, trial.b}
        made = study.videos.get(trial.item, ())
        if trial.check is None:
            fits = len(sides) == 2 and sides <= set(made)
        else:
            fits = sides == {"intact", "broken"} and 0 <= trial.check < study.checks
        if not made or not fits:
            raise InputError(f"{what} has a comparison that is none of this study: {trial!r:.200}.")

    def _check_vote(self, vote: Vote) -> None:
        trials = self.trials.get(vote.rater)
        if trials is None:
            raise InputError("Nobody of that name takes part in this study.")
        if not 0 <= vote.trial < len(trials):
            raise InputError(f"There is no comparison {vote.trial!r}.")
        asked = self.study.questions(trials[vote.trial].item)
        allowed = (*SIDES, SAME) if self.study.ties else SIDES
        wrong = {name: said for name, said in vote.answers.items() if said not in allowed}
        if set(vote.answers) != set(asked) or wrong:
            raise InputError(f"Each of {', '.join(asked)} wants one of {', '.join(allowed)}.")


def _flush_folder(folder: Path) -> None:
    """So that a file made in it is found after a power cut. Windows has no such thing."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file; what a kill cut off at its end is cut away."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return data[:whole].splitlines()
