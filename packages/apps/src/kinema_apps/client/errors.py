"""What a service may answer instead of what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.errors import InputError, KinemaError

if TYPE_CHECKING:
    from kinema_apps.client.records import Job


class ServiceError(KinemaError):
    """The service refused a request, or could not be reached.

    Attributes:
        status: of HTTP; 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Refused(ServiceError, InputError):
    """The caller asked for something that cannot be made, or is not there."""

    exit_code = 2


class Busy(ServiceError):
    """The queue is full.

    Attributes:
        wait_seconds: after which it is worth to try again, as the service estimates.
    """

    def __init__(self, message: str, status: int, wait_seconds: float) -> None:
        super().__init__(message, status)
        self.wait_seconds = wait_seconds


class JobFailed(KinemaError):
    """A job ended without a video.

    Attributes:
        job: as it ended.
        code: why, in one word, such as ``memory``.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.code = job, job.error_code
        super().__init__(f"The job {job.id} failed: {job.error_message}")
