"""Every file of a cohort's tree is an image or is left out as something; the counts add up."""

from pathlib import Path

import pytest

from leukoflow.cohorts.account import LEFT_OUT, mask_expression, mask_path
from leukoflow.cohorts.folder import Listing, list_folder
from leukoflow.config.cohorts import Columns, Files
from leukoflow.config.masks import Masks
from leukoflow.core.errors import LeukoFlowError


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def listed(root: Path, **keys: object) -> tuple[Listing, dict[str, str]]:
    """The listing and the kind of every file that is left out; all files are there once."""
    files = Files(**keys)  # type: ignore[arg-type]
    listing = list_folder(root, files)
    kinds = dict(zip(listing.left_out["path"], listing.left_out["kind"], strict=True))
    below = root / files.folder
    every = {path.relative_to(root).as_posix() for path in below.rglob("*") if path.is_file()}
    assert every <= {*listing.images["path"], *kinds}
    assert not set(listing.images["path"]) & set(kinds)
    assert tuple(listing.left_out.columns) == LEFT_OUT
    return listing, kinds


def masks(path: str) -> Masks:
    return Masks(path=path, coding="foreground")


def test_masks_beside_images_are_no_images(tmp_path: Path) -> None:
    plant(tmp_path, "Benign/1.jpg", "Benign/1_mask.png", "Pro/2.jpg", "Pro/2_mask.png", "Pro/3.jpg", "Pro/4_mask.png")
    listing, kinds = listed(tmp_path, masks=masks("{folder}/{stem}_mask.png"))
    assert listing.images["path"].tolist() == ["Benign/1.jpg", "Pro/2.jpg", "Pro/3.jpg"]
    assert listing.images["label"].tolist() == ["Benign", "Pro", "Pro"]
    assert listing.images["mask"].fillna("-").tolist() == ["Benign/1_mask.png", "Pro/2_mask.png", "-"]
    assert set(kinds.values()) == {"mask"} and len(kinds) == 3
    # The mask of an image that is not there is no image either, and is told.
    assert len(listing.warnings) == 1 and "Pro/4_mask.png" in listing.warnings[0]


def test_a_folder_of_masks_is_no_label(tmp_path: Path) -> None:
    plant(tmp_path, "Benign/1.png", "Pro/2.png", "masks/Benign/1.png", "masks/Pro/2.png")
    listing, kinds = listed(tmp_path, masks=masks("masks/{folder}/{stem}.png"))
    assert listing.images["path"].tolist() == ["Benign/1.png", "Pro/2.png"]
    assert sorted(kinds) == ["masks/Benign/1.png", "masks/Pro/2.png"] and not listing.warnings


def test_a_mask_of_the_same_name_and_another_suffix(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "a/1.png", "a/2.jpg", "a/2.png")
    listing, _ = listed(tmp_path, masks=masks("{folder}/{stem}.png"))
    assert listing.images["path"].tolist() == ["a/1.jpg", "a/2.jpg"]


def test_an_image_whose_name_looks_like_a_masks_stays_one(tmp_path: Path) -> None:
    """With m{stem}.png, monocyte.png could be the mask of onocyte.png; it has a mask itself."""
    plant(tmp_path, "a/monocyte.png", "a/mmonocyte.png")
    listing, _ = listed(tmp_path, masks=masks("{folder}/m{stem}.png"))
    assert listing.images["path"].tolist() == ["a/monocyte.png"]
    assert listing.images["mask"].tolist() == ["a/mmonocyte.png"]


def test_excluded_masks_are_still_masks_and_masks_of_excluded_images_no_images(tmp_path: Path) -> None:
    plant(tmp_path, "1.jpg", "1_mask.png", "2.jpg", "2_mask.png")
    listing, kinds = listed(tmp_path, exclude=("*_mask.png", "2.jpg"), masks=masks("{stem}_mask.png"))
    assert listing.images["mask"].tolist() == ["1_mask.png"]
    assert kinds == {"1_mask.png": "mask", "2.jpg": "excluded", "2_mask.png": "mask"}


def test_if_all_files_are_masks_it_is_said(tmp_path: Path) -> None:
    plant(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(LeukoFlowError, match=r"holds no image .* masks; left out: 2 mask"):
        listed(tmp_path, masks=masks("{name}"))


def test_every_file_has_a_kind_and_a_reason(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "a/2.jfif", "a/3.heic", "a/notes.txt", "a/Thumbs.db", "a/.ipynb_checkpoints/1.jpg")
    plant(tmp_path, "__MACOSX/a/._1.jpg", "b/4.png", "scan.001", "readme")
    listing, kinds = listed(tmp_path, exclude=("b/*", "*/Thumbs.db"))
    assert not listing.warnings
    assert listing.images["path"].tolist() == ["a/1.jpg", "a/2.jfif"]
    assert kinds == {
        **dict.fromkeys(["a/3.heic", "a/notes.txt", "scan.001", "readme"], "rejected"),
        **dict.fromkeys(["a/Thumbs.db", "a/.ipynb_checkpoints/1.jpg", "__MACOSX/a/._1.jpg"], "litter"),
        "b/4.png": "excluded",
    }
    reasons = listing.left_out.set_index("path")["reason"]
    assert (reasons[[path for path, kind in kinds.items() if kind == "rejected"]].str.len() > 10).all()


def test_files_that_a_table_does_not_list(tmp_path: Path) -> None:
    plant(tmp_path, "images/1.png", "images/2.png", "images/3.png", "images/m1.png", "images/x.txt")
    rows = "path,label,mask\nimages/1.png,a,images/m1.png\nimages/2.png,b,\nimages/9.png,b,\n"
    (tmp_path / "labels.csv").write_text(rows)
    keys = {"table": "labels.csv", "folder": "images", "columns": Columns(mask="mask")}
    listing, kinds = listed(tmp_path, **keys, masks=Masks(coding="foreground"), exclude=("2.png",))
    assert listing.images["path"].tolist() == ["images/1.png", "images/9.png"]  # the last is rejected when it is read
    assert listing.images["mask"].fillna("-").tolist() == ["images/m1.png", "-"]
    assert kinds == {
        "images/2.png": "excluded",
        "images/3.png": "rejected",
        "images/m1.png": "mask",
        "images/x.txt": "rejected",
        "labels.csv": "table",
    }
    reasons = listing.left_out.set_index("path")["reason"]
    assert reasons["images/3.png"] == "not listed in labels.csv"


def test_a_table_in_which_masks_stand_among_images(tmp_path: Path) -> None:
    plant(tmp_path, "1.png", "1_mask.png")
    (tmp_path / "labels.csv").write_text("path,label\n1.png,a\n1_mask.png,a\n")
    listing, kinds = listed(tmp_path, table="labels.csv", masks=masks("{stem}_mask.png"))
    assert listing.images["path"].tolist() == ["1.png"] and kinds["1_mask.png"] == "mask"
    assert "lists 1 masks as images" in listing.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("segmented/*", "Segmented/*"),
        ("Segmented", "Segmented/*"),
        ("*_msk.jpg", "*_mask.jpg"),
        ("a/1_mask.jpeg", "a/1_mask.jpg"),
        ("*.JPG", "*.jpg"),
    ],
)
def test_a_pattern_that_matches_nothing_is_told_with_the_nearest(tmp_path: Path, pattern: str, meant: str) -> None:
    plant(tmp_path, "a/1.jpg", "a/1_mask.jpg", "Segmented/1.jpg", "a/notes.txt", "b.png")
    listing, _ = listed(tmp_path, exclude=("*.txt", pattern))
    assert len(listing.warnings) == 1
    assert repr(pattern) in listing.warnings[0] and f"did you mean {meant!r}" in listing.warnings[0]
    assert not list_folder(tmp_path, Files(exclude=("*.txt", meant, "Segmented/*"))).warnings


def test_patterns_meet_names_in_either_form_of_accents(tmp_path: Path) -> None:
    plant(tmp_path, "Be\u0301nin/1.jpg", "Pro/2.jpg")
    listing, kinds = listed(tmp_path, exclude=("B\u00e9nin/*",))
    assert kinds == {"Be\u0301nin/1.jpg": "excluded"} and not listing.warnings


def test_a_label_whose_folder_holds_no_image_is_told(tmp_path: Path) -> None:
    plant(tmp_path, "Benign/1.jpg", "Pro/2.heic")
    listing, _ = listed(tmp_path, labels={"Benign": "Benign", "Pro": "Pro"})
    assert len(listing.warnings) == 1 and "no folder with images is named 'Pro'" in listing.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "image", "folder", "mask"),
    [
        ("masks/{stem}.png", "images/a/1.jpg", "images", "masks/1.png"),
        ("masks/{folder}/{stem}.png", "images/a/1.jpg", "images", "masks/a/1.png"),
        ("masks/{folder}/{name}", "1.jpg", "", "masks/1.jpg"),
        ("{folder}/../masks/{stem}_m.png", "x/images/1.2.jpg", "", "x/masks/1.2_m.png"),
        ("{folder}_masks/{stem}/{stem}.tif", "x/1.jpg", "", "x_masks/1/1.tif"),
    ],
)
def test_masks_look_like_their_pattern(pattern: str, image: str, folder: str, mask: str) -> None:
    assert mask_path(pattern, image, folder) == mask
    assert mask_expression(pattern).fullmatch(mask)
    assert not mask_expression(pattern).fullmatch(image)


def test_masks_need_a_path_or_a_column_not_both() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        Files(masks=Masks(coding="foreground"))
    with pytest.raises(ValueError, match="give one of them"):
        Files(masks=masks("{stem}.png"), table="t.csv", columns=Columns(mask="mask"))
