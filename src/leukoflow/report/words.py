"""Numbers and names as the report writes them."""

import math
from collections.abc import Iterable

DASH = "\N{EN DASH}"
NONE = "\N{EM DASH}"


def missing(value: object) -> bool:
    """Whether there is no number here (None or NaN)."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage, such as `98.4 %`."""
    return NONE if missing(value) else f"{value:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def interval(low: float, high: float, digits: int = 1) -> str:
    """Limits of a share, such as `96.1-99.2 %`; empty where there are none."""
    return "" if missing(low) or missing(high) else f"{100 * low:.{digits}f}{DASH}{percent(high, digits)}"


def decimal(value: float, digits: int = 3) -> str:
    """A number with fixed decimals."""
    return NONE if missing(value) else f"{value:.{digits}f}"


def count(value: float) -> str:
    """A whole number with separators."""
    return NONE if missing(value) else f"{int(value):,}"


def duration(seconds: float) -> str:
    """Seconds as a reader says them: `42 s`, `3 min 5 s`, `2 h 10 min`."""
    if missing(seconds):
        return NONE
    whole = round(seconds)
    if whole < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def listed(names: Iterable[str]) -> str:
    """Names as a list in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def plural(number: float, noun: str) -> str:
    """A count and its noun: `1 image`, `2,000 images`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
