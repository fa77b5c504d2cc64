"""Steps measure, manifest and group_images, one after the other, on a small cohort with planted faults."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.config.quality import DeepLinks, Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.features.matrix import write_matrix
from leukoflow.images.sources import listed, read, sources
from leukoflow.steps import group_images, manifest, measure

COUNT = 8


def field(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((90, 120, 3), (230, 236, 240), np.uint8)
    for _ in range(20):
        cv2.circle(image, tuple(map(int, rng.integers(0, 90, 2))), 8, (int(rng.integers(90, 190)), 90, 150), -1)
    return image


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Images 0 to 7 of two labels; 6 copies 0, 2 is cut short, 3 is a text, 4 is missing, 5 is too large."""
    root = tmp_path / "files"
    names = [f"[{'AB'[number % 2]}] x/{number}.png" for number in range(COUNT)]
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image = field(0 if number == 6 else number)
        cv2.imwrite(str(root / name), cv2.resize(image, (400, 300)) if number == 5 else image)
    (root / names[2]).write_bytes((root / names[2]).read_bytes()[:500])
    (root / names[3]).write_text("no image")
    (root / names[4]).unlink()
    listing = pd.DataFrame({"path": names, "label": [name[1] for name in names]})
    write_table(tmp_path / "listing.parquet", listing.assign(patient=None, slide=None, site=None, mask=None))
    return tmp_path


def run_measure(folder: Path, shard: int, shards: int, *more: str) -> pd.DataFrame:
    output = folder / f"cohort/measured/{shard:03d}.parquet"
    thumbnails = folder / f"cohort/thumbnails/{shard:03d}.npy"
    options = {"--root": folder / "files", "--listing": folder / "listing.parquet", "--max-pixels": 20_000}
    options |= {"--shard": shard, "--shards": shards, "--output": output, "--thumbnails": thumbnails}
    options |= {"--record": folder / f"record.{shard:03d}.parquet"}
    assert not measure.main([str(part) for pair in options.items() for part in pair] + list(more))
    return read_table(output)


def run_manifest(folder: Path, shards: int, *more: str) -> None:
    measured = [f"{folder}/cohort/measured/{shard:03d}.parquet" for shard in range(shards)]
    outputs = ("manifest.parquet", "quality.parquet", "files.parquet", "rejects.csv")
    options = [part for file in outputs for part in (f"--{Path(file).stem}", f"{folder}/cohort/{file}")]
    assert not manifest.main(["--measured", *measured, *options, *more])


def test_an_image_is_known_by_the_composed_form_of_its_name(tmp_path: Path) -> None:
    """So that the same files make the same split whatever system they were copied with; two files stay two."""
    names = ["cafe\u0301.png", "nai\u0308ve.png", "na\u00efve.png", "plain.png"]
    for number, name in enumerate(names):
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_bytes(cv2.imencode(".png", field(number))[1].tobytes())
    listing = pd.DataFrame({"path": names}).assign(label="A", patient=None, slide=None, site=None, mask=None)
    write_table(tmp_path / "listing.parquet", listing)
    measured = pd.concat([run_measure(tmp_path, shard, 4) for shard in range(4)], ignore_index=True)
    assert measured["image_id"].tolist() == ["caf\u00e9.png", *names[1:]]
    assert measured["path"].tolist() == names and measured["reason"].isna().all()


def test_squeezed_images_are_measured_as_they_are_read(cohort: Path) -> None:
    plain = run_measure(cohort, 0, 4)
    wide = run_measure(cohort, 0, 4, "--aspect", "2")
    assert plain[["width", "height"]].to_numpy().tolist() == [[120, 90]] * 2
    assert wide[["width", "height"]].to_numpy().tolist() == [[180, 90]] * 2
    assert wide["sha256"].tolist() == plain["sha256"].tolist()
    run_manifest(cohort, 1, "--aspect", "2")
    assert read_table(cohort / "cohort/files.parquet")["aspect"].tolist() == [2.0, 2.0]


def test_twelve_bits_in_sixteen_are_warned_of_and_scaled_by_the_cohorts_bits(
    cohort: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From the listing to what every later step reads; a file of more bits is a reject."""
    for number in (0, 7):
        path = cohort / "files" / f"[{'AB'[number % 2]}] x/{number}.png"
        deep = np.rint(field(number) * (4095 / 255)).astype(np.uint16)
        cv2.imwrite(str(path), deep * 16 if number == 7 else deep)
    plain = run_measure(cohort, 0, 8)
    run_manifest(cohort, 1)
    assert plain["exposure"].max() < 0.06
    assert "1 of 1 images are nearly black" in caplog.text
    assert "set the cohort's bits: 12" in caplog.text
    caplog.clear()

    known = pd.concat([run_measure(cohort, shard, 8, "--bits", "12") for shard in (0, 7)])
    assert "samples reach 6" in known["reason"].iloc[1] and "12 bits" in known["reason"].iloc[1]
    run_measure(cohort, 0, 8, "--bits", "12")
    run_manifest(cohort, 1, "--bits", "12")
    assert "bits" not in caplog.text and "black" not in caplog.text
    files = listed(cohort / "cohort/files.parquet")
    assert files["bits"].tolist() == [12]
    (source,) = sources(cohort / "files", files)
    np.testing.assert_array_equal(read(source, 20_000), field(0)[:, :, ::-1])


def test_bad_images_are_named_and_left_out(cohort: Path) -> None:
    parts = [run_measure(cohort, shard, 3) for shard in range(3)]
    assert [len(part) for part in parts] == [2, 3, 3]
    run_manifest(cohort, 3)
    rejects = read_table(cohort / "cohort/rejects.csv").set_index("path")["reason"]
    assert [Path(path).stem for path in rejects.index] == ["2", "3", "4", "5"]
    assert all(isinstance(reason, str) and "\n" not in reason for reason in rejects)
    assert "opened" in rejects.iloc[2] and "max_pixels" in rejects.iloc[3]
    table = read_table(cohort / "cohort/manifest.parquet")
    assert table["image_id"].tolist() == ["[A] x/0.png", "[B] x/1.png", "[A] x/6.png", "[B] x/7.png"]
    for row in table.itertuples():
        data = (cohort / "files" / row.path).read_bytes()
        assert (row.sha256, row.bytes, row.width, row.height) == (hashlib.sha256(data).hexdigest(), len(data), 120, 90)
    quality = read_table(cohort / "cohort/quality.parquet")
    assert quality["image_id"].tolist() == table["image_id"].tolist()
    files = read_table(cohort / "cohort/files.parquet")
    assert files["aspect"].isna().all()
    for part in (table[["image_id", "path", "sha256"]], quality[["bar_x0", "bar_y1", "um_per_pixel", "scale_source"]]):
        pd.testing.assert_frame_equal(files[list(part)], part)
    assert str(quality["bar_x0"].dtype) == "Int32" and quality["dhash"].str.len().eq(16).all()
    assert quality["dhash"][0] == quality["dhash"][2] != quality["dhash"][1]
    stacked = [np.load(cohort / f"cohort/thumbnails/{shard:03d}.npy") for shard in range(3)]
    assert [part.shape for part in stacked] == [(2, 64, 64), (0, 64, 64), (2, 64, 64)]


def test_threads_and_whole_shards_change_nothing(cohort: Path) -> None:
    one = run_measure(cohort, 0, 1)
    pd.testing.assert_frame_equal(run_measure(cohort, 0, 1, "--threads", "3"), one)
    pd.testing.assert_frame_equal(run_measure(cohort, 5, 9, "--whole"), one)


def test_a_cohort_without_a_usable_image_is_an_error(cohort: Path) -> None:
    listing = read_table(cohort / "listing.parquet")
    write_table(cohort / "listing.parquet", listing[2:5])
    run_measure(cohort, 0, 1)
    with pytest.raises(LeukoFlowError, match="none of 3 images"):
        run_manifest(cohort, 1)


def run_group_images(folder: Path, shards: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    outputs = [folder / "duplicates.parquet", folder / "groups.parquet"]
    options = ["--cohort", "home", str(folder / "cohort"), str(shards), "--settings", Quality().model_dump_json()]
    assert not group_images.main([*options, "--duplicates", str(outputs[0]), "--groups", str(outputs[1])])
    return read_table(outputs[0]), read_table(outputs[1])


def test_relate_finds_the_copy_and_groups_every_image(cohort: Path) -> None:
    for shard in range(3):
        run_measure(cohort, shard, 3)
    run_manifest(cohort, 3)
    duplicates, groups = run_group_images(cohort, 3)
    assert duplicates[["image_a", "image_b", "kind"]].values.tolist() == [["[A] x/0.png", "[A] x/6.png", "identical"]]
    assert groups["image_id"].tolist() == read_table(cohort / "cohort/manifest.parquet")["image_id"].tolist()
    assert groups["duplicate_group"].nunique() == 3
    assert [name[0] for name in groups["acquisition"]] == ["A", "B", "A", "B"]


def test_images_that_are_alike_in_features_are_one_group_and_no_copies(cohort: Path) -> None:
    """Images 0 and 6 are copies; features say that 0 and 1 are alike besides, and in another order of the files."""
    run_measure(cohort, 0, 1)
    run_manifest(cohort, 1)
    plain, without = run_group_images(cohort, 1)
    names = without["image_id"].tolist()
    assert names == ["[A] x/0.png", "[B] x/1.png", "[A] x/6.png", "[B] x/7.png"] and not without["linked"].any()
    values = pd.DataFrame([[1, 0, 0], [0.99, 0.1, 0], [0, 0, 1], [-1, -1, 0]], names).iloc[::-1]
    write_matrix(cohort / "f/000.npy", [values.to_numpy(np.float32)], 4, pd.DataFrame({"image_id": values.index}))
    write_json(cohort / "f/matrix.json", {"shards": [{}]})
    outputs = [cohort / "d.parquet", cohort / "g.parquet"]
    settings = Quality(deep=DeepLinks(features="f", view="plain", similarity=0.98)).model_dump_json()
    options = ["--cohort", "home", str(cohort / "cohort"), "1", "--settings", settings]
    written = ["--duplicates", str(outputs[0]), "--groups", str(outputs[1])]
    group_images.main([*options, "--features", str(cohort / "f/matrix.json"), *written])
    linked = read_table(outputs[1])
    assert linked["duplicate_group"].tolist() == ["home/[A] x/0.png"] * 3 + ["home/[B] x/7.png"]
    assert linked["linked"].tolist() == [1, 1, 0, 0]
    pd.testing.assert_frame_equal(read_table(outputs[0]), plain)
    with pytest.raises(LeukoFlowError, match="0 feature files for 1 cohorts"):
        group_images.main([*options, *written])


def test_relate_warns_of_copies_with_different_labels(cohort: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = "[B] x/7.png"
    (cohort / "files" / name).write_bytes((cohort / "files/[A] x/0.png").read_bytes())
    run_measure(cohort, 0, 1)
    run_manifest(cohort, 1)
    duplicates, _ = run_group_images(cohort, 1)
    assert duplicates.loc[duplicates["image_b"] == name, "labels_differ"].tolist() == [True, True]
    assert duplicates["labels_differ"].sum() == 2
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "copies with different labels (identical): home/[A] x/0.png is A, home/[B] x/7.png is B" in warned
    assert warned[-1].startswith("2 pairs of copies have different labels")


def test_thumbnails_of_other_images_are_an_error(cohort: Path) -> None:
    run_measure(cohort, 0, 1)
    run_manifest(cohort, 1)
    np.save(cohort / "cohort/thumbnails/000.npy", np.zeros((2, 64, 64), np.uint8))
    with pytest.raises(LeukoFlowError, match="2 thumbnails for 4 images"):
        run_group_images(cohort, 1)
