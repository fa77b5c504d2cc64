"""Remove the lock that a killed Snakemake left in this folder, unless one is still at work here."""

import os
import subprocess
import sys
from pathlib import Path

import psutil


def working_here() -> bool:
    """Whether another Snakemake runs in this folder."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or ())
        if process.pid != os.getpid() and "snakemake" in command and process.info["cwd"] == str(Path.cwd()):
            return True
    return False


if any(Path(".snakemake/locks").glob("*")):
    if working_here():
        sys.exit("error: Snakemake is already at work in this folder; wait for it to end")
    subprocess.run(["snakemake", "--unlock"], check=True)
