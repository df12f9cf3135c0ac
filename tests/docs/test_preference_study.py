"""The code of docs/how-to/preference-study.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema_apps.votes.store import Vote

pytestmark = pytest.mark.all_packages


def test_votes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study").mkdir()
    videos = {str(item): ("ours", "theirs") for item in range(10)}

    # --8<-- [start:count]
    from kinema_apps.votes.results import count_votes
    from kinema_apps.votes.store import VoteStore
    from kinema_apps.votes.study import Study

    # --8<-- [end:count]
    made = Study(models=("ours", "theirs"), videos=videos, drawn=frozenset(), checks=0, ties=False)
    made.save(Path("study"))
    asked = VoteStore(Path("study"), made)
    for rater in ("ann", "bob", "cy"):
        for number, trial in enumerate(asked.enrol(rater, "now")):
            side = "a" if (trial.a == "ours") == (int(trial.item) < 8) else "b"
            answers = dict.fromkeys(made.questions(trial.item), side)
            asked.add(Vote(rater=rater, trial=number, answers=answers, seconds=9.0, at="now"))

    # --8<-- [start:shares]
    folder = Path("study")
    results = count_votes(VoteStore(folder, Study.load(folder)))
    for share in results.shares:
        print(share.question, share.model, share.share, (share.low, share.high), share.alpha)
    # --8<-- [end:shares]
    ours = results.shares[0]
    assert (ours.model, ours.share, ours.alpha) == ("ours", 0.8, 1.0)
    assert ours.low < 0.8 < ours.high
