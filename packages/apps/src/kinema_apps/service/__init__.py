"""The service behind ``kinema serve``: jobs over HTTP, kept through restarts.

:func:`app` makes the application, which other applications extend::

    import kinema_apps.service as service

    application = service.app(service.Settings(folder="jobs"))
    application.mount("/studio", pages)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinema.extras import require
from kinema_apps.service.settings import BackboneSettings, Limits, Retention, Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["BackboneSettings", "Limits", "Retention", "Settings", "app"]

#: What the extra brings, as it is imported.
PACKAGES = ("fastapi", "filelock", "msgspec", "multipart", "prometheus_client", "sqlalchemy")


def app(settings: Settings) -> FastAPI:
    """The application: REST, server-sent events and an OpenAPI document.

    Its store is opened and its worker is started when it begins to serve (the ``lifespan`` of
    ASGI), and closed when it ends. Whatever is mounted on it is behind the same guards: tokens,
    the check of origins, limits and headers.

    Raises:
        ExtraError: the extra ``kinema-apps[studio]`` is not installed.
        InputError: a backbone of the settings is not installed, or has no such option.
    """
    check_extra()
    from kinema_apps.service.application import application

    return application(settings)


def check_extra() -> None:
    """Refuse where a package of the extra is absent.

    Raises:
        ExtraError: which one.
    """
    for package in PACKAGES:
        require(package, "kinema-apps[studio]", "The service")
