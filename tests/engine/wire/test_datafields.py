"""The table of length and data fields."""

from __future__ import annotations

from durafix.engine.wire.datafields import DATA_OF_LENGTH, LENGTH_OF_DATA


def test_each_data_field_has_one_length_and_no_tag_is_both() -> None:
    """Or the two directions of the table would differ."""
    assert len(LENGTH_OF_DATA) == len(DATA_OF_LENGTH)
    assert not set(LENGTH_OF_DATA) & set(DATA_OF_LENGTH)


def test_the_pairs_of_fix_4_to_5_are_there() -> None:
    """Those of the specification's older versions, by hand."""
    old = "90/91 93/89 95/96 212/213 348/349 350/351 352/353 354/355 356/357 358/359 360/361"
    more = "362/363 364/365 445/446 618/619 621/622 1184/1185 1277/1278 1280/1281 1282/1283"
    new = "1397/1398 1401/1402 1403/1404"
    for pair in f"{old} {more} {new}".split():
        length, data = map(int, pair.split("/"))
        assert DATA_OF_LENGTH[length] == data
