"""The documentation builds into pages without a warning, offline, and every page is in the contents."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    pages = {path.name for path in tmp_path.glob("*.html")}
    assert {"index.html", "configuration.html", "results.html", "api.html", "changelog.html"} <= pages
    # A signature of the Python API, rendered.
    assert "open_model" in (tmp_path / "api.html").read_text()
    for page in tmp_path.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text()
        )
        assert not loaded, (page.name, loaded)
