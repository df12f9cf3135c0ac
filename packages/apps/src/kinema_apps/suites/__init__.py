"""Named suites: the tables and figures of MotionPro's paper, run by anyone, beside its numbers."""

from kinema_apps.suites.named import SUITES, Row, Suite, suite_of
from kinema_apps.suites.table import beside_papers, table

__all__ = ["SUITES", "Row", "Suite", "beside_papers", "suite_of", "table"]
