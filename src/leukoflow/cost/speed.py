"""Time and memory that a network takes from decoded images to logits."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.config.profile import Profile
from leukoflow.models import inference

COLUMNS = [
    "device", "threads", "batch", "passes", "p5_ms", "p25_ms", "p50_ms", "p75_ms", "p95_ms", "processor_ms",
    "images_per_second", "peak_memory_mb", "load",
]  # fmt: skip
LEAST_PASSES, LEAST_BATCHES = 2, 5
"""Passes that every batch size gets, and those of large batches where time allows."""
_LIBRARY = ctypes.CDLL(None)
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(
    model: nn.Module, image: Tensor, device: torch.device, settings: Profile, memory: "Memory"
) -> Iterator[dict[str, Any]]:
    """A row of `COLUMNS` for each batch size, on the device where the network is; that of one image has `passes_ms`
    too, the milliseconds of each pass in their order.

    image: one image uint8 [1, H, H, 3], or row of features float32 [1, k]; memory: made before the network was.
    Times are of whole passes, from images in memory to logits in memory, as predicting has them. `peak_memory_mb`
    (10^6 bytes) is what the network and the pass took at most. `processor_ms` is the median of what a pass took of the
    processor, without waiting for it while others ran. `load` is the number of processes that wanted a core in
    the last minute, 1 if nothing else ran. Sizes that do not fit the GPU are left out.
    """
    for batch in sorted({1, *settings.batches}):
        images = image.expand(batch, *image.shape[1:]).contiguous()
        memory.forget_peak()
        try:
            times = _times(partial(inference.predict, model, [images], device), batch, settings)
        except torch.cuda.OutOfMemoryError:
            return
        seconds, processor = np.array(times).T
        quantiles = [1000 * float(value) for value in np.percentile(seconds, [5, 25, 50, 75, 95])]
        rate = 1000 * batch / quantiles[2]
        row = [_name(device), torch.get_num_threads(), batch, len(seconds), *quantiles]
        row += [1000 * float(np.median(processor)), rate, memory.peak() / 1e6]
        each_pass = {"passes_ms": [1000 * float(value) for value in seconds]} if batch == 1 else {}
        yield dict(zip(COLUMNS, [*row, os.getloadavg()[0]], strict=True)) | each_pass


def median_ms(answer: Callable[[], Any], settings: Profile) -> float:
    """Median milliseconds, by the clock, of what is done for one image."""
    return 1000 * float(np.median([seconds for seconds, _ in _times(answer, 1, settings)]))


def _times(answer: Callable[[], Any], batch: int, settings: Profile) -> list[tuple[float, float]]:
    """Seconds of each measured pass: by the clock, and of the processor."""
    least = LEAST_PASSES if batch > 1 else min(LEAST_BATCHES, settings.runs)
    wanted = settings.runs if batch == 1 else max(LEAST_BATCHES, settings.runs // batch)
    started = time.perf_counter()
    for _ in range(settings.warm_up if batch == 1 else 1):
        answer()
        if time.perf_counter() - started > settings.seconds / 2:
            break
    times: list[tuple[float, float]] = []
    started = time.perf_counter()
    while len(times) < least or (len(times) < wanted and time.perf_counter() - started < settings.seconds):
        before, processor = time.perf_counter(), time.process_time()
        answer()
        times.append((time.perf_counter() - before, time.process_time() - processor))
    return times


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


class Memory(Protocol):
    """Bytes taken since it was made."""

    def forget_peak(self) -> None:
        """Start looking for the peak again."""

    def peak(self) -> float:
        """The most bytes at once."""


class ProcessMemory:
    """Growth of this process, on Linux; elsewhere its peak is not a number."""

    def __init__(self) -> None:
        self._known = os.access(_CLEAR, os.W_OK)
        if self._known and hasattr(_LIBRARY, "malloc_trim"):
            _LIBRARY.malloc_trim(0)  # what was freed but kept would be taken again without growth
        self._start = self._read("VmRSS") if self._known else 0

    def forget_peak(self) -> None:
        """Start looking for the peak again."""
        if self._known:
            _CLEAR.write_text("5")

    def peak(self) -> float:
        """The most bytes at once."""
        return self._read("VmHWM") - self._start if self._known else np.nan

    def _read(self, name: str) -> int:
        lines = _STATUS.read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class GpuMemory:
    """What PyTorch has allocated on a GPU, the network included."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def forget_peak(self) -> None:
        """Start looking for the peak again."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> float:
        """The most bytes at once."""
        return torch.cuda.max_memory_allocated(self._device)
