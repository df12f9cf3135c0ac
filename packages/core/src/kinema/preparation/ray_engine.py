"""The same work on a Ray cluster, or on a local Ray where none is named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kinema.errors import Cancelled, InputError, KinemaError
from kinema.interfaces import ClipItem
from kinema.preparation.config import TRIES
from kinema.preparation.shards import Job, Outcome, work


def run(
    job: Job,
    todo: Sequence[tuple[int, Sequence[ClipItem]]],
    workers: int,
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    """Make each shard as a task of Ray, as many at once as ``workers``.

    Ray is started on this machine unless it runs already or ``RAY_ADDRESS`` names a cluster. The
    folder of the job must be one that all nodes share.

    Raises:
        InputError: Ray is not installed.
        KinemaError: a shard failed, or Ray did.
        Cancelled: ``cancel`` said so.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "The engine 'ray' needs Ray, which is not installed: pip install \"kinema[ray]\"."
        ) from None
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises plain ones when its processes do not come up
            raise KinemaError(f"Ray could not be started: {error}") from error
    try:
        yield from _outcomes(job, todo, workers, cancel)
    except ray.exceptions.RayError as error:
        raise KinemaError(
            f"Ray could not finish the preparation: {str(error).strip().splitlines()[-1]} Finished "
            "shards stay; run the same again to go on."
        ) from error
    finally:
        if started:
            ray.shutdown()


def _outcomes(
    job: Job,
    todo: Sequence[tuple[int, Sequence[ClipItem]]],
    workers: int,
    cancel: Callable[[], bool],
) -> Iterator[Outcome]:
    """One task per shard; Ray tries a shard again whose worker or node is lost."""
    import ray

    make = ray.remote(num_cpus=1, max_retries=TRIES - 1)(work)
    told = ray.put(job)
    waiting = list(reversed(todo))
    running: list[Any] = []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(make.remote(told, *waiting.pop()))
        ready, running = ray.wait(running, timeout=0.5)
        if cancel():
            raise Cancelled("The preparation was cancelled; finished shards stay.")
        for reference in ready:
            try:
                outcome: Outcome = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            yield outcome
