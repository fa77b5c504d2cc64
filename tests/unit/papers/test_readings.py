"""Readings of "18.1 M" against networks that are built as each says."""

import pytest
import torch

from leukoflow.models import registry
from leukoflow.papers.readings import COLUMNS, READINGS, readings


def counts(**options) -> dict[str, int]:
    with torch.device("meta"):
        model = registry.build("resnet50_hmscam", options.pop("classes", 4), **options)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    last = sum(size for name, size in sizes.items() if name.startswith("trunk.layer4."))
    first = sum(size for name, size in sizes.items() if name.startswith(registry.spec("resnet50_hmscam").frozen))
    trunk = sum(size for name, size in sizes.items() if name.startswith("trunk."))
    assert first + last == trunk
    return {"whole": sum(sizes.values()), "trunk": trunk, "last": last, "first": first}


@pytest.mark.parametrize(
    "reading", [reading for reading in READINGS if reading.channels == 2048], ids=lambda reading: reading.what
)
def test_counts_are_those_of_the_network(reading) -> None:
    sizes = counts(
        nl_width=1 / reading.nl_share, reductions=reading.reductions, reduction_dar=reading.reduction_dar,
        classes=reading.classes,
    )  # fmt: skip
    parts = reading.parts()
    assert sum(parts.values()) - parts["trunk"] == sizes["whole"] - sizes["trunk"]
    assert reading.trunk in (0, sizes["trunk"], sizes["last"])


def test_the_numbers_themselves() -> None:
    table = readings().set_index("reading")
    assert list(readings().columns) == COLUMNS
    counted = table["counted"].to_dict()
    assert counted["the whole network"] == 41_618_989
    assert counted["modules and classifier alone, four classes (the one taken here)"] == 18_110_957
    assert counted["modules and classifier alone, two classes"] == 18_106_859
    frozen = "what is trained if layers up to 3 are frozen, non-local block of C / 8"
    assert counted[frozen] == 18_128_045
    # No whole network has it; what agrees is the attachment alone, or what is trained.
    assert set(table.index[table["agrees"] == "yes"]) == {
        "modules and classifier alone, four classes (the one taken here)",
        "modules and classifier alone, two classes",
        frozen,
    }


def test_a_trunk_cut_behind_layer_3_by_hand() -> None:
    row = readings().set_index("reading").loc["trunk cut behind layer 3"]
    gates = 2 * 1024 * 64 + 64 + 1024 + 2 * 1024 * 32 + 32 + 1024
    assert (row["trunk"], row["msca"], row["non_local"]) == (8_543_296, gates, 4 * (1024**2 + 1024))
    assert row["counted"] == 13_076_877
