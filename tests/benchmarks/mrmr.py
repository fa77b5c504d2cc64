"""Seconds that mRMR takes here and in the packages mrmr-selection and pymrmr, and whether the orders agree.

    python tests/benchmarks/mrmr.py                      # everything
    python tests/benchmarks/mrmr.py --rows 800 --columns 500 --features 100 --mrmr-selection 800x500x20

Each package is run once, at a size at which it ends (ROWSxCOLUMNSxFEATURES); ours at the same size, best of --repeat.
On a busy machine compare the seconds of the CPU. A package that is not installed is left out, and that is said.
OMP_NUM_THREADS sets the number of threads of BLAS.

Float features are noisy mixtures of 60 factors, 8 of which go with one of four labels.
"""

import argparse
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

from leukoflow.config.features import Selection
from leukoflow.features.discretise import three_states
from leukoflow.features.ranking import rank, rank_discrete

# The package mrmr-selection is called mrmr, too: this file must not be taken for it.
sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))

from silenced import silenced  # noqa: E402


def sample(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [rows, columns], labels int [rows]."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, rows)
    factors = rng.normal(size=(rows, 60))
    factors[:, :8] += rng.normal(size=(4, 8))[y]
    mixing = rng.normal(size=(60, columns)) * (rng.random((60, columns)) < 0.15)
    return (factors @ mixing + rng.normal(size=(rows, columns)) * rng.uniform(0.2, 3, columns)).astype(np.float32), y


def best_of(repeat: int, run: Callable[[], np.ndarray]) -> tuple[tuple[float, float], np.ndarray]:
    """Least seconds of several runs, by the clock and of the CPU, and the order that they return."""
    clock, spent, order = [], [], np.zeros(0)
    for _ in range(repeat):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        order = run()
        clock.append(time.perf_counter() - begin)
        spent.append(time.process_time() - begin_cpu)
    return (min(clock), min(spent)), order


def size(text: str) -> tuple[int, int, int]:
    """Rows, columns, features of `2600x200x10`."""
    rows, columns, features = (int(part) for part in text.split("x"))
    return rows, columns, features


Seconds = tuple[float, float]


def compare(name: str, shape: tuple[int, int, int], theirs: Seconds, ours: Seconds, same: bool) -> bool:
    """Print one comparison; whether the orders agree."""
    rows, columns, features = shape
    print(f"{name}, {rows:,} x {columns:,} to {features:,} features: {'same order' if same else 'DIFFERENT ORDER'}")
    for what, slow, fast in zip(("clock", "CPU"), theirs, ours, strict=True):
        print(f"    {what:<6}{slow:9.3f} s   ours {fast:8.4f} s   {slow / fast:8.0f} x", flush=True)
    return same


def run_mrmr_selection(shape: tuple[int, int, int], repeat: int) -> bool:
    """FCQ next to mrmr-selection."""
    from mrmr import mrmr_classif

    x, y = sample(*shape[:2])
    frame, labels = pd.DataFrame(x.astype(np.float64)), pd.Series(y)
    theirs, order = best_of(
        1, lambda: np.array(mrmr_classif(frame, labels, shape[2], n_jobs=1, show_progress=False), np.int64)
    )
    ours, ranked = best_of(repeat, lambda: rank(x, y, Selection(method="fcq", features=shape[2]), 0).order)
    return compare("mrmr-selection FCQ", shape, theirs, ours, np.array_equal(order, ranked))


def run_pymrmr(shape: tuple[int, int, int], method: str, repeat: int) -> bool:
    """MID or MIQ next to pymrmr."""
    import pymrmr

    x, y = sample(*shape[:2])
    codes = three_states(x)
    table = pd.DataFrame(np.column_stack([y, codes]).astype(np.int64), columns=["label", *map(str, range(shape[1]))])
    with silenced():
        theirs, order = best_of(1, lambda: np.array(pymrmr.mRMR(table, method, shape[2])).astype(np.int64))
    selection = Selection(method="mid" if method == "MID" else "miq", features=shape[2])
    ours, ranked = best_of(repeat, lambda: rank_discrete(codes, y, selection).order)
    return compare(f"pymrmr {method}", shape, theirs, ours, np.array_equal(order, ranked))


def main() -> int:
    """Run what is asked for; 1 if an order differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3256)
    parser.add_argument("--columns", type=int, default=6000)
    parser.add_argument("--features", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--mrmr-selection", type=size, default=(2000, 1000, 50), metavar="NxDxK")
    parser.add_argument("--pymrmr", type=size, default=(2600, 200, 10), metavar="NxDxK")
    args = parser.parse_args()
    threads = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, BLAS threads {threads}, load {load}")
    print(f"ours: best of {args.repeat}, from the float32 matrix to the order; {args.rows:,} x {args.columns:,}")
    x, y = sample(args.rows, args.columns)
    for method in ("fcq", "mid", "miq"):
        selection = Selection(method=method, features=args.features)
        (clock, spent), _ = best_of(args.repeat, lambda selection=selection: rank(x, y, selection, 0).order)
        print(f"{method:<5} to {args.features:,} features {clock:8.3f} s   (CPU {spent:.3f} s)", flush=True)
    same = True
    if importlib.util.find_spec("mrmr"):
        same &= run_mrmr_selection(args.mrmr_selection, args.repeat)
    else:
        print("mrmr-selection is not installed: left out")
    if importlib.util.find_spec("pymrmr"):
        for method in ("MID", "MIQ"):
            same &= run_pymrmr(args.pymrmr, method, args.repeat)
    else:
        print("pymrmr is not installed: left out")
    print("load at the end " + ", ".join(f"{average:.1f}" for average in os.getloadavg()))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
