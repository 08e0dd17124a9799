"""docs/journal-format.md says what is true: its codes, its code, its example."""

import hashlib
import re
from typing import Any

from durafix.journal.checksum import CHECK_INPUT, CHECK_VALUE, mask, reference
from durafix.journal.record import Flag, Kind

from .make import HERE

PAGE = (HERE.parents[1] / "docs" / "journal-format.md").read_text()
EXAMPLE = PAGE[PAGE.index("## 14.") :]


def blocks() -> list[str]:
    """The Python on the page."""
    return re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_example_is_what_is_in_the_file() -> None:
    """Every byte that the page shows, at the offset that it names."""
    data = (HERE / "v1/segments/00000001.seg").read_bytes()
    shown = 0
    for line in EXAMPLE.splitlines():
        found = re.match(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} {1,2})*[0-9a-f]{2})(?: |$)", line)
        if found:
            at, raw = int(found[1], 16), bytes.fromhex(found[2])
            assert data[at : at + len(raw)] == raw, line
            shown += len(raw)
    assert shown > 240


def test_the_checksum_on_the_page_is_ours() -> None:
    """Run as it is printed."""
    names: dict[str, Any] = {}
    exec(blocks()[0], names)
    assert names["crc32c"](CHECK_INPUT) == CHECK_VALUE
    assert names["crc32c"](b"56789", names["crc32c"](b"1234")) == CHECK_VALUE
    assert names["masked"](CHECK_VALUE) == mask(CHECK_VALUE)
    assert reference(bytes(100)) == names["crc32c"](bytes(100))


def test_the_tree_on_the_page_is_ours(journal_core: Any) -> None:
    """With the one line of words in it spelled out."""
    words = "k = largest power of two smaller than len(leaves)"
    code = blocks()[1].replace(words, "k = 1 << (len(leaves) - 1).bit_length() - 1")
    assert code != blocks()[1]
    names: dict[str, Any] = {"sha256": lambda data: hashlib.sha256(data).digest()}
    exec(code, names)
    tree, leaves = journal_core.MerkleTree(), []
    for n in range(1, 20):
        leaves.append(bytes([n]))
        tree.add(leaves[-1])
        assert names["root"](leaves) == tree.root()


def test_the_codes_on_the_page_are_ours() -> None:
    """Kinds and flags, by number and name."""
    kinds = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", PAGE, re.M)
    assert {(int(code), name) for code, name in kinds} == {(int(k), k.name) for k in Kind}
    flags = re.findall(r"^\| \d+ \| (\d+) \| ([A-Z_]+) \|", PAGE, re.M)
    assert {(int(v), n) for v, n in flags} == {(int(f), f.name) for f in Flag}
