"""A skipped test fails if LEUKOFLOW_NO_SKIPS is set, so that CI cannot pass on tests that it never ran."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = {
    "test_one.py": "import pytest\n\ndef test_browser():\n    pytest.skip('no browser')\n\ndef test_other(): pass\n",
    "test_file.py": "import pytest\npytest.importorskip('no_such_package')\n",
    "test_data.py": "import pytest\n@pytest.mark.skipif(True, reason='LEUKOFLOW_DATA')\ndef test_real(): pass\n",
}


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({}, "1 passed, 3 skipped"),
        ({"LEUKOFLOW_NO_SKIPS": "1"}, "1 failed, 1 passed, 1 skipped, 1 error"),
        ({"LEUKOFLOW_NO_SKIPS": "1", "LEUKOFLOW_DATA": "/somewhere"}, "1 failed, 1 passed, 2 errors"),
    ],
)
def test_a_skip_is_a_failure_where_nothing_may_be_skipped(
    tmp_path: Path, variables: dict[str, str], outcome: str
) -> None:
    shutil.copy(CONFTEST, tmp_path)
    for name, text in TESTS.items():
        (tmp_path / name).write_text(text)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LEUKOFLOW_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=plain | variables, capture_output=True, text=True)
    assert outcome in done.stdout.splitlines()[-1], done.stdout
    assert (done.returncode == 0) == ("LEUKOFLOW_NO_SKIPS" not in variables)
    assert ("no browser" in done.stdout) == ("LEUKOFLOW_NO_SKIPS" in variables)
