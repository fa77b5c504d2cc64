"""What must hold of every manifest."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.steps import manifest, measure

REASONS = st.one_of(st.none(), st.sampled_from(["no image", "17 x 19,000 pixels, more than allowed", "cut, short"]))
TEXT = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What measuring says of one image."""
    folder = tmp_path_factory.mktemp("measured")
    image = np.full((60, 60, 3), (230, 236, 240), np.uint8)
    cv2.circle(image, (30, 30), 8, (150, 90, 150), -1)
    cv2.imwrite(str(folder / "a.png"), image)
    listing = pd.DataFrame({"path": ["a.png"], "label": ["Pro"]}).assign(patient=None, slide=None, site=None, mask=None)
    write_table(folder / "listing.parquet", listing)
    options = {"--root": folder, "--listing": folder / "listing.parquet", "--max-pixels": 10_000, "--shard": 0}
    options |= {"--shards": 1, "--output": folder / "000.parquet", "--thumbnails": folder / "000.npy"}
    options |= {"--record": folder / "record.parquet"}
    measure.main([str(part) for pair in options.items() for part in pair])
    return read_table(folder / "000.parquet")


@settings(max_examples=15, deadline=None)
@given(shards=st.lists(st.lists(st.tuples(REASONS, TEXT, TEXT), max_size=6), min_size=1, max_size=4))
def test_every_image_is_accepted_or_rejected_once_in_order(row: pd.DataFrame, shards: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, tables, count = Path(name), [], 0
        for shard in shards:
            table = pd.concat([row.iloc[:0], *[row] * len(shard)], ignore_index=True)
            ids = [f"id{count + number}" for number in range(len(shard))]
            reasons, labels, patients = zip(*shard, strict=True) if shard else ((), (), ())
            table = table.assign(
                image_id=ids, path=[f"{image_id}.png" for image_id in ids], label=labels, patient=patients
            )
            tables.append(table.assign(reason=pd.array(reasons, "string")).astype(row.dtypes))
            write_table(folder / f"{len(tables) - 1:03d}.parquet", tables[-1])
            count += len(shard)
        whole = pd.concat(tables, ignore_index=True)
        outputs = {
            file: folder / file for file in ("manifest.parquet", "quality.parquet", "files.parquet", "rejects.csv")
        }
        options = [str(part) for file, path in outputs.items() for part in (f"--{Path(file).stem}", path)]
        command = ["--measured", *(str(folder / f"{shard:03d}.parquet") for shard in range(len(shards))), *options]
        if whole["reason"].notna().all():
            with pytest.raises(LeukoFlowError, match="can be used"):
                manifest.main(command)
            assert not any(path.exists() for path in outputs.values())
            return
        manifest.main(command)
        made, rejects = read_table(outputs["manifest.parquet"]), read_table(outputs["rejects.csv"])
        accepted = whole[whole["reason"].isna()].reset_index(drop=True)
        pd.testing.assert_frame_equal(
            made[["image_id", "label", "patient"]], accepted[["image_id", "label", "patient"]]
        )
        refused = whole[whole["reason"].notna()]
        assert rejects.to_numpy().tolist() == refused[["path", "reason"]].to_numpy().tolist()
        for file in ("quality.parquet", "files.parquet"):
            assert read_table(outputs[file], ["image_id"])["image_id"].tolist() == made["image_id"].tolist()
