"""Calling a service (``kinema serve``) from Python, with and without asyncio.

>>> from kinema_apps.client import Client
>>> with Client("http://127.0.0.1:8765") as client:   # doctest: +SKIP
...     client.animate("photo.jpg", motion, "out.mp4", on_progress=print)

It needs no extra, and loads neither torch nor what the service needs.
"""

from __future__ import annotations

from kinema_apps.client.asynchronous import AsyncClient
from kinema_apps.client.errors import Busy, JobFailed, Refused, ServiceError
from kinema_apps.client.records import Event, Job, Result
from kinema_apps.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Event",
    "Job",
    "Result",
    "Busy",
    "JobFailed",
    "Refused",
    "ServiceError",
]
