"""What does one record cost? Packing, hashing, scanning and checksums, native and in Python.

    python bench/record.py [--payload-bytes 200] [--seconds 1]

Prints nanoseconds a record (best of several rounds in one process, because the noise of a shared
machine only ever adds) and, for scans, bytes per second. A step of two records and a batch of 64 is
what a busy session writes: an order in, a report out, and a pad.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from durafix.journal import _pure
from durafix.journal.record import Draft, Flag, Kind, Stop

SALT = 0x5EED
START = 8192
BATCH = 64


def best_ns(work: Callable[[], object], seconds: float) -> float:
    """Shortest run of ``work`` in ns, over rounds that fill the time; at least three."""
    best, until, rounds = float("inf"), time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < until:
        began = time.perf_counter_ns()
        work()
        best = min(best, time.perf_counter_ns() - began)
        rounds += 1
    return best


def drafts(count: int, payload_bytes: int) -> list[Draft]:
    """One step of frames."""
    payload = bytes(i & 0xFF for i in range(payload_bytes))
    return [Draft(Kind.IN, 1, Flag.CONSUMED, 1, n, payload) for n in range(1, count + 1)]


def packing(core: ModuleType, step: list[Draft], seconds: float) -> tuple[float, float]:
    """ns a record to pack one batch in steps, and to hash and take it."""
    packer: Any = core.Packer(SALT, 1, START)
    number, pack, take = 1, float("inf"), float("inf")
    steps = BATCH // len(step)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter_ns()
        for _ in range(steps):
            packer.step(number, number, number - 1, step)
            number += len(step)
        packed = time.perf_counter_ns()
        packer.take()
        pack = min(pack, packed - began)
        take = min(take, time.perf_counter_ns() - packed)
    return pack / BATCH, take / BATCH


def scanning(core: ModuleType, step: list[Draft], seconds: float) -> tuple[float, float]:
    """ns a record and GB/s to verify 512 records in one call and make their rows."""
    packer = core.Packer(SALT, 1, START)
    for number in range(1, 513, len(step)):
        packer.step(number, number, number - 1, step)
    data: bytes = packer.take()
    rows, _, stop = core.scan(data, 0, START, SALT, 1, 0, 512)
    assert len(rows) == 512 and stop == Stop.END
    ns = best_ns(lambda: core.scan(data, 0, START, SALT, 1, 0, 512), seconds)
    return ns / 512, len(data) / ns


def finding(core: ModuleType, seconds: float) -> float:
    """GB/s to look for a header where there is none."""
    data = bytes(4 << 20)
    return len(data) / best_ns(lambda: core.find_header(data, 0, 0, SALT), seconds)


def table(name: str, core: ModuleType, payload_bytes: int, seconds: float) -> None:
    """One module's figures."""
    for size in (1, 2, 64):
        pack, take = packing(core, drafts(size, payload_bytes), seconds)
        whole = pack + take
        print(
            f"{name:7}steps of {size:2}: pack {pack:7.0f}  hash, take {take:7.0f}  {whole:7.0f} ns"
        )
    ns, rate = scanning(core, drafts(2, payload_bytes), seconds)
    print(f"{name:7}scan into rows {ns:7.0f} ns a record, {rate:6.2f} GB/s")
    print(f"{name:7}find a header {finding(core, seconds):6.2f} GB/s")
    data = bytes(1 << 20)
    rate = len(data) / best_ns(lambda: core.crc32c(data), seconds)
    print(f"{name:7}crc32c {rate:6.2f} GB/s")


def main() -> None:
    """Both twins, one behind the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payload-bytes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each figure")
    options = parser.parse_args()
    print(f"payload {options.payload_bytes} bytes, batches of {BATCH}")
    try:
        from durafix.journal import _native
    except ImportError:
        print("no native build here")
    else:
        print(f"native crc32c by {_native.CRC_BY}, sha-256 by {_native.SHA_BY}")
        table("native", _native, options.payload_bytes, options.seconds)
        leaf = bytes(1 << 16)
        ns = best_ns(lambda: _native.sha256(0, leaf), options.seconds)
        print(f"native sha-256 by {_native.SHA_BY} {len(leaf) / ns:6.2f} GB/s")
        ns = best_ns(lambda: _native.sha256(0, leaf, True), options.seconds)
        print(f"native sha-256 by plain {len(leaf) / ns:6.2f} GB/s")
    table("pure", _pure, options.payload_bytes, options.seconds)
    leaf = bytes(1 << 16)
    ns = best_ns(lambda: hashlib.sha256(leaf).digest(), options.seconds)
    print(f"hashlib sha-256 {len(leaf) / ns:6.2f} GB/s")


if __name__ == "__main__":
    main()
