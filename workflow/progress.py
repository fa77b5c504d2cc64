"""Run Snakemake and say in a few lines how far it is; all that it prints goes to a log.

    python workflow/progress.py --cores 2

A line every tenth of the way, or after twenty seconds: time, steps done, minutes left, what runs. If it fails, the end
of the log is printed. Its exit status is Snakemake's.
"""

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

LOG = Path("logs/snakemake.log")
PAUSE = 20.0
"""Seconds after which a line is printed in any case."""
SHOWN = 40
"""Lines of the log that are printed if it fails."""
_DONE = re.compile(r"(\d+) of (\d+) steps")
_JOB = re.compile(r"Job \d+: (.*)")


def said(seconds: float, done: int, total: int, now: str) -> str:
    """One line on how far it is."""
    left = seconds / done * (total - done) / 60 if done else 0
    rest = f", about {max(1, round(left))} min left" if done and done < total else ""
    clock = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
    return f"{clock:>6}  {done} of {total} steps{rest}{f'  ({now})' if now and done < total else ''}"


def lines_of(run: subprocess.Popen[str]) -> Iterator[str]:
    """The lines that a process prints, and an empty one whenever it is silent for `PAUSE` seconds."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in run.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=PAUSE)
        except queue.Empty:
            yield ""
            continue
        if line is None:
            return
        yield line


def main(arguments: list[str]) -> int:
    """Run Snakemake; its exit status."""
    LOG.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-u", "-m", "snakemake", *arguments]
    print(f"snakemake {' '.join(arguments)}  (everything that it says: {LOG})", flush=True)
    start, printed, tenth, done, total, now = time.monotonic(), time.monotonic(), 0, 0, 0, ""
    with (
        open(LOG, "w", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as run,
    ):
        try:
            for line in lines_of(run):
                log.write(line)
                log.flush()
                if match := _JOB.match(line):
                    now = match[1]
                if match := _DONE.match(line):
                    done, total = int(match[1]), int(match[2])
                due = time.monotonic() - printed >= PAUSE or (total and 10 * done // total > tenth)
                if total and due:
                    print(said(time.monotonic() - start, done, total, now), flush=True)
                    printed, tenth = time.monotonic(), 10 * done // total
        except KeyboardInterrupt:
            print("stopping: Snakemake ends its jobs; the same command goes on later", flush=True)
            run.wait()
            return 130
        status = run.wait()
    if status:
        print("\n".join(LOG.read_text(encoding="utf-8").splitlines()[-SHOWN:]), file=sys.stderr)
        print(f"Snakemake failed; the whole log is {LOG}, and the same command goes on from there", file=sys.stderr)
    elif not total:
        print("nothing to be done: all results are there and nothing has changed", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
