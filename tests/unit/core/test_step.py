"""Steps end as they should: one line for bad input, and the right exit status."""

import argparse
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from leukoflow.core.seeding import generator, stream_seed
from leukoflow.core.shards import shard_count, shard_files, shard_slice
from leukoflow.core.step import texts


def run(code: str) -> subprocess.CompletedProcess[str]:
    program = f"from leukoflow.core.step import run\nfrom leukoflow.core.errors import LeukoFlowError\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_bad_input_is_one_line_and_status_1() -> None:
    done = run("def main(argv): raise LeukoFlowError('a.csv: no column x;\\n add it')\nrun(main)")
    assert (done.returncode, done.stderr) == (1, "error: a.csv: no column x; add it\n")


def test_names_with_line_breaks_forge_no_lines() -> None:
    name = "a.png\\n12:00:00 all is well\\r\\x1b[2K\\u2028b"
    code = f"import logging\ndef main(argv):\n logging.warning('%s is bad', '{name}')\n"
    done = run(code + f" raise LeukoFlowError('{name}: cut')\nrun(main)")
    logged, error = done.stderr.splitlines()
    assert logged[9:] == "a.png\\n12:00:00 all is well\\r\\x1b[2K\\u2028b is bad"
    assert error == "error: a.png 12:00:00 all is well \\x1b[2K b: cut"


def test_classes_are_read_from_a_list_whatever_they_start_with() -> None:
    assert texts('["-Pro", "--x y", "[\\"q\\"]"]') == ["-Pro", "--x y", '["q"]']
    with pytest.raises(argparse.ArgumentTypeError, match="no JSON list"):
        texts("Pro")


def test_status_of_success_and_of_the_step() -> None:
    assert run("run(lambda argv: None)").returncode == 0
    assert run("run(lambda argv: 3)").returncode == 3


def test_the_quick_exit_leaves_nothing_undone() -> None:
    """Threads end, exit handlers run, and what was written to streams arrives; modules are not taken apart."""
    done = run(
        "import atexit, sys, threading, time\n"
        "class Last:\n def __del__(self): print('taken apart')\n"
        "last = Last()\n"
        "def main(argv):\n"
        " atexit.register(print, 'handler')\n"
        " threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\n"
        " sys.stdout.write('main\\n')\n"
        "run(main)"
    )
    assert (done.returncode, done.stdout) == (0, "main\nthread\nhandler\n")


def test_programming_errors_keep_their_traceback() -> None:
    done = run("run(lambda argv: 1 / 0)")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_at_once(number: int, status: int) -> None:
    main = "def main(argv):\n print('up', flush=True)\n time.sleep(60)"
    code = f"from leukoflow.core.step import run\nimport time\n{main}\nrun(main)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    started = time.monotonic()
    os.kill(process.pid, number)
    assert process.wait(10) == status
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("length", "shards"), [(10, 3), (2, 4), (0, 1), (1000, 7)])
def test_shards_cover_everything_once_and_evenly(length: int, shards: int) -> None:
    parts = [list(range(length))[shard_slice(length, shard, shards)] for shard in range(shards)]
    assert sum(parts, []) == list(range(length))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_about_a_thousand_images_a_shard() -> None:
    assert [shard_count(n) for n in (1, 1024, 1025, 1_000_000)] == [1, 1, 2, 512]
    assert shard_files("v", 2)[1].as_posix() == "v/001.npy"


def test_streams_depend_on_every_part_of_their_name() -> None:
    names = [(42, "a", 1), (42, "a", 2), (42, "b", 1), (43, "a", 1), (42, "a", 11), (42, "a1", 1)]
    assert len({stream_seed(*name) for name in names}) == len(names)
    assert np.array_equal(generator(*names[0]).random(3), generator(*names[0]).random(3))
    assert all(0 <= stream_seed(*name) < 2**63 for name in names)
