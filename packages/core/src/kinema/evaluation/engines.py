"""The same work in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from kinema.errors import KinemaError
from kinema.evaluation.job import Job, Unit, work
from kinema.extras import require

#: How often units are given to a worker before a lost one counts as their fault.
TRIES = 3

#: Units that a task does; a model is opened once per process.
CHUNK = 4

Chunk = tuple[Unit, ...]


def chunks(units: Sequence[Unit]) -> list[Chunk]:
    """Units in groups of one model each, so that no worker changes the model within one."""
    made: list[Chunk] = []
    for unit in units:
        if made and len(made[-1]) < CHUNK and made[-1][0][0] == unit[0]:
            made[-1] = (*made[-1], unit)
        else:
            made.append((unit,))
    return made


def in_processes(job: Job, units: Sequence[Unit], workers: int) -> Iterator[int]:
    """Do the units in a pool; those that a lost worker may have had are tried again.

    Raises:
        KinemaError: a worker was lost again and again.
    """
    waiting = list(reversed(chunks(units)))
    tries = dict.fromkeys(waiting, 0)
    while waiting:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context)
        running: dict[Future[Any], Chunk] = {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running[pool.submit(work, job, waiting[-1])] = waiting[-1]
                    waiting.pop()
                ready, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                    yield len(running.pop(future))
        except BrokenProcessPool:
            for chunk in running.values():
                tries[chunk] += 1
                if tries[chunk] >= TRIES:
                    raise _lost(chunk) from None
            waiting.extend(running.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def on_ray(job: Job, units: Sequence[Unit], workers: int) -> Iterator[int]:
    """Do the units as tasks of Ray, which tries those again whose worker or node is lost.

    Ray is started on this machine unless it runs already or ``RAY_ADDRESS`` names a cluster.

    Raises:
        ExtraError: Ray is not installed.
        KinemaError: a task failed, or Ray did.
    """
    require("ray", "kinema[ray]", "The engine 'ray'")
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises plain ones when its processes do not come up
            raise KinemaError(f"Ray could not be started: {error}") from error
    try:
        yield from _tasks(job, chunks(units), workers)
    except ray.exceptions.RayError as error:
        raise KinemaError(
            f"Ray could not finish the evaluation: {str(error).strip().splitlines()[-1]} Finished "
            "videos stay; run the same again to go on."
        ) from error
    finally:
        if started:
            ray.shutdown()


def _tasks(job: Job, todo: Sequence[Chunk], workers: int) -> Iterator[int]:
    import ray

    cluster = ray.cluster_resources()
    gpus = 1 if cluster.get("GPU", 0) >= 1 else 0
    most = workers or max(1, int(cluster["GPU"] if gpus else cluster.get("CPU", 1)))
    make = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=TRIES - 1)(work)
    told = ray.put(job)
    waiting = list(reversed(todo))
    running: dict[Any, Chunk] = {}
    while waiting or running:
        while waiting and len(running) < most:
            chunk = waiting.pop()
            running[make.remote(told, chunk)] = chunk
        ready, _ = ray.wait(list(running))
        for reference in ready:
            try:
                ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            yield len(running.pop(reference))


def _lost(chunk: Chunk) -> KinemaError:
    model, item, _ = chunk[0]
    return KinemaError(
        f"A worker was lost {TRIES} times at the model {model!r}, items from {item.key!r} on; the "
        "system may have ended it for want of memory. Try fewer workers. Finished videos stay; "
        "run the same again to go on."
    )
