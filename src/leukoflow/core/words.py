"""Numbers and names as people read them: in reports, cards, audits and answers."""

import math
from collections.abc import Iterable, Sequence

DASH = "\N{EN DASH}"
NONE = "\N{EM DASH}"


def missing(value: object) -> bool:
    """Whether there is no number here (None or NaN)."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage, such as `98.4 %`."""
    return NONE if missing(value) else f"{value:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def interval(low: float, high: float, digits: int = 1) -> str:
    """Limits of a share, such as `96.1-99.2 %`; empty if there are none."""
    return "" if missing(low) or missing(high) else f"{100 * low:.{digits}f}{DASH}{percent(high, digits)}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    if missing(value):
        return NONE
    text = f"{100 * value:+.1f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def points_interval(low: float, high: float) -> str:
    """Limits of a difference in percentage points; empty if there are none."""
    return "" if missing(low) else f"{points(low)} to {points(high)}"


def decimal(value: float, digits: int = 3) -> str:
    """A number with fixed decimals."""
    return NONE if missing(value) else f"{value:.{digits}f}"


def count(value: float) -> str:
    """A whole number with separators."""
    return NONE if missing(value) else f"{int(value):,}"


def significant(value: float) -> str:
    """A number with three significant digits and no exponent: `0.0123`, `4.57`, `1,235`."""
    if missing(value):
        return NONE
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    places = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded if abs(value) < 1000 else value:,.{places}f}"


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    """A value in the largest of the units (smallest first, as name and size) that it fills, of three digits."""
    if missing(value):
        return NONE
    if value == 0:
        return f"0\N{NO-BREAK SPACE}{units[0][0]}"
    # 999.6 ms would be written as 1,000 ms: the unit is chosen by the rounded value.
    rounded = abs(float(f"{value:.3g}"))
    name, size = next((unit for unit in reversed(units) if rounded >= unit[1]), units[0])
    return f"{significant(value / size)}\N{NO-BREAK SPACE}{name}"


def duration(seconds: float) -> str:
    """Seconds in the unit that a reader would choose: `40.0 ms`, `1.54 s`, `3 min 5 s`, `2 h 10 min`."""
    if missing(seconds):
        return NONE
    if abs(seconds) < 99.5:
        return _scaled(seconds, (("ns", 1e-9), ("\N{GREEK SMALL LETTER MU}s", 1e-6), ("ms", 1e-3), ("s", 1.0)))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(amount: float) -> str:
    """Bytes in decimal units: `512 B`, `1.35 MB`, `2.10 GB`."""
    return _scaled(amount, (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)))


def energy(joules: float) -> str:
    """Joules in the unit that a reader would choose: `310 µJ`, `4.20 mJ`."""
    names = ("nJ", "\N{GREEK SMALL LETTER MU}J", "mJ", "J")
    return _scaled(joules, tuple((name, 10.0 ** (3 * power - 9)) for power, name in enumerate(names)))


def operations(number: float) -> str:
    """A count of operations with its thousands in words: `1.20 million`, `4.10 billion`."""
    if not missing(number) and abs(number) < 1e6:
        return count(round(number))
    return _scaled(number, (("million", 1e6), ("billion", 1e9), ("trillion", 1e12)))


def listed(names: Iterable[str], joined: str = "and") -> str:
    """Names as a list in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} {joined} {last}" if most else last


def plural(number: float, noun: str) -> str:
    """A count and its noun: `1 image`, `2,000 images`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
