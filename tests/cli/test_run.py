"""run serves sessions until it is told to stop, and says in one line why it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import QUIET, Ran
from .journals import Live

Cli = Callable[..., Ran]
ACCEPTOR = """
[journal]
path = "exchange"
segment_bytes = 1048576
[acceptor]
port = 0
[[session]]
role = "acceptor"
sender = "SELLER"
target = "BUYER"
"""
NEW_ROOM = ["unshare", "--map-root-user", "--mount"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that works."""
    path = tmp_path / "exchange.toml"
    path.write_text(ACCEPTOR)
    return path


def one_line(done: Ran, code: int, *parts: str) -> None:
    """The exit code, one line on stderr that holds the parts, and nothing on stdout."""
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("durafix: ")
    assert done.err.count("\n") == 1
    assert all(part in done.err for part in parts), done.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[acceptor]", "[acceptor]\nprot = 1", "unknown key 'prot'"),
        ('path = "exchange"', "path = 5", "journal.path"),
        ("port = 0", "port = 70000", "acceptor.port"),
        ("port = 0", 'port = "a"', "acceptor.port"),
        ("[acceptor]\nport = 0", "", "needs a port to listen on"),
        ('role = "acceptor"', 'role = "observer"', "role"),
        ('path = "exchange"', 'path = "exchange', "not TOML"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_2(
    cli: Cli, config: Path, old: str, new: str, said: str
) -> None:
    """It names the file and the key; nothing is created."""
    config.write_text(ACCEPTOR.replace(old, new))
    one_line(cli("run", config), 2, said, str(config))
    assert not (config.parent / "exchange").exists()


def test_a_missing_configuration_is_one_line_and_exit_2(cli: Cli, tmp_path: Path) -> None:
    """As is one in another language."""
    one_line(cli("run", tmp_path / "no.toml"), 2, "no.toml")
    one_line(cli("run", tmp_path / "quickfix.cfg"), 2, "quickfix.cfg")


@pytest.mark.parametrize("name", ["nodots", "no_such_module:Desk", "os:Desk", "os:getcwd"])
def test_an_application_that_is_none_is_a_usage_error(cli: Cli, config: Path, name: str) -> None:
    """Before the journal is touched."""
    done = cli("run", config, "--application", name)
    assert done.code == 2
    assert "--application" in done.err
    assert not (config.parent / "exchange").exists()


def test_a_journal_that_another_process_writes_is_refused(cli: Cli, config: Path) -> None:
    """Exit 5: a live writer."""
    with Live(config.parent / "exchange"):
        one_line(cli("run", config, "-q"), 5, "exchange")


def test_an_address_in_use_is_exit_6(cli: Cli, config: Path) -> None:
    """The machine's fault, not the file's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(ACCEPTOR.replace("port = 0", f"port = {port}"))
        one_line(cli("run", config, "-q"), 6, str(port))


def test_a_journal_of_another_format_is_exit_3(cli: Cli, config: Path) -> None:
    """It is left as it is."""
    with Live(config.parent / "exchange"):
        pass
    manifest = config.parent / "exchange" / "journal.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":99'))
    before = sorted(p.name for p in (config.parent / "exchange" / "segments").iterdir())
    one_line(cli("run", config, "-q"), 3, "format 99")
    one_line(cli("cat", config.parent / "exchange"), 3, "format 99")
    assert sorted(p.name for p in (config.parent / "exchange" / "segments").iterdir()) == before


def drop_override() -> None:
    """Give up root's right to ignore permissions, if this is root."""
    import ctypes

    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # DAC_OVERRIDE, DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops a Linux capability")
@pytest.mark.parametrize("verb", ["run", "cat", "sessions"])
def test_files_of_another_user_are_one_line_and_exit_6(
    process: Cli, config: Path, verb: str
) -> None:
    """Permission denied, with the path; no traceback."""
    journal = config.parent / "exchange"
    with Live(journal):
        pass
    locked = [journal / "journal.json", journal / "LOCK", journal / "segments"]
    for path in locked:
        path.chmod(0)
    words = [config, "-q"] if verb == "run" else [journal]
    try:
        done = process(verb, *words, preexec_fn=drop_override)
    finally:
        for path in locked:
            path.chmod(0o700)
    one_line(done, 6, str(journal))


@pytest.fixture
def small_disk(config: Path) -> Cli:
    """Run in a room of its own, where the folder is a small tmpfs; ``then`` is done to it first."""
    probe = [*NEW_ROOM, "mount", "-t", "tmpfs", "-o", "size=64k", "none", str(config.parent)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs a mount namespace")

    def run(then: str, *words: object) -> Ran:
        saved = config.read_text()
        script = (
            f"mount -t tmpfs -o size=400k none {config.parent} && cd {config.parent} && "
            f'printf %s "$CONFIG" > exchange.toml && {then} && exec "$@"'
        )
        command = [*NEW_ROOM, "sh", "-c", script, "sh", sys.executable, "-m", "durafix.tools.cli"]
        done = subprocess.run(
            [*command, *map(str, words)], env=os.environ | QUIET | {"CONFIG": saved},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def test_a_full_disk_is_one_line_and_exit_6(small_disk: Cli, config: Path) -> None:
    """There is no room for the first segment."""
    one_line(small_disk("true", "run", config, "-q"), 6, "space")


def test_a_read_only_disk_is_one_line_and_exit_6(small_disk: Cli, config: Path) -> None:
    """Nothing can be created there."""
    then = f"mount -o remount,ro {config.parent}"
    one_line(small_disk(then, "run", config, "-q"), 6, "read-only")


def test_read_verbs_work_on_a_read_only_disk(small_disk: Cli, config: Path, day: str) -> None:
    """They write nothing, so they need no right to."""
    then = f"mount --bind {day} {day} && mount -o remount,ro,bind {day}"
    for verb in ("cat", "tail", "sessions", "inspect"):
        done = small_disk(then, verb, day)
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_it_in_order(config: Path, number: signal.Signals, code: int) -> None:
    """It says where it listens; the journal is sealed at the end."""
    command = [sys.executable, "-m", "durafix.tools.cli", "run", str(config), "--sample", "match"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = ""
        while "waits for a logon" not in said:
            line = running.stderr.readline()
            assert line, said
            said += line
        assert "listening on 127.0.0.1:" in said
        time.sleep(0.05)
        running.send_signal(number)
        running.stderr.read()
        assert running.wait(30) == code
    from durafix.journal.disk import RealDisk
    from durafix.journal.reader import Reader

    segments = Reader(RealDisk(), str(config.parent / "exchange")).segments()
    assert all(info.sealed for info in segments)
