"""What must hold of the listing of any tree of files."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from leukoflow.cohorts.folder import list_folder
from leukoflow.config.cohorts import FolderCohort
from leukoflow.core.names import plain
from leukoflow.core.walk import PICTURES

LABELS = {"Normal": "Benign", "[Malignant] Pre-B": "Pre", "é": "Pro"}
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
FOLDERS = st.lists(st.one_of(st.sampled_from(sorted(LABELS)), NAMES), max_size=3)
FILES = st.tuples(FOLDERS, NAMES, st.sampled_from([*PICTURES, ".JPG", ".txt", ""]))


def label_of(folders: list[str]) -> str | None:
    """By the nearest folder that has one."""
    names = map(plain, reversed(folders))
    return next((LABELS[name] for name in names if name in LABELS), None)


@settings(max_examples=30, deadline=None)
@given(st.lists(FILES, max_size=8))
def test_every_image_is_listed_once_by_the_label_of_its_nearest_folder(files: list) -> None:
    with tempfile.TemporaryDirectory() as root:
        expected, every = {}, set()
        for folders, name, suffix in [*files, (["Normal"], "one", ".png")]:
            path = Path(*folders, name + suffix)
            try:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(b"")
            except OSError:  # a file if there is a folder of the name already, or the other way round
                continue
            every.add(path.as_posix())
            hidden = any(part.startswith(".") for part in path.parts)
            hidden |= path.name.startswith("~$") or path.name.endswith("~")
            if path.name.lower().endswith(PICTURES) and not hidden:
                expected[path.as_posix()] = label_of(folders)
        labels = {name: label for name, label in LABELS.items() if label in expected.values()}
        listed = list_folder(Path(root), FolderCohort(kind="folder", root=root, labels=labels))
        listing = listed.images
        assert {*listing["path"], *listed.left_out["path"]} == every
        assert len(listing) + len(listed.left_out) == len(every)
        assert listing["path"].tolist() == sorted(expected)
        texts = [None if label is None else str(label) for label in listing["label"].to_numpy(object, na_value=None)]
        assert dict(zip(listing["path"], texts, strict=True)) == expected
