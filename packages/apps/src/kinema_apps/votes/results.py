"""What the votes of a study say: shares with intervals, agreement, and tables of both."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from kinema.files import write_atomically
from kinema_apps.votes.agreement import Disagreement, disagreement, pooled
from kinema_apps.votes.store import SAME, Trial, Vote, VoteStore
from kinema_apps.votes.study import QUESTIONS, Pair

#: What tells an attentive rater; the drawing says nothing of a video in disorder.
CHECKED = ("motion-quality", "temporal-coherence")

#: A rater who saw at least one check counts from this share of right answers on.
PASSED = 2 / 3

#: How often raters and items are drawn again, how many at once, and the seed of that.
RESAMPLES = 2000
_CHUNK = 200
SEED = 0


@attrs.frozen(kw_only=True)
class Answer:
    """One answer to one question.

    Attributes:
        winner: the model that was chosen; None for "no difference".
    """

    rater: str
    pair: Pair
    question: str
    winner: str | None


@attrs.frozen(kw_only=True)
class Share:
    """How often a model was preferred.

    Attributes:
        against: the other model; empty for all others together, where there are several.
        count: answers; raters, items: how many gave and got them.
        share: of the answers that chose ``model``; "no difference" counts half.
        low, high: 95 % interval. Raters and items are both drawn again, independently (the
            pigeonhole bootstrap, Owen 2007). Where all answers are the same, which a bootstrap
            cannot widen, the exact binomial interval of as many answers as there are items.
        alpha: Krippendorff's alpha of the answers; None if it is unknown.
    """

    question: str
    model: str
    against: str
    count: int
    raters: int
    items: int
    share: float
    low: float
    high: float
    alpha: float | None


@attrs.frozen(kw_only=True)
class Results:
    """A study's outcome.

    Attributes:
        shares: each model against each other, and against all.
        votes: trials answered by raters who count, attention checks left out.
        raters: how many of them answered any.
        inattentive: raters whose answers are left out, since they failed the attention checks.
    """

    shares: tuple[Share, ...]
    votes: int
    raters: int
    inattentive: tuple[str, ...]

    def markdown(self) -> str:
        """The shares as a table, and who was left out."""
        lines = [
            "| Question | Model | Against | Preferred | 95 % interval | Answers | Agreement |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for one in self.shares:
            agreed = "unknown" if one.alpha is None else f"{one.alpha:.2f}"
            lines.append(
                f"| {one.question} | {one.model} | {one.against or 'all others'} | "
                f"{one.share:.1%} | {one.low:.1%} to {one.high:.1%} | {one.count} | {agreed} |"
            )
        lines += ["", f"{self.votes} comparisons by {self.raters} raters."]
        if self.inattentive:
            lines.append(
                f"Left out for failing the attention checks: {', '.join(self.inattentive)}."
            )
        return "\n".join(lines) + "\n"


def count_votes(store: VoteStore, keep_inattentive: bool = False) -> Results:
    """Count the votes of a study.

    Args:
        store: the votes.
        keep_inattentive: whether raters who failed the attention checks count as well.
    """
    failed = () if keep_inattentive else inattentive(store)
    answers = [
        answer
        for (rater, index), vote in store.votes.items()
        for answer in _answers(vote, store.trials[rater][index], store)
        if rater not in failed
    ]
    shares = []
    for question in QUESTIONS:
        asked = [answer for answer in answers if answer.question == question]
        for model in store.study.models:
            own = [a for a in asked if model in (a.pair.first, a.pair.second)]
            others = [m for m in store.study.models if m != model]
            # Of two models, all others are the other one.
            for against in ("", *others) if len(others) > 1 else others:
                met = [a for a in own if not against or against in (a.pair.first, a.pair.second)]
                if met:
                    shares.append(_share(question, model, against, met))
    kept = {
        key: store.trials[key[0]][key[1]]
        for key in store.votes
        if store.trials[key[0]][key[1]].check is None and key[0] not in failed
    }
    return Results(
        shares=tuple(shares),
        votes=len(kept),
        raters=len({rater for rater, _ in kept}),
        inattentive=tuple(failed),
    )


def inattentive(store: VoteStore) -> tuple[str, ...]:
    """Raters who got fewer than two thirds of their attention checks right."""
    seen: dict[str, list[bool]] = {}
    for (rater, index), vote in store.votes.items():
        trial = store.trials[rater][index]
        if trial.check is not None:
            seen.setdefault(rater, []).append(check_passed(vote, trial))
    return tuple(r for r, passed in seen.items() if sum(passed) / len(passed) < PASSED - 1e-9)


def check_passed(vote: Vote, trial: Trial) -> bool:
    """Whether the intact video was chosen wherever it had to be."""
    side = "a" if trial.a == "intact" else "b"
    return all(vote.answers[question] == side for question in CHECKED)


def _answers(vote: Vote, trial: Trial, store: VoteStore) -> Iterable[Answer]:
    if trial.check is not None:
        return
    pair = store.pair_of(trial)
    for question, said in vote.answers.items():
        winner = {"a": trial.a, "b": trial.b}.get(said)
        yield Answer(rater=vote.rater, pair=pair, question=question, winner=winner)


def _share(question: str, model: str, against: str, answers: Sequence[Answer]) -> Share:
    wins = np.array([0.5 if a.winner is None else float(a.winner == model) for a in answers])
    raters, rater = np.unique([a.rater for a in answers], return_inverse=True)
    items, item = np.unique([a.pair.item for a in answers], return_inverse=True)
    low, high = _interval(wins, rater, item)
    return Share(
        question=question,
        model=model,
        against=against,
        count=len(answers),
        raters=len(raters),
        items=len(items),
        share=float(wins.mean()),
        low=low,
        high=high,
        alpha=_alpha(answers),
    )


def _alpha(answers: Sequence[Answer]) -> float | None:
    """Over the items of each two models; pooled where there are several."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for answer in answers:
        units = groups.setdefault((answer.pair.first, answer.pair.second), {})
        units.setdefault(answer.pair.item, []).append(answer.winner or "")
    parts: list[Disagreement] = [disagreement(units.values()) for units in groups.values()]
    return pooled(parts)


def _interval(wins: Any, rater: Any, item: Any) -> tuple[float, float]:
    if wins.min() == wins.max() != 0.5:
        from scipy.stats import binomtest

        count = len(np.unique(item))
        exact = binomtest(count if wins[0] else 0, count).proportion_ci()
        return float(exact.low), float(exact.high)
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(RESAMPLES // _CHUNK):
        weights = _draws(rng, rater)[:, rater] * _draws(rng, item)[:, item]
        total = weights.sum(-1)
        # A resample may hold no answer at all: a rater saw only some of the items.
        shares = np.divide((weights * wins).sum(-1), total, out=np.full(_CHUNK, np.nan),
                           where=total > 0)  # fmt: skip
        drawn.append(shares)
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    return float(low), float(high)


def _draws(rng: np.random.Generator, labels: Any) -> Any:
    """How often each of the labelled is drawn, ``(_CHUNK, labels)``."""
    count = int(labels.max()) + 1
    return rng.multinomial(count, np.full(count, 1 / count), size=_CHUNK)


# -- tables ---------------------------------------------------------------------------------------


def write_votes(store: VoteStore, path: Path) -> Path:
    """Every answer as a row of CSV, attention checks included."""
    failed = inattentive(store)

    def rows() -> Iterable[dict[str, Any]]:
        for (rater, index), vote in store.votes.items():
            trial = store.trials[rater][index]
            check = trial.check is not None
            for question, said in vote.answers.items():
                yield {
                    "rater": rater,
                    "trial": index,
                    "item": trial.item,
                    "a": trial.a,
                    "b": trial.b,
                    "question": question,
                    "answer": said,
                    "chosen": "" if said == SAME else {"a": trial.a, "b": trial.b}[said],
                    "attention_check": int(check),
                    "check_passed": int(check_passed(vote, trial)) if check else "",
                    "rater_left_out": int(rater in failed),
                    "seconds": vote.seconds,
                    "at": vote.at,
                }

    return _write(path, list(rows()), _VOTE_COLUMNS)


_VOTE_COLUMNS = (
    "rater", "trial", "item", "a", "b", "question", "answer", "chosen", "attention_check",
    "check_passed", "rater_left_out", "seconds", "at",
)  # fmt: skip


def write_shares(results: Results, path: Path) -> Path:
    """Every share as a row of CSV; an unknown alpha is empty."""
    rows = [attrs.asdict(share) for share in results.shares]
    return _write(path, rows, tuple(attribute.name for attribute in attrs.fields(Share)))


def _write(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)

    return write_atomically(path, write)


def _cell(value: Any) -> Any:
    """Text that a spreadsheet takes for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
