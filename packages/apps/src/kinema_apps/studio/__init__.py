"""The studio: a page on which people say what in a photo should move, and see it move.

:func:`app` is the service of :mod:`kinema_apps.service` with the page and what it needs beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kinema.extras import require
from kinema_apps.service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kinema_apps.service.engines import Engine
    from kinema_apps.studio.annotation import Annotation

__all__ = ["EDITOR", "WEB", "app"]

require("fastapi", "kinema-apps[studio]", "The studio")

#: What the browser loads, as it is: no step builds it.
WEB = Path(__file__).parent / "web"

#: The element ``<kinema-editor>`` alone, a package of the npm form.
EDITOR = WEB / "editor"


def app(
    settings: Settings, *, annotation: Annotation | None = None, engine: Engine | None = None
) -> FastAPI:
    """The application: the service, the page at ``/studio/``, and its live preview.

    Args:
        settings: of the service.
        annotation: photos that people annotate with this page; None has no such mode.
        engine: where jobs are made; the one that the settings name unless given.

    Raises:
        ExtraError: the extra ``kinema-apps[studio]`` is not installed.
        InputError: a backbone of the settings is not installed, or has no such option.
    """
    from kinema_apps.service.application import application
    from kinema_apps.studio.pages import add_pages
    from kinema_apps.studio.routes import router

    made = application(settings, open_paths=("/", "/studio", "/studio/"), engine=engine)
    made.include_router(router(settings, annotation))
    add_pages(made)
    return made
