"""How fast is the codec: NewOrderSingle parsed and five fields read, and encoded, against two
peers.

    python bench/codec.py [--json] [--passes N] [--seed N]

All rows run in one process, in turns: each round gives every subject the same slice of messages.
Time is the CPU time of the thread, so what a busy machine takes away in between is not counted. A
row shows the median over the rounds, the best round, and the median of the per-round ratios to
QuickFIX's binding (how many times faster). Times are ns a message. What each subject does:

- parse: one whole message in, body length and checksum checked, five fields read (11, 55, 54, 38,
  44).
- encode: the same fields as bytes (str for the peers, which want str) out as one whole message.

QuickFIX runs through its Python binding without a dictionary, so it checks length and checksum
only, as we do. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
from collections.abc import Callable
from time import thread_time_ns
from types import ModuleType

from durafix.engine.wire import Message, _pure

try:
    from durafix.engine.wire import _codec
except ImportError:
    _codec = None
try:
    import quickfix
except ImportError:
    quickfix = None
try:
    import simplefix
except ImportError:
    simplefix = None

Fields = list[tuple[int, bytes]]
Subject = Callable[[list], int]
READ = (11, 55, 54, 38, 44)
MESSAGES, SLICE = 10_000, 500
BASE = "quickfix binding"
SYMBOLS = ("MSFT", "AAPL", "VOD.L", "BMW.DE", "INTC", "7203.T", "BRK.B", "NESN.SW")


def orders(seed: int) -> list[Fields]:
    """10,000 different NewOrderSingles without 8, 9 and 10; optional fields come and go."""
    rng = random.Random(seed)
    return [_order(rng, number) for number in range(1, MESSAGES + 1)]


def _order(rng: random.Random, number: int) -> Fields:
    stamp = f"20240229-12:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}"
    fields = {
        35: "D", 34: number, 49: "BUYER-DESK", 52: stamp, 56: "SELLER-EXCHANGE",
        1: f"ACCT{rng.randrange(10**6):06}", 11: f"ord-{rng.randrange(10**9):09}-{number}",
        15: "USD", 18: "1", 21: rng.choice("123"), 38: rng.randrange(1, 100_000), 40: "2",
        44: f"{rng.randrange(1, 10_000)}.{rng.randrange(100):02}", 54: rng.choice("12"),
        55: rng.choice(SYMBOLS), 58: "x" * rng.randrange(1, 20), 59: rng.choice("01346"), 60: stamp,
    }  # fmt: skip
    for optional in (1, 15, 18, 58):
        if rng.random() < 0.25:
            del fields[optional]
    return [(tag, str(value).encode()) for tag, value in fields.items()]


def parse_frame(codec: ModuleType) -> Subject:
    """Our codec: a Frame and five fields as bytes."""
    parse = codec.parse

    def run(messages: list[bytes]) -> int:
        for raw in messages:
            frame = parse(raw)
            frame[11], frame[55], frame[54], frame[38], frame[44]
        return len(messages)

    return run


def parse_message(codec: ModuleType) -> Subject:
    """What an application gets: a Message and five fields as str."""
    parse, wrap = codec.parse, Message.from_frame

    def run(messages: list[bytes]) -> int:
        for raw in messages:
            message = wrap(parse(raw))
            message[11], message[55], message[54], message[38], message[44]
        return len(messages)

    return run


def feed(codec: ModuleType) -> Subject:
    """Our codec as the network drives it: one stream in 4 KiB pieces, five fields of each read."""

    def run(messages: list[bytes]) -> int:
        stream, decoder, count = b"".join(messages), codec.Decoder(), 0
        for at in range(0, len(stream), 4096):
            for frame in decoder.feed(stream[at : at + 4096]):
                frame[11], frame[55], frame[54], frame[38], frame[44]
                count += 1
        return count

    return run


def parse_quickfix(messages: list[bytes]) -> int:
    """QuickFIX's binding: a Message with length and checksum checked, five getField."""
    make = quickfix.Message
    for raw in messages:
        message = make(raw.decode("latin-1"), True)
        for tag in READ:
            message.getField(tag)
    return len(messages)


def parse_simplefix(messages: list[bytes]) -> int:
    """simplefix: one parser, five get; it checks neither length nor checksum."""
    parser = simplefix.FixParser()
    for raw in messages:
        parser.append_buffer(raw)
        message = parser.get_message()
        for tag in READ:
            message.get(tag)
    return len(messages)


def encode_fields(codec: ModuleType) -> Subject:
    """Our codec: a list of (tag, bytes)."""
    encode = codec.encode

    def run(bodies: list[Fields]) -> int:
        for fields in bodies:
            encode(b"FIX.4.4", fields)
        return len(bodies)

    return run


def encode_message(codec: ModuleType) -> Subject:
    """What a send costs: a Message from a dict, checked and ordered, then encoded."""
    encode = codec.encode

    def run(bodies: list[Fields]) -> int:
        for fields in bodies:
            message = Message("D", dict(fields[5:]))
            encode(b"FIX.4.4", [*fields[:5], *message.body_fields()])
        return len(bodies)

    return run


def encode_quickfix(bodies: list[list[tuple[int, str]]]) -> int:
    """QuickFIX's binding: setField each, toString."""
    make, field = quickfix.Message, quickfix.StringField
    for fields in bodies:
        message = make()
        header = message.getHeader()
        header.setField(field(8, "FIX.4.4"))
        for tag, value in fields[:5]:
            header.setField(field(tag, value))
        for tag, value in fields[5:]:
            message.setField(field(tag, value))
        message.toString()
    return len(bodies)


def encode_simplefix(bodies: list[list[tuple[int, str]]]) -> int:
    """simplefix: append_pair each, encode."""
    for fields in bodies:
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        for tag, value in fields:
            message.append_pair(tag, value)
        message.encode()
    return len(bodies)


def subjects() -> dict[str, dict[str, Subject]]:
    """Rows by question, ours first; peers that are missing are left out."""
    parse: dict[str, Subject] = {}
    encode: dict[str, Subject] = {}
    for name, codec in (("native", _codec), ("pure", _pure)):
        if codec is not None:
            parse[f"durafix {name}: parse"] = parse_frame(codec)
            parse[f"durafix {name}: feed, 4 KiB pieces"] = feed(codec)
            parse[f"durafix {name}: parse, read as Message"] = parse_message(codec)
            encode[f"durafix {name}: encode"] = encode_fields(codec)
            encode[f"durafix {name}: Message, encode"] = encode_message(codec)
    if quickfix is not None:
        parse[BASE], encode[BASE] = parse_quickfix, encode_quickfix
    if simplefix is not None:
        parse["simplefix"], encode["simplefix"] = parse_simplefix, encode_simplefix
    return {"parse NewOrderSingle and read 5 fields": parse, "encode NewOrderSingle": encode}


def measure(rows: dict[str, Subject], slices: list[dict[str, list]], passes: int) -> list[dict]:
    """Median, best and ratio of each row; each round runs every row on one slice."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for name, run in rows.items():  # warm up, and see that the row does its work
        assert run(slices[0][name]) == SLICE, name
    for _ in range(passes):
        for inputs in slices:
            for name, run in rows.items():
                start = thread_time_ns()
                run(inputs[name])
                times[name].append((thread_time_ns() - start) / SLICE)
    base = times.get(BASE)
    return [
        {
            "name": name,
            "median_ns": round(statistics.median(taken)),
            "best_ns": round(min(taken)),
            "times_faster_than_quickfix": base
            and round(statistics.median(b / t for b, t in zip(base, taken, strict=True)), 2),
        }
        for name, taken in times.items()
    ]


def report(seed: int, passes: int) -> dict:
    """All tables as one JSON value."""
    bodies = orders(seed)
    raws = [_pure.encode(b"FIX.4.4", fields) for fields in bodies]
    texts = [[(tag, value.decode()) for tag, value in fields] for fields in bodies]
    tables = []
    for question, rows in subjects().items():
        parsing = question.startswith("parse")
        slices = [
            {
                name: (raws if parsing else bodies if "durafix" in name else texts)[at : at + SLICE]
                for name in rows
            }
            for at in range(0, MESSAGES, SLICE)
        ]
        tables.append({"question": question, "rows": measure(rows, slices, passes)})
    return {
        "schema": "bench-codec/1",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "messages": MESSAGES,
        "bytes_mean": round(statistics.mean(map(len, raws)), 1),
        "fields_mean": round(statistics.mean(len(fields) + 3 for fields in bodies), 1),
        "rounds": passes * MESSAGES // SLICE,
        "seed": seed,
        "tables": tables,
    }


def as_text(result: dict) -> str:
    """The tables for a person."""
    lines = [
        f"{result['messages']} different NewOrderSingles, mean {result['bytes_mean']} bytes and "
        f"{result['fields_mean']} fields; {result['rounds']} rounds; Python {result['python']}"
    ]
    for table in result["tables"]:
        lines += ["", f"{table['question']:44} {'median ns':>10} {'best ns':>9} {'x quickfix':>11}"]
        for row in table["rows"]:
            ratio = row["times_faster_than_quickfix"]
            shown = f"{ratio:11.1f}" if ratio else f"{'-':>11}"
            lines.append(f"  {row['name']:42} {row['median_ns']:10,} {row['best_ns']:9,} {shown}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="codec speed against QuickFIX and simplefix")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--passes", type=int, default=3, help="how often all messages are gone over"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    result = report(options.seed, options.passes)
    print(json.dumps(result, indent=2) if options.json else as_text(result))


if __name__ == "__main__":
    main(sys.argv[1:])
