"""What all tests share: if nothing may be skipped, a skipped test is a failed one."""

import os
from collections.abc import Generator

import pytest

NO_SKIPS = "LEUKOFLOW_NO_SKIPS"
DATA = "LEUKOFLOW_DATA"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test."""
    report = yield
    _count(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that is skipped as a whole."""
    report = yield
    _count(report)
    return report


def _count(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure if LEUKOFLOW_NO_SKIPS is set, unless the real images are what is missing."""
    if not os.environ.get(NO_SKIPS) or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if DATA in reason and not os.environ.get(DATA):
        return
    report.outcome = "failed"
    report.longrepr = f"{reason}\nThis test may not be skipped ({NO_SKIPS} is set)."
