"""Messages that the wire tests share, written with ``|`` for the delimiter and sealed by hand.

``seal`` counts BodyLength and CheckSum on its own: no test trusts the code under test for them.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

ON_BOTH = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a module is no state
)
"""For a property that runs on both codecs through the fixture."""


def seal(body: str, begin: str = "FIX.4.4", *, length: int | None = None) -> bytes:
    """A whole message around ``body``, such as ``35=0|34=1|``. ``length`` lies about the body's."""
    inner = body.replace("|", "\x01").encode("latin-1")
    head = f"8={begin}\x019={len(inner) if length is None else length}\x01".encode("latin-1")
    return head + inner + b"10=%03d\x01" % (sum(head + inner) % 256)


HEARTBEAT = seal("35=0|34=2|49=BUYER|52=20240229-12:00:00.123|56=SELLER|")
ORDER = seal(
    "35=D|34=7|49=BUYER|52=20240229-12:00:00.123|56=SELLER|11=c1|21=1|38=002000.00|40=2|44=12.50|54=1|"
    "55=MSFT|58=tea for two|59=0|60=20240229-12:00:00|"
)
PARTIES = seal("35=D|34=8|49=B|56=S|11=c2|453=2|448=x|447=D|448=y|447=D|452=3|10055=z|")
RAW_DATA = seal(
    "35=B|34=9|49=B|56=S|95=11|96=a|10=123|b=|58=t|"
)  # data holds what looks like a trailer
EMPTY_VALUE = seal("35=0|34=10|49=B|56=S|112=|")
ODD_TAGS = seal("35=0|34=11|49=B|56=S|0=HI|-1=HI|055=x|999999999=y|")
MANY_FIELDS = seal(
    "35=W|34=12|49=B|56=S|268=60|" + "".join(f"269={i % 3}|270={i}|" for i in range(60))
)
GOOD = (HEARTBEAT, ORDER, PARTIES, RAW_DATA, EMPTY_VALUE, ODD_TAGS, MANY_FIELDS)

BAD_SUM = ORDER[:-4] + b"%03d\x01" % ((int(ORDER[-4:-1]) + 1) % 256)
TOO_SHORT = seal("35=0|34=2|49=B|56=S|112=x|", length=9)
TOO_FAR = seal("35=0|34=2|49=B|56=S|112=x|", length=60)
BAD_TAG = seal("35=0|34=2|4garbled9=B|56=S|")
BAD = (
    BAD_SUM,
    TOO_SHORT,
    TOO_FAR,
    BAD_TAG,
    b"\x00\x00",
    b"junk",
    b"8=FIX",
    b"8=FIX.4.4\x0135=0\x01",
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` split at the given offsets, taken modulo its length."""
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(edges)]


def streams() -> st.SearchStrategy[bytes]:
    """Streams of good and bad messages, then damaged: bytes changed, taken out, doubled."""
    part = st.one_of(
        st.sampled_from(GOOD),
        st.sampled_from(GOOD),
        st.sampled_from(BAD),
        st.binary(max_size=12),
        st.builds(
            seal, _bodies(), st.sampled_from(["FIX.4.4", "FIXT.1.1", "FIX", "FIX" + "x" * 30])
        ),
    )
    whole = st.lists(part, min_size=1, max_size=6).map(b"".join)
    return st.builds(
        _damage, whole, st.lists(st.tuples(st.integers(0, 5000), _wounds()), max_size=3)
    )


def _bodies() -> st.SearchStrategy[str]:
    tag = st.sampled_from(
        ["95", "96", "93", "89", "1", "58", "0", "-1", "-", "", "x", "0096", "1234567890"]
    )
    value = st.sampled_from(
        ["", "1", "3", "03", "a|b", "a", "10", "=", "999999999", "-2", "\x00", "8=FIX"]
    )
    field = st.builds(lambda t, v: f"{t}={v}|", tag, value)
    return st.lists(field, max_size=6).map(lambda fields: "35=B|34=1|" + "".join(fields))


def _wounds() -> st.SearchStrategy[bytes | None]:
    return st.one_of(
        st.none(), st.sampled_from([b"", b"\x01", b"=", b"8", b"9", b"\x00", b"8=FIX", b"-"])
    )


def _damage(data: bytes, wounds: list[tuple[int, bytes | None]]) -> bytes:
    for at, bytes_instead in wounds:
        at %= len(data) + 1
        data = (
            data[:at]
            + (data[at : at + 1] * 2 if bytes_instead is None else bytes_instead)
            + data[at + 1 :]
        )
    return data
