"""Who a journal is, while journal.json is damaged."""

from __future__ import annotations

import pytest

from durafix.journal.simdisk import SimDisk
from durafix.recovery.identity import identify

from .test_hostile import replaced
from .test_verify import sample
from .toys import ROOT, Ticker

PATH = f"{ROOT}/journal.json"
UUID = Ticker().uuid()


def manifest_is(data: bytes) -> SimDisk:
    disk = sample().kill()
    replaced(disk, PATH, data)
    return disk


def test_the_manifest_names_the_journal() -> None:
    """And nothing is found."""
    identity = identify(sample(), ROOT)
    assert (identity.uuid, identity.findings) == (UUID, ())


@pytest.mark.parametrize("harm", ["space", "uuid", "format", "garbage", "gone"])
def test_a_damaged_manifest_is_found_and_the_segments_carry_the_identity(harm: str) -> None:
    """A space more, another uuid, another format, no JSON, no file."""
    text = sample().content(PATH)
    disk = manifest_is(
        {
            "space": text.replace(b":", b": ", 1),
            "uuid": text.replace(UUID.hex()[:8].encode(), b"00000000"),
            "format": text.replace(b'"format":1', b'"format":3'),
            "garbage": b"\xff\xfe",
            "gone": b"",
        }[harm]
    )
    if harm == "gone":
        disk.unlink(PATH)
    identity = identify(disk, ROOT)
    assert identity.uuid == UUID
    assert [f.code for f in identity.findings] == ["manifest-damaged"]


def test_without_manifest_and_segments_there_is_no_journal() -> None:
    """Nothing to verify, and no verdict."""
    disk = sample().kill()
    for path in disk.paths():
        if path == PATH or path.endswith(".seg"):
            disk.unlink(path)
    identity = identify(disk, ROOT)
    assert identity.uuid == b"" and [f.code for f in identity.findings] == ["format-unknown"]


def test_segments_that_name_two_journals_do_not_outvote_the_manifest() -> None:
    """First and last segment disagree: the manifest is believed."""
    disk = sample().kill()
    last = max(path for path in disk.paths() if path.endswith(".seg"))
    disk.poke(last, 0, bytes(8192))
    assert identify(disk, ROOT).uuid == UUID
