"""Votes are kept: across kills, retries and many raters at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.errors import InputError
from kinema_apps.votes.store import Vote, VoteStore
from kinema_apps.votes.study import Study

NOW = "2026-01-01T00:00:00+00:00"


PlainStudy = Callable[..., Study]


def vote(store: VoteStore, rater: str, trial: int, said: str = "a") -> bool:
    asked = store.study.questions(store.trials[rater][trial].item)
    answers = dict.fromkeys(asked, said)
    return store.add(Vote(rater=rater, trial=trial, answers=answers, seconds=1.0, at=NOW))


def test_a_rater_who_comes_back_sees_the_same_and_loses_nothing(
    tmp_path: Path, plain: PlainStudy
) -> None:
    store = VoteStore(tmp_path, plain())
    trials = store.enrol("ann", NOW)
    assert vote(store, "ann", 3)
    again = VoteStore(tmp_path, plain())
    assert again.enrol("ann", NOW) == trials
    assert list(again.votes) == [("ann", 3)]


def test_order_and_sides_are_the_raters_own(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain(items=20, models=2, checks=0))
    ann, bob = store.enrol("ann", NOW), store.enrol("bob", NOW)
    assert [trial.item for trial in ann] != [trial.item for trial in bob]
    sides = {trial.item: trial.a for trial in ann}
    assert 0 < sum(sides[trial.item] != trial.a for trial in bob) < 20
    assert Counter(trial.a for trial in ann).keys() == {"p", "q"}


def test_each_rater_sees_every_check_once_and_never_first(
    tmp_path: Path, plain: PlainStudy
) -> None:
    store = VoteStore(tmp_path, plain(checks=3))
    for index in range(20):
        trials = store.enrol(f"r{index}", NOW)
        assert sorted(t.check for t in trials if t.check is not None) == [0, 1, 2]
        assert trials[0].check is None


def test_comparisons_that_were_begun_are_filled_before_others(
    tmp_path: Path, plain: PlainStudy
) -> None:
    store = VoteStore(tmp_path, plain(items=9, models=2, checks=0), per_rater=3, votes_per_pair=2)
    seen = [{trial.item for trial in store.enrol(f"r{index}", NOW)} for index in range(6)]
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert seen[4] == seen[5]
    assert seen[0] | seen[2] | seen[4] == {str(item) for item in range(9)}


def test_the_first_answer_stays(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain())
    store.enrol("ann", NOW)
    assert vote(store, "ann", 0, "a")
    assert not vote(store, "ann", 0, "b")
    assert set(VoteStore(tmp_path, plain()).votes["ann", 0].answers.values()) == {"a"}


def test_what_is_no_vote_is_refused_and_not_written(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain())
    store.enrol("ann", NOW)
    before = store.path.read_bytes()
    with pytest.raises(InputError, match="Nobody of that name"):
        store.add(Vote(rater="eve", trial=0, answers={}, seconds=0, at=NOW))
    with pytest.raises(InputError, match="no comparison 99"):
        store.add(Vote(rater="ann", trial=99, answers={}, seconds=0, at=NOW))
    with pytest.raises(InputError, match="wants one of a, b"):
        vote(store, "ann", 0, "same")
    with pytest.raises(InputError, match="Each of motion-quality, temporal-coherence"):
        store.add(Vote(rater="ann", trial=0, answers={"motion-quality": "a"}, seconds=0, at=NOW))
    with pytest.raises(InputError, match="A rater's name has"):
        store.enrol("../../x", NOW)
    assert store.path.read_bytes() == before


def test_a_line_that_a_kill_cut_off_is_cut_away(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain())
    store.enrol("ann", NOW)
    vote(store, "ann", 0)
    with store.path.open("ab") as file:
        file.write(b'{"record":"vote","rater":"ann","tri')
    again = VoteStore(tmp_path, plain())
    assert list(again.votes) == [("ann", 0)]
    vote(again, "ann", 1)
    assert list(VoteStore(tmp_path, plain()).votes) == [("ann", 0), ("ann", 1)]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain())
    store.enrol("ann", NOW)
    store.path.write_bytes(b"{}\n" + store.path.read_bytes())
    with pytest.raises(InputError, match="is neither a rater nor a vote"):
        VoteStore(tmp_path, plain())


def test_many_raters_at_once_lose_nothing(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain())

    def take_part(rater: str) -> None:
        for index in range(len(store.enrol(rater, NOW))):
            vote(store, rater, index)

    threads = [threading.Thread(target=take_part, args=(f"r{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = VoteStore(tmp_path, plain())
    assert len(again.trials) == 8
    assert again.votes == store.votes
    assert len(again.votes) == sum(len(trials) for trials in again.trials.values())


VOTING = """
import sys
from pathlib import Path
from kinema_apps.votes.store import Vote, VoteStore
from kinema_apps.votes.study import Study
folder = Path(sys.argv[1])
store = VoteStore(folder, Study.load(folder), per_rater=10**6)
trials = store.enrol("ann", "now")
for index, trial in enumerate(trials):
    answers = dict.fromkeys(store.study.questions(trial.item), "a")
    store.add(Vote(rater="ann", trial=index, answers=answers, seconds=1.0, at="now"))
    print(index, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_kill_loses_no_confirmed_vote(tmp_path: Path, plain: PlainStudy) -> None:
    plain(items=2000).save(tmp_path)
    command = [sys.executable, "-c", VOTING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        confirmed = [int(child.stdout.readline()) for _ in range(40)]
        child.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    kept = VoteStore(tmp_path, Study.load(tmp_path)).votes
    assert set(confirmed) <= {trial for _, trial in kept}
    assert len(kept) < 6000, "it was not killed in the middle"
