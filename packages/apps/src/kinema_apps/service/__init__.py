"""The service behind ``kinema serve``: jobs over HTTP, kept through restarts.

:func:`app` makes the application, which other applications extend::

    import kinema_apps.service as service

    application = service.app(service.Settings(folder="jobs"), open_paths=["/studio/"])
    application.mount("/studio", pages)

Importing it raises a :class:`kinema.ExtraError` where the extra ``kinema-apps[studio]`` is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinema.extras import require
from kinema_apps.service.settings import BackboneSettings, Limits, Retention, Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["BackboneSettings", "Limits", "Retention", "Settings", "app"]

#: What the extra brings, as it is imported.
PACKAGES = ("fastapi", "filelock", "msgspec", "prometheus_client", "sqlalchemy", "uvicorn")

for _package in PACKAGES:
    require(_package, "kinema-apps[studio]", "The service")


def app(settings: Settings, open_paths: Sequence[str] = ()) -> FastAPI:
    """The application: REST, server-sent events and an OpenAPI document.

    Its store is opened and its worker is started when it begins to serve (the ``lifespan`` of
    ASGI), and closed when it ends. Whatever is mounted on it is behind the same guards: tokens,
    the check of origins, limits and headers.

    Args:
        open_paths: paths that need no token, such as those of pages that ask for one; one that
            ends with ``/`` means all below it, but ``/`` means itself alone.

    Raises:
        InputError: a backbone of the settings is not installed, or has no such option.
    """
    from kinema_apps.service.application import application

    return application(settings, open_paths=open_paths)
