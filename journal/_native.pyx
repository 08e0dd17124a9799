# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Records packed, scanned and hashed at C speed: the twin of ``_pure.py``, its specification.

Owns nothing that ``_pure.py`` does not describe: same names, same bytes, same results. The
docstrings there hold here.

Two things differ inside. Records are hashed late: ``Packer`` only lays them down, and the tree
takes them in bulk at ``take`` (or when it is asked), without the GIL if there is enough to do;
giving the GIL up for a short piece would cost a switch interval when another thread is busy. And
``scan`` first verifies in C, also without the GIL, then makes the rows.

Invariant: no pointer is followed before its length was compared with the end of the buffer.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from hashlib import sha256 as sha256_of_nothing

from ._pure import unpack_header
from .errors import TooLarge
from .record import Kind, Stop

cdef extern from "Python.h":
    object PySequence_Fast(object, const char *)
    Py_ssize_t PySequence_Fast_GET_SIZE(object)
    PyObject *PySequence_Fast_GET_ITEM(object, Py_ssize_t)

cdef extern from "_crc32c.h":
    const char *durafix_crc_init() nogil
    uint32_t durafix_crc_table(uint32_t crc, const uint8_t *data, size_t size) noexcept nogil
    uint32_t durafix_crc32c(uint32_t crc, const uint8_t *data, size_t size) noexcept nogil

cdef extern from "_record.h" nogil:
    cdef enum:
        DURAFIX_HEADER
        DURAFIX_PAYLOAD_MAX
        DURAFIX_FLAG_LAST
        DURAFIX_KIND_PAD
        DURAFIX_KIND_SEAL
        DURAFIX_KIND_HIGHEST
        DURAFIX_ALIGNMENT
    const uint64_t DURAFIX_NUMBER_MAX
    ctypedef struct durafix_header:
        uint32_t header_crc, size, session, depth, previous_crc
        uint64_t salt, event, utc_ns, seq
        uint8_t kind, direction
        uint16_t flags
    ctypedef struct durafix_found:
        size_t start, size
    ctypedef struct durafix_run:
        const uint8_t *data
        size_t at, end, count, limit
        uint64_t salt, last_event
        uint32_t last_crc
        durafix_found *found
    uint32_t durafix_mask(uint32_t crc) noexcept
    uint32_t durafix_unmask(uint32_t masked) noexcept
    uint32_t durafix_salt_crc(uint64_t salt) noexcept
    bint durafix_takes_number(uint8_t kind, uint16_t flags) noexcept
    size_t durafix_whole(size_t payload_size) noexcept
    void durafix_lay(
        uint8_t *at, durafix_header *header, uint32_t salt_crc, const uint8_t *payload) noexcept
    int durafix_scan(durafix_run *run) noexcept
    size_t durafix_find(const uint8_t *data, size_t at, size_t size, uint64_t salt) noexcept

cdef extern from "_sha256.h" nogil:
    ctypedef void (*durafix_sha_blocks_fn)(uint32_t *, const uint8_t *, size_t) noexcept nogil
    durafix_sha_blocks_fn durafix_sha_blocks
    void durafix_sha_blocks_c(uint32_t *, const uint8_t *, size_t) noexcept
    const char *durafix_sha_init()
    void durafix_sha256(
        durafix_sha_blocks_fn run, uint8_t *out, uint8_t prefix, const uint8_t *data, size_t size
    ) noexcept
    void durafix_sha256_pair(
        uint8_t *out, uint8_t prefix, const uint8_t *first, size_t first_size,
        const uint8_t *second, size_t second_size) noexcept

CRC_BY = (<bytes>durafix_crc_init()).decode()
"""Which way to the CRC this machine takes: ``sse4.2``, ``armv8`` or ``table``."""
SHA_BY = (<bytes>durafix_sha_init()).decode()
"""Which way to SHA-256 this machine takes: ``sha-ni`` or ``plain``."""

cdef uint64_t DEPTH_CAP = 0xFFFFFFFE
cdef Py_ssize_t GIL_BYTES = 32768  # from this much work on the GIL is given up: 30 us of hashing

cdef tuple STOPS = tuple(Stop)
if (
    [int(stop) for stop in STOPS] != list(range(DURAFIX_ALIGNMENT + 1))
    or int(Stop.ALIGNMENT) != DURAFIX_ALIGNMENT
    or [int(kind) for kind in Kind] != list(range(1, DURAFIX_KIND_HIGHEST + 1))
):
    raise ImportError("this build knows other codes than record.py; reinstall")

cdef bytes EMPTY_ROOT = sha256_of_nothing().digest()


# -- checksums -------------------------------------------------------------------------------------

def mask(uint32_t crc):
    """See ``checksum.mask``."""
    return durafix_mask(crc)


def unmask(uint32_t masked):
    """See ``checksum.unmask``."""
    return durafix_unmask(masked)


def crc32c(data, uint32_t crc=0):
    """CRC-32C of ``data``; ``crc`` continues an earlier result."""
    cdef Py_buffer view
    if type(data) is bytes:
        return durafix_crc32c(crc, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    crc = durafix_crc32c(crc, <const uint8_t *>view.buf, view.len)
    PyBuffer_Release(&view)
    return crc


def crc32c_by_table(bytes data, uint32_t crc=0):
    """The way of machines without a CRC instruction, for tests."""
    return durafix_crc_table(crc, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


def sha256(uint8_t prefix, bytes data, bint plain=False):
    """SHA-256 of one byte and ``data``; ``plain`` takes the way of machines without SHA
    instructions. For tests; the tree calls the same function."""
    cdef uint8_t out[32]
    durafix_sha256(
        durafix_sha_blocks_c if plain else durafix_sha_blocks, out, prefix,
        <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return out[:32]


# -- Merkle tree -----------------------------------------------------------------------------------

cdef class _Packed:
    """Packed bytes that were not taken yet, and how far the tree has hashed them.

    Shared by a packer and its tree, so that the tree can be asked at any time.
    """

    cdef uint8_t *at
    cdef Py_ssize_t size, room, hashed
    cdef bint busy  # a thread hashes without the GIL; nobody may move the bytes meanwhile

    def __dealloc__(self):
        free(self.at)

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Make room for ``more`` bytes behind ``size``."""
        cdef Py_ssize_t room
        cdef uint8_t *moved
        assert not self.busy, "a Packer belongs to one thread"
        if self.size + more > self.room:
            room = max(2 * self.room, self.size + more, 4096)
            moved = <uint8_t *>realloc(self.at, room)
            if moved == NULL:
                raise MemoryError
            self.at, self.room = moved, room
        return 0


cdef struct Leaf:
    const uint8_t *at
    size_t size


cdef class MerkleTree:
    """See ``_pure.MerkleTree``."""

    cdef uint8_t nodes[68][32]  # 63 heights at most, and room for four leaves above
    cdef int height
    cdef uint64_t leaves
    cdef _Packed source

    cdef void add_leaf(self, const uint8_t *data, size_t size) noexcept nogil:
        durafix_sha256(durafix_sha_blocks, self.nodes[self.height], 0, data, size)
        self.grow(self.leaves, 1)

    cdef void add_four(self, const Leaf *leaf) noexcept nogil:
        """Four leaves at once, where they fill a subtree: two by two they hash side by side."""
        cdef uint8_t *at = self.nodes[self.height]
        durafix_sha256_pair(at, 0, leaf[0].at, leaf[0].size, leaf[1].at, leaf[1].size)
        durafix_sha256_pair(at + 64, 0, leaf[2].at, leaf[2].size, leaf[3].at, leaf[3].size)
        durafix_sha256_pair(at, 1, at, 64, at + 64, 64)
        durafix_sha256(durafix_sha_blocks, at, 1, at, 64)
        self.grow(self.leaves >> 2, 4)

    cdef void grow(self, uint64_t finished, uint64_t leaves) noexcept nogil:
        """A new node lies on top; each trailing one bit of ``finished`` is a left sibling."""
        cdef uint8_t *at = self.nodes[self.height]
        while finished & 1:
            at -= 32  # both children lie side by side, and the digest is stored only at the end
            durafix_sha256(durafix_sha_blocks, at, 1, at, 64)
            self.height -= 1
            finished >>= 1
        self.height += 1
        self.leaves += leaves

    cdef void add_packed(self) noexcept nogil:
        cdef Leaf leaf[4]
        cdef durafix_header header
        cdef int i, count = 0
        while self.source.hashed < self.source.size:
            leaf[count].at = self.source.at + self.source.hashed
            memcpy(&header, leaf[count].at, DURAFIX_HEADER)
            leaf[count].size = durafix_whole(header.size)
            self.source.hashed += leaf[count].size
            if header.kind == DURAFIX_KIND_SEAL:
                continue
            count += 1
            if self.leaves % 4:
                self.add_leaf(leaf[0].at, leaf[0].size)
                count = 0
            elif count == 4:
                self.add_four(leaf)
                count = 0
        for i in range(count):
            self.add_leaf(leaf[i].at, leaf[i].size)

    cdef int settle(self) except -1:
        """Hash what the packer laid down since the last time."""
        if self.source is None or self.source.hashed == self.source.size:
            return 0
        assert not self.source.busy, "a Packer belongs to one thread"
        if self.source.size - self.source.hashed < GIL_BYTES:
            self.add_packed()
            return 0
        self.source.busy = True
        with nogil:
            self.add_packed()
        self.source.busy = False
        return 0

    @property
    def count(self):
        """Leaves so far."""
        self.settle()
        return self.leaves

    def add(self, leaf):
        """Append one leaf."""
        cdef Py_buffer view
        self.settle()
        PyObject_GetBuffer(leaf, &view, PyBUF_SIMPLE)
        self.add_leaf(<const uint8_t *>view.buf, view.len)
        PyBuffer_Release(&view)

    def root(self):
        """The root over all leaves so far, 32 bytes."""
        cdef uint8_t pair[64]
        cdef int level
        self.settle()
        if self.height == 0:
            return EMPTY_ROOT
        memcpy(pair + 32, self.nodes[self.height - 1], 32)
        for level in range(self.height - 2, -1, -1):
            memcpy(pair, self.nodes[level], 32)
            durafix_sha256(durafix_sha_blocks, pair + 32, 1, pair, 64)
        return pair[32:64]


# -- packing ---------------------------------------------------------------------------------------

cdef inline object item(object draft, Py_ssize_t i):
    """A field of a draft that is known to be a tuple of six."""
    return <object>PyTuple_GET_ITEM(draft, i)


def step_bytes(drafts):
    """See ``_pure.step_bytes``."""
    cdef Py_ssize_t total = 0
    for draft in drafts:
        if not isinstance(draft, tuple) or PyTuple_GET_SIZE(draft) != 6:
            raise TypeError("a draft is a tuple of six")
        total += durafix_whole(len(item(draft, 5)))
    return total


cdef class Packer:
    """See ``_pure.Packer``."""

    cdef uint64_t salt
    cdef uint32_t salt_crc, last_crc
    cdef readonly uint64_t offset
    cdef readonly uint64_t records
    cdef readonly MerkleTree tree
    cdef _Packed packed

    def __cinit__(self, uint64_t salt, uint32_t prev_header_crc, uint64_t offset):
        assert offset % 8 == 0
        self.salt = salt
        self.salt_crc = durafix_salt_crc(salt)
        self.last_crc = prev_header_crc
        self.offset = offset
        self.packed = _Packed()
        self.tree = MerkleTree()
        self.tree.source = self.packed

    @property
    def prev_header_crc(self):
        """Header crc of the last record packed."""
        return self.last_crc

    @property
    def pending(self):
        """Bytes packed and not yet taken."""
        return self.packed.size

    def take(self):
        """All bytes packed since the last call."""
        self.tree.settle()
        taken = PyBytes_FromStringAndSize(<char *>self.packed.at, self.packed.size)
        self.packed.size = self.packed.hashed = 0
        return taken

    cpdef step(self, uint64_t first_number, uint64_t utc_ns, uint64_t durable, drafts):
        """Pack one whole step; see ``_pure.Packer.step``."""
        cdef Py_ssize_t i, count
        fast = PySequence_Fast(drafts, "drafts must be a sequence")
        count = PySequence_Fast_GET_SIZE(fast)
        assert count
        assert durable < first_number <= DURAFIX_NUMBER_MAX - count
        for i in range(count):
            check_draft(<object>PySequence_Fast_GET_ITEM(fast, i))
        cdef Py_ssize_t size = self.packed.size
        cdef uint64_t offset = self.offset, records = self.records
        cdef uint32_t last_crc = self.last_crc
        try:
            for i in range(count):
                self.lay_draft(
                    first_number + i, utc_ns, durable, i == count - 1,
                    <object>PySequence_Fast_GET_ITEM(fast, i))
        except BaseException:  # a step is packed whole or not at all
            self.packed.size, self.offset, self.records = size, offset, records
            self.last_crc = last_crc
            raise

    def steps(self, list batch, uint64_t durable, uint64_t room):
        """Pack whole steps while they fit; see ``_pure.Packer.steps``."""
        cdef uint64_t taken = 0, size, before
        cdef Py_ssize_t count = 0
        for first, utc_ns, drafts, step_size in batch:
            size = step_size
            if taken + size > room:
                break
            before = self.offset
            self.step(first, utc_ns, durable, drafts)
            assert self.offset - before == size
            taken += size
            count += 1
        return count, taken

    cdef int lay_draft(
        self, uint64_t number, uint64_t utc_ns, uint64_t durable, bint last, object draft
    ) except -1:
        cdef uint64_t depth = number - durable
        cdef uint16_t flags = item(draft, 2)
        payload = item(draft, 5)
        flags = flags | DURAFIX_FLAG_LAST if last else flags & ~DURAFIX_FLAG_LAST
        return self.lay(
            number, utc_ns, min(depth, DEPTH_CAP), item(draft, 0), item(draft, 1), flags,
            item(draft, 3), item(draft, 4),
            <const uint8_t *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    def single(
        self, number, utc_ns, depth, kind, direction, uint16_t flags, session, seq, bytes payload
    ):
        """Pack one record outside a step; see ``_pure.Packer.single``."""
        check_size(payload)
        if durafix_takes_number(kind, flags):
            flags |= DURAFIX_FLAG_LAST
        self.lay(
            number, utc_ns, depth, kind, direction, flags, session, seq,
            <const uint8_t *>PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))

    def pad(self, uint64_t number, uint64_t utc_ns, uint64_t durable, uint64_t boundary):
        """Fill up to the next multiple of ``boundary``; see ``_pure.Packer.pad``."""
        cdef uint64_t rest
        assert boundary >= DURAFIX_HEADER and boundary % 8 == 0
        rest = self.offset % boundary
        if rest == 0:
            return
        rest = boundary - rest
        if rest < DURAFIX_HEADER:
            rest += boundary
        assert number >= durable
        self.lay(
            number, utc_ns, min(number - durable, DEPTH_CAP), DURAFIX_KIND_PAD, 0, 0, 0, 0,
            NULL, rest - DURAFIX_HEADER)

    cdef int lay(
        self, uint64_t number, uint64_t utc_ns, uint32_t depth, uint8_t kind, uint8_t direction,
        uint16_t flags, uint32_t session, uint64_t seq, const uint8_t *payload, Py_ssize_t size,
    ) except -1:
        """One record behind the others; a NULL payload stands for zeros."""
        cdef durafix_header header
        cdef size_t whole = durafix_whole(size)
        assert number <= DURAFIX_NUMBER_MAX and utc_ns <= DURAFIX_NUMBER_MAX
        assert seq <= DURAFIX_NUMBER_MAX and kind > 0
        self.packed.reserve(whole)
        header.size, header.salt = <uint32_t>size, self.salt
        header.event, header.utc_ns, header.seq = number, utc_ns, seq
        header.session, header.kind, header.direction = session, kind, direction
        header.flags, header.depth, header.previous_crc = flags, depth, self.last_crc
        durafix_lay(self.packed.at + self.packed.size, &header, self.salt_crc, payload)
        self.last_crc = header.header_crc
        self.packed.size += whole
        self.offset += whole
        self.records += 1
        return 0


cdef int check_draft(object draft) except -1:
    if not isinstance(draft, tuple) or PyTuple_GET_SIZE(draft) != 6:
        raise TypeError("a draft is a tuple of six")
    assert durafix_takes_number(item(draft, 0), item(draft, 2)), "a step holds events only"
    return check_size(item(draft, 5))


cdef int check_size(bytes payload) except -1:
    if PyBytes_GET_SIZE(payload) > DURAFIX_PAYLOAD_MAX:
        raise TooLarge(
            f"a payload of {len(payload)} bytes; the limit is {DURAFIX_PAYLOAD_MAX}",
            hint="send it in parts",
        )
    return 0


# -- scanning --------------------------------------------------------------------------------------

def scan(
    data, Py_ssize_t start, Py_ssize_t base, uint64_t salt, uint32_t prev_crc, uint64_t last_event,
    Py_ssize_t limit,
):
    """Verify records one behind the other; see ``_pure.scan``."""
    cdef Py_buffer view
    cdef durafix_run run
    cdef int stop
    assert limit > 0 and start >= 0 and (base + start) % 8 == 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    run.found = NULL
    try:
        run.data, run.at, run.end = <const uint8_t *>view.buf, start, view.len
        run.count, run.limit, run.salt = 0, limit, salt
        run.last_crc, run.last_event = prev_crc, last_event
        # No more rows than headers fit, whatever the limit: memory is bounded by the data.
        run.found = <durafix_found *>malloc(
            sizeof(durafix_found) * (min(limit, max(view.len - start, 0) // DURAFIX_HEADER) + 1))
        if run.found == NULL:
            raise MemoryError
        if view.len - start < GIL_BYTES:
            stop = durafix_scan(&run)
        else:
            with nogil:
                stop = durafix_scan(&run)
        return make_rows(&run), run.at, STOPS[stop]
    finally:
        free(run.found)
        PyBuffer_Release(&view)


cdef list make_rows(const durafix_run *run):
    cdef list rows = []
    cdef durafix_header header
    cdef const char *at
    cdef size_t i
    for i in range(run.count):
        at = <const char *>run.data + run.found[i].start
        memcpy(&header, at, DURAFIX_HEADER)
        rows.append((
            run.found[i].start, header.event, header.utc_ns, header.seq, header.session,
            header.kind, header.direction, header.flags, header.depth, header.header_crc,
            PyBytes_FromStringAndSize(at + DURAFIX_HEADER, run.found[i].size),
        ))
    return rows


def find_header(data, Py_ssize_t start, Py_ssize_t base, uint64_t salt):
    """The next header that is valid by itself; see ``_pure.find_header``."""
    cdef Py_buffer view
    cdef size_t found, size
    assert start >= 0 and base >= 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    size = view.len
    start += (8 - (base + start) % 8) % 8
    if view.len - start < GIL_BYTES:
        found = durafix_find(<const uint8_t *>view.buf, start, size, salt)
    else:
        with nogil:
            found = durafix_find(<const uint8_t *>view.buf, start, size, salt)
    PyBuffer_Release(&view)
    return <Py_ssize_t>found if found < size else -1
