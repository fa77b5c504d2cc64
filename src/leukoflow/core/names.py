"""Names that people give to patients, slides, sites, labels and files: brought to one form, compared, shown, found.

`plain` takes away what nobody sees or means, so that `P1` and `P1 ` are one patient. `skeleton` is coarser: names with
the same skeleton are probably meant to be one (`P-01` and `p1`). That is said, but nothing is merged because of it.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

ABSENT = frozenset({"na", "n/a", "n.a.", "#n/a", "<na>", "nan", "null", "nil", "none", "unknown", "-", "--", "?"})
"""What tables hold in place of an identifier, in lower case."""
OVERLOOKED = "only by case, spaces, punctuation, leading zeros or look-alike characters"
"""How names with one `skeleton` differ."""
_BREAKS = re.compile(r" *[\x00-\x1f\x7f-\x9f\u2028\u2029]+ *")
_GREEK_CYRILLIC = str.maketrans(
    "АВЕКМНОРСТУХІЈЅӀаеорсухіјѕһԁкӏ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορυ",
    "ABEKMHOPCTYXIJSIaeopcyxijshdkl" + "ABEZHIKMNOPTYXaikvopu",
)
"""Letters that look like Latin ones; a choice from the table of Unicode Technical Standard 39, section 4."""
_MARKS = re.compile("[\u0300-\u036f]")
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63]")
_ROUND = re.compile(r"(?<=\d)[oO]|[oO](?=\d)")
_UPRIGHT = re.compile(r"(?<=\d)[lI]|[lI](?=\d)")
_BETWEEN = re.compile(r"(?<=\d)[\W_]+(?=\d)")
_DROPPED = re.compile(r"(?<!\d)\.|\.(?!\d)|[^\w.+]|_")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_NUMBER = re.compile(r"0*(\d+)(?:\.(\d*?)0*)?")


def composed(text: str) -> str:
    """Text in Unicode's composed form (NFC): archives made on a Mac hold decomposed accents."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain(text: str) -> str:
    """The name in Unicode's composed form (NFC), without blank or invisible characters around it; a line break or
    control character in it becomes a space. Case, punctuation and spaces within stay. Empty when nothing is left.
    """
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    text = _BREAKS.sub(" ", composed(text))
    start, end = 0, len(text)
    while start < end and _invisible(text[start]):
        start += 1
    while end > start and _invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def _invisible(sign: str) -> bool:
    """A space of any kind, or a character of no width, such as a byte order mark."""
    return sign.isspace() or unicodedata.category(sign) == "Cf"


def absent(text: str) -> bool:
    """Whether a table's cell says that there is no identifier."""
    return text.lower() in ABSENT


def skeleton(text: str) -> str:
    """What is left of a name without case, spaces, punctuation, accents, leading zeros and the difference of characters
    that look alike (Greek, Cyrillic and full-width letters; O and 0, l, I and 1 next to a digit).

    Punctuation between two digits counts as a point, so that `1-12` and `11-2` differ. A plus, and a minus at the end,
    stay: `CD34+` is not `CD34-`. Numbers are equal when their values are (`1.0` and `1`).
    """
    text = plain(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = _DASHES.sub("-", _MARKS.sub("", text).translate(_GREEK_CYRILLIC))
        text = "".join(str(unicodedata.digit(sign, sign)) for sign in text)
    if text[:1].isdigit() and (match := _NUMBER.fullmatch(text)):
        return f"{match[1]}.{match[2]}" if match[2] else match[1]
    folded = _ROUND.sub("0", text)
    folded = _UPRIGHT.sub("1", folded).casefold()
    kept = _ZEROS.sub("", _DROPPED.sub("", _BETWEEN.sub(".", folded)))
    return kept + "-" * folded.endswith("-") if kept else folded


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that have one skeleton, each sorted, in order."""
    groups: dict[str, list[str]] = {}
    for name in set(names):
        groups.setdefault(skeleton(name), []).append(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def shown(text: str) -> str:
    """The text on one line: line breaks, control and invisible characters are written out, such as `\\n`; spaces of any
    width stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or unicodedata.category(sign) == "Zs" else ascii(sign)[1:-1] for sign in text
    )


def told_apart(names: Iterable[str]) -> str:
    """Names in quotes; what is not ASCII is written out (`\\u0420`) when it cannot be told from another name by eye."""
    names = list(names)
    seen = {unicodedata.normalize("NFKC", name).translate(_GREEK_CYRILLIC) for name in names}
    if len(seen) < len(names):
        return ", ".join(map(ascii, names))
    return ", ".join(f"'{shown(name)}'" for name in names)


class Disk:
    """Files below a folder, found by names that need not be composed or blank as theirs are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[str, dict[str, list[str]]] = {}
        self._folders: dict[str, str | None] = {"": ""}

    def find(self, path: str) -> str | None:
        """Relative path (posix) of a file or folder: of that name, or the only one that is the same when both are
        `plain`. None if there is none, or several."""
        if path not in self._folders:
            folder, _, name = path.rpartition("/")
            parent = self.find(folder)
            entry = None if parent is None else self._entry(parent, name)
            if entry is None or not (self.root / entry).is_dir():
                return entry
            self._folders[path] = entry
        return self._folders[path]

    def _entry(self, folder: str, name: str) -> str | None:
        if folder not in self._names:
            names: dict[str, list[str]] = {}
            self._names[folder] = names
            try:
                for entry in os.listdir(self.root / folder):
                    names.setdefault(plain(entry), []).append(entry)
            except OSError:
                pass  # what cannot be listed is told when it is read
        same = self._names[folder].get(plain(name), [])
        if name not in same and len(same) != 1:
            return None
        return f"{folder}/{name if name in same else same[0]}".lstrip("/")
