"""Makes the golden journal of format version 1: every kind of record, three segments, two terms.

The bytes are a function of this file alone: fixed salts, uuid and clock. ``files()`` gives them;
run as a script it writes them beside itself, which is only right for a format that was never
released. A change of the result is a change of the format.

    segment 1   term 1, sealed by rotation; one record of every kind that a stranger can meet
    segment 2   term 1, ended by an unclean stop: bytes were cut, REPAIR and SEAL follow
    segment 3   term 2, open: allocated, not sealed, zeros behind its last record
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import NamedTuple, Protocol

from durafix.journal import _pure, chain, segment, tail
from durafix.journal.record import Direction, Draft, Flag, Kind

UUID = bytes.fromhex("00112233445566778899aabbccddeeff")
SALTS = (0x1111111111111111, 0x2222222222222222, 0x3333333333333333)
T0 = 1_704_153_600_000_000_000  # 2024-01-02T00:00:00Z
ALLOCATED_BYTES = 16384
HERE = Path(__file__).parent
ROSTER = b'{"sessions":{"1":"FIX.4.4:A->B"}}'


class Core(Protocol):
    """The part of ``_pure`` or ``_native`` that is used here."""

    Packer: type[_pure.Packer]


class Step(NamedTuple):
    """One step as the writer gets it: at which second, behind which durable event."""

    second: int
    durable: int
    drafts: list[Draft]


def frame(text: str) -> bytes:
    """A FIX frame from its body, with 8, 9 and 10 as they must be."""
    body = text.replace("|", "\x01").encode()
    head = b"8=FIX.4.4\x019=%d\x01" % len(body)
    return head + body + b"10=%03d\x01" % (sum(head + body) % 256)


def in_(seq: int, flags: int, text: str) -> Draft:
    """A received frame, monotonic time 1000 s."""
    payload = struct.pack("<Hq", 10, 10**12) + frame(text)
    return Draft(Kind.IN, Direction.IN, flags, 1, seq, payload)


def out(seq: int, flags: int, text: str, cause: int = 0, key: bytes = b"") -> Draft:
    """A sent frame, monotonic time 1000 s."""
    payload = struct.pack("<HqQ", 18 + len(key), 10**12, cause) + key + frame(text)
    return Draft(Kind.OUT, Direction.OUT, flags, 1, seq, payload)


def event(kind: int, payload: bytes, *, session: int = 1, seq: int = 0) -> Draft:
    """An event that is no frame."""
    return Draft(kind, Direction.NONE, 0, session, seq, payload)


TICK = b'{"type":"tick","mono":1000000000000}'
EPOCH = b'{"epoch":1,"next_out":1,"next_in":1,"cause":"first start"}'
LINK = b'{"type":"link","trigger":"connected","to":"up","cause":"golden"}'
OPERATOR = (
    b'{"type":"numbers-set","who":"ops","why":"golden","before_out":2,"before_in":3,'
    b'"next_out":2,"next_in":3}'
)
LOGON = "35=A|49=B|56=A|34=1|52=20240102-00:00:01.000|98=0|108=30|"
ORDER = "35=D|49=B|56=A|34=2|52=20240102-00:00:02.000|11=c1|55=MSFT|54=1|38=100|40=1|"
AGAIN = "35=D|49=B|56=A|34=2|43=Y|52=20240102-00:00:04.000|122=20240102-00:00:02.000|11=c1|"
REPORT = "35=8|49=A|56=B|34=2|52=20240102-00:00:03.000|37=o1|17=e1|150=0|39=0|55=MSFT|54=1|"
REPAIR = (
    b'{"type":"cut","row":8,"term":1,"segment":2,"offset":9216,"durable":18,"from_bound":true,'
    b'"cut_bytes":128,"cut_headers":1,"quarantine":"00000002-9216-' + b"ab" * 32 + b'"}'
)

FIRST = [
    Step(0, 0, [event(Kind.ROSTER, ROSTER)]),
    Step(0, 0, [
        event(Kind.INPUT, TICK), event(Kind.EPOCH, EPOCH),
        event(Kind.RESERVATION, b'{"epoch":1}', seq=1000), event(Kind.STATE, LINK),
    ]),
    Step(1, 5, [in_(1, Flag.CONSUMED | Flag.REDACTED, LOGON), out(1, 0, LOGON)]),
    Step(2, 5, [in_(2, Flag.CONSUMED | Flag.DELIVER, ORDER)]),
    Step(3, 7, [out(2, Flag.COMMAND, REPORT, cause=8, key=b"ack-8")]),
    Step(3, 7, [event(Kind.CURSOR, struct.pack("<qQBB", 10**12, 8, 0, 0), seq=2)]),
    Step(4, 10, [in_(2, Flag.COPY, AGAIN)]),
    Step(5, 10, [event(Kind.OPERATOR, OPERATOR)]),
    Step(6, 12, [event(Kind.CLOCK, b'{"type":"clock"}', session=0)]),
    Step(6, 12, [event(Kind.ACCEPTED, b"\x01"), event(Kind.SNAPSHOT_REF, b"", session=0)]),
    Step(7, 12, [event(Kind.BASE, b"{}", session=0), event(200, b"a later version wrote this")]),
    Step(8, 17, [event(Kind.HASH, bytes(range(32)), session=0)]),
]  # fmt: skip
"""Numbers 1 to 18, in twelve steps."""
SECOND = [Step(9, 18, [in_(3, Flag.CONSUMED | Flag.CLOCK_UNSYNC, "35=0|49=B|56=A|34=3|")])]
THIRD = [Step(20, 20, [out(3, 0, "35=0|49=A|56=B|34=3|"), event(Kind.STATE, LINK)])]


class _Writer:
    """One segment under construction."""

    def __init__(self, core: Core, number: int, base: int, term: int, ends: tuple[bytes, bytes]):
        self.number, self.base, self.previous_chain = number, base, ends[1]
        self.header = segment.SegmentHeader(
            journal_uuid=UUID,
            segment=number,
            salt=SALTS[number - 1],
            base_event=base,
            term=term,
            created_ns=T0 + base,
            policy=segment.Policy.ALWAYS,
            pad_bytes=512,
            allocated_bytes=ALLOCATED_BYTES,
            previous_seal=ends[0],
            chain=ends[1],
        )
        page = segment.pack_header_page(self.header)
        self.packer = core.Packer(self.header.salt, segment.page_crc(page), segment.FIRST_RECORD)
        self.packer.tree.add(page)
        self.data = page + page
        self.last, self.utc_ns = base - 1, T0 + base
        self.first_utc_ns = 0
        roster = b'{"sessions":{}}' if number == 1 else ROSTER
        self.single(Kind.ROSTER, roster, Flag.COPY)

    def single(self, kind: Kind, payload: bytes, flags: int = 0, depth: int = 0) -> None:
        """A record that is no event."""
        self.packer.single(self.last, self.utc_ns, depth, kind, 0, flags, 0, 0, payload)

    def step(self, step: Step) -> None:
        """The writer's batch for one step: its records, a pad to the sector."""
        self.utc_ns = T0 + step.second * 10**9
        self.first_utc_ns = self.first_utc_ns or self.utc_ns
        self.packer.step(self.last + 1, self.utc_ns, step.durable, step.drafts)
        self.last += len(step.drafts)
        self.packer.pad(self.last, self.utc_ns, step.durable, 512)

    def seal(self) -> tuple[bytes, bytes]:
        """End the segment; the digest of the SEAL and the chain, for the next header page."""
        tree = self.packer.tree
        root = tree.root()
        link = chain.extend(self.previous_chain, root, tree.count)
        seal = segment.Seal(
            events=self.last + 1 - self.base,
            records=self.packer.records,
            first_event=self.base,
            last_event=self.last,
            first_utc_ns=self.first_utc_ns,
            last_utc_ns=self.utc_ns,
            size_bytes=self.packer.offset,
            root=root,
            chain=link,
        )
        self.data += self.packer.take()
        self.single(Kind.SEAL, segment.pack_seal(seal))
        record = self.packer.take()
        self.data += record
        return segment.seal_digest(record), link


def files(core: Core = _pure) -> dict[str, bytes]:
    """Every file of the golden journal by its path below the journal's folder."""
    first = _Writer(core, 1, 1, 1, (bytes(32), bytes(32)))
    for step in FIRST:
        first.step(step)
    first.single(Kind.MARK, b"")
    first.packer.pad(first.last, first.utc_ns, first.last, 512)
    ends = first.seal()
    second = _Writer(core, 2, first.last + 1, 1, ends)
    second.packer.pad(second.last, second.utc_ns, second.last, 512)
    for step in SECOND:
        second.step(step)
    second.utc_ns = T0 + 19 * 10**9
    second.step(Step(19, 19, [event(Kind.REPAIR, REPAIR, session=0)]))
    third = _Writer(core, 3, second.last + 1, 2, second.seal())
    for step in THIRD:
        third.step(step)
    data = third.data + third.packer.take()
    slots = [
        tail.TailSlot(
            journal_uuid=UUID,
            term=2,
            segment=3,
            offset=len(data),
            event=third.last,
            header_crc=third.packer.prev_header_crc,
            generation=generation,
        )
        for generation in (40, 41)
    ]
    space = bytes(512 - tail.SLOT_BYTES)
    identity = {"format": 1, "uuid": "00112233-4455-6677-8899-aabbccddeeff", "created_ns": T0}
    return {
        "journal.json": json.dumps(identity, separators=(",", ":")).encode() + b"\n",
        "TAIL": b"".join(tail.pack_slot(slot) + space for slot in slots),
        "segments/00000001.seg": first.data,
        "segments/00000002.seg": second.data,
        "segments/00000003.seg": data + bytes(ALLOCATED_BYTES - len(data)),
    }


def listing(made: dict[str, bytes]) -> str:
    """One JSON object a line for each record: what any reader must find in the segments."""
    lines = []
    for name, data in sorted(made.items()):
        number = segment.parse_segment_name(name.removeprefix("segments/"))
        if number is None:
            continue
        at = segment.FIRST_RECORD
        while at < len(data) and any(data[at : at + 64]):
            header = _pure.unpack_header(data, at)
            payload = data[at + 64 : at + 64 + header.payload_bytes]
            fields = {"segment": number, "offset": at, **header._asdict()}
            del fields["magic"]
            fields["payload_b64"] = base64.b64encode(payload).decode()
            lines.append(json.dumps(fields))
            at += 64 + (len(payload) + 7) // 8 * 8
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the journal and its listing beside this file."""
    made = files()
    for name, data in made.items():
        path = HERE / "v1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (HERE / "v1.ndjson").write_text(listing(made))


if __name__ == "__main__":
    main()
