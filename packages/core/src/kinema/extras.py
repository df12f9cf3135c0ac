"""Packages that only some of the work needs, and the extra of a distribution that brings each."""

from __future__ import annotations

from importlib.util import find_spec

from kinema.errors import ExtraError


def require(package: str, extra: str, work: str) -> None:
    """Refuse work that needs an absent package; the package itself is not imported.

    Call it in the function that imports the package, just before. A plugin that cannot do anything
    without a package calls it in its module: it then counts as not installed instead of broken.

    Args:
        package: as it is imported, such as ``pyarrow``.
        extra: what brings it, as one types it, such as ``kinema[training]``.
        work: what needs it; the message begins with it.

    Raises:
        ExtraError: the package is absent.
    """
    if find_spec(package) is None:
        raise ExtraError(f'{work} needs {package}, which is not installed: pip install "{extra}".')
