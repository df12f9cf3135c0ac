"""A plugin that cannot be imported, as after an upgrade gone wrong."""

import a_module_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
