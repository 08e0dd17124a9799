"""TOML files into ``Config``: reading, and one clear line for whatever is wrong.

Owns the messages. A person who mistyped a key at night gets what, where and what to do: the file
with the path of the key, the nearest key that exists, the value that would do. It must not start
anything.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConfigError
from .model import AcceptorConfig, Config, JournalConfig, SessionConfig, problems

_UNKNOWN = re.compile(r"unknown field `(.*)`")
_MISSING = re.compile(r"missing required field `(.*)`")
_PATH = re.compile(r" - at `\$\.?(.*?)`$")
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "": Config,
    "journal": JournalConfig,
    "acceptor": AcceptorConfig,
    "session": SessionConfig,
}
"""Which keys a section has, for hints."""
BYTES_MAX = 16 << 20
"""A configuration longer than this is something else."""
HINTS: dict[type[OSError], str] = {
    FileNotFoundError: "check the name",
    PermissionError: "check the permissions",
}
"""What to do when it cannot be read."""


def load(path: str | Path) -> Config:
    """Read a configuration file. ``ConfigError`` says in one line what is wrong and where.

    Paths in it are relative to its folder. A QuickFIX ``.cfg`` is refused by name.
    """
    path = Path(path)
    if path.suffix.lower() in {".cfg", ".ini"}:
        raise ConfigError(
            "QuickFIX .cfg files cannot be read yet",
            where=str(path),
            hint="write the same settings as TOML; docs/configuration.md lists the keys",
        )
    try:
        data = _read(path)
    except OSError as error:
        hint = HINTS.get(type(error), "give the path of a TOML file")
        raise ConfigError(
            f"cannot read it: {error.strerror or error}", where=str(path), hint=hint
        ) from None
    return loads(data, name=str(path), folder=path.parent)


def _read(path: Path) -> bytes:
    """The bytes of a file that may turn out to be none: a pipe is not waited for, a device not
    read to its end.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        what = "cannot read it: it is a directory, a pipe or a device"
        raise ConfigError(what, where=str(path), hint="give the path of a TOML file")
    with open(fd, "rb") as file:
        data = file.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise ConfigError("too long for a configuration", where=str(path))
    return data


def loads(text: str | bytes, *, name: str = "config", folder: Path | None = None) -> Config:
    """A configuration from text; ``name`` stands in errors, ``folder`` is what paths in it are
    relative to.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        raw = tomllib.loads(decoded)
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 at byte {error.start}", where=name) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"not TOML: {error}", where=name, hint="see docs/configuration.md"
        ) from None
    except RecursionError:
        raise ConfigError("nested too deeply", where=name) from None
    try:
        config = msgspec.convert(raw, Config, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error), raw, name) from None
    wrong = problems(config)
    if wrong:
        where, message, hint = wrong[0]
        raise ConfigError(message, where=f"{name}: {where}", hint=hint)
    if folder is not None:
        journal = msgspec.structs.replace(config.journal, path=str(folder / config.journal.path))
        config = msgspec.structs.replace(config, journal=journal)
    return config


def _explained(text: str, raw: dict[str, Any], name: str) -> ConfigError:
    found = _PATH.search(text)
    path = found[1] if found else ""
    message = text[: found.start()] if found else text
    section = path.split(".")[0].split("[")[0]
    keys = SECTIONS.get(section, Config).__struct_fields__
    unknown, missing = _UNKNOWN.search(message), _MISSING.search(message)
    if unknown:
        key = unknown[1]
        near = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(keys)}"
        message = f"unknown key {key!r}"
        path = f"{path}.{key}" if path else key
    elif missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        message, hint = f"{missing[1]!r} is missing", "add it"
    else:
        message = f"{message[:1].lower()}{message[1:].replace('`', '')}, got {_value(raw, path)}"
        hint = "docs/configuration.md lists what each key takes"
    return ConfigError(message, where=f"{name}: {path}" if path else name, hint=hint)


def _value(raw: Any, path: str) -> str:
    """The value that the path names, shortened, as a person wrote it."""
    for part in re.findall(r"[^.\[\]]+", path):
        if part == "...":
            return "something else"
        try:
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return "something else"
    text = repr(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."
