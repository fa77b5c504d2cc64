"""Functions compiled by Numba when they are first called; what was compiled is kept if a folder may be written to."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator for a function that Numba compiles; options as of `numba.njit`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # no folder that may be written to
            return njit(**options)(function)

    return decorate
