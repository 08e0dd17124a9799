"""A configuration that cannot be used is one clear line: what, where, what to do."""

import os
from pathlib import Path

import pytest

from durafix.engine.config import load, loads
from durafix.engine.errors import ConfigError

GOOD = """
[journal]
path = "desk"
[[session]]
role = "initiator"
sender = "BUYER"
target = "SELLER"
host = "127.0.0.1"
port = 5001
"""


def fault(text: str) -> ConfigError:
    """The error that a configuration raises."""
    with pytest.raises(ConfigError) as caught:
        loads(text, name="desk.toml")
    error = caught.value
    assert "\n" not in error.message + error.where + error.hint
    return error


def test_defaults_are_the_safe_ones() -> None:
    """A short file means fsync always and the version's own habits."""
    config = loads(GOOD)
    assert config.journal.fsync == "always"
    assert config.session[0].settings.session.text == "FIX.4.4:BUYER->SELLER"
    assert config.session[0].settings.heart_bt_int_s == 30


def test_unknown_key_names_the_nearest_one() -> None:
    """A misspelt key is refused, with the key that was probably meant."""
    error = fault(GOOD + "reset_on_logno = true\n")
    assert error.message == "unknown key 'reset_on_logno'"
    assert error.where == "desk.toml: session[0].reset_on_logno"
    assert error.hint == "did you mean 'reset_on_logon'?"


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("port = 5001", "port = 70000", "session[0].port", "expected int <= 65535, got"),
        ("port = 5001", 'port = "x"', "session[0].port", "expected int, got str, got"),
        ("port = 5001", "", "session[0].port", "needs a port from 1 to 65535"),
        ('sender = "BUYER"', "", "session[0].sender", "'sender' is missing"),
        ('role = "initiator"', 'role = "both"', "session[0].role", "invalid enum value 'both'"),
        ('role = "initiator"', 'role = "acceptor"', "session[0].host", "does not connect"),
        ('path = "desk"', "path = 1", "journal.path", "expected str, got int"),
        ('path = "desk"', 'path = "d"\nfsync = "no"', "journal.fsync", "invalid enum value 'no'"),
        ("[journal]", "[journals]", "journals", "unknown key"),
        ("[journal]", "[journal", "", "not TOML"),
        ('sender = "BUYER"', 'sender = "BU\\u0001"', "session[0].sender", "control characters"),
        ('sender = "BUYER"', 'sender = "BU\\u2192"', "session[0].sender", "beyond Latin-1"),
        ('path = "desk"', 'path = "a\\u0000b"', "journal.path", "NUL"),
        ('"127.0.0.1"', f'"{"a" * 300}"', "session[0].host", "no name or address"),
        (
            "[journal]",
            f'[acceptor]\nport=0\nhost="{"a" * 300}"\n[journal]',
            "acceptor.host",
            "no n",
        ),
    ],
)
def test_each_fault_names_its_place(old: str, new: str, where: str, message: str) -> None:
    """Wrong types, impossible values and missing keys are told with the path of the key."""
    error = fault(GOOD.replace(old, new))
    assert message in error.message
    assert error.where == f"desk.toml: {where}".removesuffix(": ")
    assert error.hint


def test_the_same_session_twice_is_refused() -> None:
    """Two entries of one identity would share numbers."""
    error = fault(GOOD + GOOD[GOOD.index("[[session]]") :])
    assert error.message == "the same session as session[0]: FIX.4.4:BUYER->SELLER"


def test_acceptor_session_needs_a_port() -> None:
    """A session that waits for its peer needs the section that says where."""
    text = GOOD.replace('"initiator"', '"acceptor"').replace('host = "127.0.0.1"\nport = 5001', "")
    assert "[acceptor]" in fault(text).hint
    assert loads(text + "[acceptor]\nport = 0\n").acceptor is not None


def test_journal_path_is_relative_to_the_file(tmp_path: Path) -> None:
    """The file can be started from anywhere."""
    (tmp_path / "desk.toml").write_text(GOOD)
    assert load(tmp_path / "desk.toml").journal.path == str(tmp_path / "desk")


def test_quickfix_cfg_is_refused_by_name(tmp_path: Path) -> None:
    """A .cfg is not parsed as TOML; the line says so."""
    with pytest.raises(ConfigError, match="QuickFIX"):
        load(tmp_path / "session.cfg")


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    """No traceback for a wrong name, a folder, or bytes that are no text."""
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "b.toml")


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, what: str) -> None:
    """A pipe would wait for a writer, a device never ends."""
    path = tmp_path / "desk.toml"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="a pipe or a device"):
        load(path)
