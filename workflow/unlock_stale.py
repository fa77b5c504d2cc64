"""Make a folder ready after a killed Snakemake, unless one is still at work in it.

Its lock is removed, and what it left in a SLURM queue is cancelled: nobody waits for those jobs, and the next Snakemake
would submit the same ones next to them. A training that is cancelled goes on after its last epoch.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil


def working_here() -> bool:
    """Whether another Snakemake runs in this folder; those that cluster jobs start for themselves do not count."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        called = {Path(part).name for part in command[:4]}  # snakemake, or python -m snakemake
        a_workflow = "snakemake" in called and "--target-jobs" not in command
        if process.pid != os.getpid() and a_workflow and process.info["cwd"] == str(Path.cwd()):
            return True
    return False


def queued_here() -> list[str]:
    """This user's SLURM jobs that were submitted in this folder."""
    if shutil.which("squeue") is None:
        return []
    done = subprocess.run(["squeue", "--me", "--noheader", "--format=%A %Z"], capture_output=True, text=True)
    lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return sorted({job for job, folder in lines if folder == str(Path.cwd())})


if any(Path(".snakemake/locks").glob("*")):
    if working_here():
        sys.exit("error: Snakemake is already at work in this folder; wait for it to end")
    if jobs := queued_here():
        print(f"cancelling {len(jobs)} SLURM jobs that nobody waits for")
        subprocess.run(["scancel", *jobs], check=True)
        while queued_here():
            time.sleep(1)
    subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], check=True)
