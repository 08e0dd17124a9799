"""One door, two disks: what the journal relies on holds on the real and the simulated one."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from durafix.journal.disk import Disk, RealDisk, copy_range, read_whole, write_whole
from durafix.journal.errors import (
    DiskFull,
    Exists,
    IoFailed,
    JournalError,
    Locked,
    Missing,
    NoDescriptors,
    NoPermission,
)
from durafix.journal.realdisk import RealFile, failure
from durafix.journal.simdisk import SimDisk
from durafix.journal.siminode import Loss


@pytest.fixture(params=["real", "simulated"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Disk, str]:
    """A disk and an empty folder on it."""
    if request.param == "real":
        return RealDisk(), str(tmp_path)
    disk = SimDisk()
    disk.mkdir("/home")
    disk.fsync_dir("/")
    return disk, "/home"


def test_what_is_written_is_read_back(home: tuple[Disk, str]) -> None:
    disk, root = home
    with disk.open(f"{root}/a", write=True, create=True) as file:
        file.pwrite(b"hello", 0)
        file.pwrite(b"world", 10)
        file.fdatasync()
        file.fsync()
        assert file.size() == 15
        assert file.pread(0, 15) == b"hello" + bytes(5) + b"world"
        assert file.pread_direct(3, 9) == b"lo" + bytes(5) + b"wo"


def test_a_read_is_short_only_at_the_end(home: tuple[Disk, str]) -> None:
    disk, root = home
    write_whole(disk, f"{root}/a", b"0123456789")
    with disk.open(f"{root}/a") as file:
        assert file.pread(6, 100) == b"6789"
        assert file.pread(10, 1) == b""
        assert file.pread_direct(6, 100) == b"6789"
        assert file.pread_direct(5000, 10) == b""


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (4095, 2), (4096, 4096), (1, 12287)])
def test_a_direct_read_needs_no_alignment(home: tuple[Disk, str], offset: int, length: int) -> None:
    disk, root = home
    data = os.urandom(12288)
    write_whole(disk, f"{root}/a", data)
    with disk.open(f"{root}/a") as file:
        assert file.pread_direct(offset, length) == data[offset : offset + length]


def test_truncate_cuts_and_grows_with_zeros(home: tuple[Disk, str]) -> None:
    disk, root = home
    with disk.open(f"{root}/a", write=True, create=True) as file:
        file.pwrite(b"0123456789", 0)
        file.truncate(4)
        file.truncate(8)
        assert file.pread(0, 100) == b"0123" + bytes(4)


def test_allocate_gives_zeros_and_keeps_content(home: tuple[Disk, str]) -> None:
    disk, root = home
    with disk.open(f"{root}/a", write=True, create=True) as file:
        file.pwrite(b"abc", 0)
        file.allocate(10_000)
        assert file.pread(0, 20_000) == b"abc" + bytes(9_997)
        file.allocate(5)
        assert file.size() == 10_000


def test_exclusive_refuses_a_name_that_is_there(home: tuple[Disk, str]) -> None:
    disk, root = home
    disk.open(f"{root}/a", write=True, exclusive=True).close()
    with pytest.raises(Exists):
        disk.open(f"{root}/a", write=True, exclusive=True)
    with pytest.raises(Exists):
        disk.mkdir(root)


@pytest.mark.parametrize(
    "act",
    [
        lambda disk, path: disk.open(path),
        lambda disk, path: disk.open(path, write=True),
        lambda disk, path: disk.open(f"{path}/below", write=True, create=True),
        lambda disk, path: disk.listdir(path),
        lambda disk, path: disk.unlink(path),
        lambda disk, path: disk.rename(path, path + "2"),
        lambda disk, path: disk.mkdir(f"{path}/below"),
        lambda disk, path: disk.protect(path),
    ],
)
def test_what_is_not_there_is_missing(
    home: tuple[Disk, str], act: Callable[[Disk, str], object]
) -> None:
    disk, root = home
    with pytest.raises(Missing) as caught:
        act(disk, f"{root}/none")
    assert caught.value.where.startswith(f"{root}/none")
    assert caught.value.hint


def test_names_come_and_go(home: tuple[Disk, str]) -> None:
    disk, root = home
    for name in "cab":
        write_whole(disk, f"{root}/{name}", name.encode())
    disk.mkdir(f"{root}/d")
    assert disk.listdir(root) == ["a", "b", "c", "d"]
    disk.rename(f"{root}/a", f"{root}/b")
    disk.unlink(f"{root}/c")
    disk.fsync_dir(root)
    assert disk.listdir(root) == ["b", "d"]
    assert read_whole(disk, f"{root}/b") == b"a"
    assert [disk.exists(f"{root}/{name}") for name in "abd"] == [False, True, True]


def test_a_renamed_file_is_named_so_in_errors(home: tuple[Disk, str]) -> None:
    disk, root = home
    with disk.open(f"{root}/a", write=True, create=True) as file:
        disk.rename(f"{root}/a", f"{root}/b")
        file.renamed(f"{root}/b")
        assert file.path == f"{root}/b"


def test_the_second_lock_names_the_first_ones_process(home: tuple[Disk, str]) -> None:
    disk, root = home
    lock = disk.lock(f"{root}/LOCK")
    with pytest.raises(Locked, match=f"process {os.getpid()} writes"):
        disk.lock(f"{root}/LOCK")
    lock.release()
    lock.release()
    disk.lock(f"{root}/LOCK").release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from durafix.journal.disk import RealDisk;"
        "lock = RealDisk().lock(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    path = str(tmp_path / "LOCK")
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(Locked, match=f"process {child.pid} writes"):
            RealDisk().lock(path)
        child.kill()
        child.wait()
    RealDisk().lock(path).release()


@pytest.mark.parametrize(("child_s", "free"), [(0.2, True), (30, False)])
def test_a_lock_that_outlives_its_holder_is_waited_for_shortly(
    tmp_path: Path, child_s: float, free: bool
) -> None:
    """A killed process may leave a forked child behind that still has the descriptor."""
    code = (
        "import os, sys, time; from durafix.journal.disk import RealDisk\n"
        "lock = RealDisk().lock(sys.argv[1])\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True); os._exit(0)\n"
        "time.sleep(float(sys.argv[2]))\n"
    )
    path = str(tmp_path / "LOCK")
    done = subprocess.Popen(
        [sys.executable, "-c", code, path, str(child_s)],
        stdout=subprocess.PIPE,
    )
    assert done.stdout is not None
    child = int(done.stdout.readline())
    done.wait(10)
    try:
        if free:
            RealDisk().lock(path).release()
        else:
            with pytest.raises(Locked, match=f"process {done.pid} writes"):
                RealDisk().lock(path)
    finally:
        done.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("loss", list(Loss))
def test_write_whole_leaves_the_old_content_or_the_new(loss: Loss) -> None:
    """The power is cut before each operation."""
    disk = SimDisk()
    write_whole(disk, "/a", b"old" * 300)
    seen: set[bytes] = set()
    disk.on_operation = lambda verb, path: seen.add(read_whole(disk.crash(loss), "/a"))
    write_whole(disk, "/a", b"new" * 900)
    assert seen <= {b"old" * 300, b"new" * 900}
    assert read_whole(disk.crash(Loss.DROP), "/a") == b"new" * 900


def test_copy_range_is_durable_and_replaces_nothing(home: tuple[Disk, str]) -> None:
    disk, root = home
    data = os.urandom(3 << 20)
    write_whole(disk, f"{root}/a", data)
    assert copy_range(disk, f"{root}/a", f"{root}/b") == len(data)
    assert read_whole(disk, f"{root}/b") == data
    assert copy_range(disk, f"{root}/a", f"{root}/c", offset=5, length=1 << 20) == 1 << 20
    assert read_whole(disk, f"{root}/c") == data[5 : 5 + (1 << 20)]
    assert copy_range(disk, f"{root}/a", f"{root}/d", offset=len(data) - 3, length=100) == 3
    with pytest.raises(Exists):
        copy_range(disk, f"{root}/a", f"{root}/b")
    if isinstance(disk, SimDisk):
        assert disk.crash(Loss.DROP).content(f"{root}/d") == data[-3:]


def test_a_protected_file_is_not_opened_for_writing(home: tuple[Disk, str]) -> None:
    disk, root = home
    write_whole(disk, f"{root}/a", b"x")
    disk.protect(f"{root}/a")
    if isinstance(disk, SimDisk):
        with pytest.raises(NoPermission):
            disk.open(f"{root}/a", write=True)
    else:
        assert os.stat(f"{root}/a").st_mode & 0o222 == 0
    disk.open(f"{root}/a").close()


def test_free_bytes_and_local_path(home: tuple[Disk, str]) -> None:
    disk, root = home
    assert disk.free_bytes(root) > 0
    assert disk.local_path(root) == (None if isinstance(disk, SimDisk) else root)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, NoPermission),
        (errno.EPERM, NoPermission),
        (errno.EROFS, NoPermission),
        (errno.ENOENT, Missing),
        (errno.EEXIST, Exists),
        (errno.EMFILE, NoDescriptors),
        (errno.ENFILE, NoDescriptors),
        (errno.EIO, IoFailed),
        (errno.ESTALE, IoFailed),
    ],
)
def test_each_system_error_has_its_kind(code: int, kind: type[JournalError]) -> None:
    error = failure(OSError(code, "text"), "write", "/j/a")
    assert type(error) is kind
    assert error.where == "/j/a"
    assert error.hint
    assert "/j/a" in str(error)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failed_sync_is_never_a_full_disk(code: int) -> None:
    assert type(failure(OSError(code, "text"), "sync", "/j/a", sync=True)) is IoFailed


def test_a_device_that_is_full_says_so() -> None:
    with (
        RealFile("/dev/full", os.open("/dev/full", os.O_RDWR), writable=True) as file,
        pytest.raises(DiskFull),
    ):
        file.pwrite(b"x", 0)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_somebody_elses_folder_is_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NoPermission):
        RealDisk().lock(str(tmp_path / "LOCK"))


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("what", ["pipe", "folder", "device", "loop"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, what: str, write: bool) -> None:
    """A pipe would wait for a writer, a device may never end."""
    path = tmp_path / "TAIL"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "device" else path)
    with pytest.raises(IoFailed) as caught:
        RealDisk().open(str(path), write=write)
    assert "put the file back from a copy" in caught.value.hint


def test_closing_twice_is_allowed(tmp_path: Path) -> None:
    file = RealDisk().open(str(tmp_path / "a"), write=True, create=True)
    file.close()
    file.close()
