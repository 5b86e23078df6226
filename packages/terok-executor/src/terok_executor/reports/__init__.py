"""Reports: what an agent's own hooks say from inside its container. They are claims, and arrive bounded and safe."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_executor.reports.file import ReportBatch as ReportBatch
    from terok_executor.reports.file import ReportCursor as ReportCursor
    from terok_executor.reports.file import first_session as first_session
    from terok_executor.reports.file import read_reports as read_reports
    from terok_executor.reports.report import Report as Report
    from terok_executor.reports.report import parse_report as parse_report
