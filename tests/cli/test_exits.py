"""Exit codes are one table: every error has its place in it, and the numbers never move."""

from __future__ import annotations

import errno
import importlib
import pkgutil
from collections.abc import Iterator

import durafix.engine
import durafix.journal
import durafix.recovery
from durafix.journal.errors import Error
from durafix.tools.cli.exits import BY_CODE, LIBRARY_ONLY, MEANING, OS_WORDS, Exit, OsError, exit_of
from durafix.tools.cli.explain import ERRORS

ABSTRACT = {"error", "journal", "engine"}
"""Codes of bases that nobody raises."""


def every_error() -> Iterator[type[Error]]:
    """All classes below Error in the three rooms."""
    for room in (durafix.journal, durafix.recovery, durafix.engine):
        for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
            if not found.name.rpartition(".")[2].startswith("_"):
                importlib.import_module(found.name)
    todo = [Error]
    while todo:
        one = todo.pop()
        yield one
        todo += one.__subclasses__()


def test_the_numbers_are_those_of_the_contract() -> None:
    """Scripts test them for equality."""
    assert {code.name: int(code) for code in Exit} == {
        "OK": 0,
        "NO": 1,
        "USAGE": 2,
        "CANNOT_TELL": 3,
        "REPAIRED": 4,
        "REFUSED": 5,
        "ENVIRONMENT": 6,
        "INTERRUPTED": 130,
    }
    assert set(MEANING) == set(Exit)


def test_every_error_of_the_three_rooms_has_an_exit_code() -> None:
    """A new error without a line in the table would end as "environment" by accident."""
    codes = {e.code for e in every_error() if e.__module__.startswith("durafix.")} - ABSTRACT
    assert codes - set(BY_CODE) - LIBRARY_ONLY == set()
    assert not LIBRARY_ONLY & set(BY_CODE)


def test_every_error_that_ends_a_command_can_be_explained() -> None:
    """What the message says in a line, explain says in a sentence."""
    assert set(ERRORS) <= set(BY_CODE)


def test_an_os_error_says_what_where_and_what_to_do() -> None:
    """No strerror without a hint for the ones that people meet."""
    for number, (message, hint) in OS_WORDS.items():
        error = OsError.of(OSError(number, "x", "/some/file"))
        assert (error.message, error.where, error.hint) == (message, "/some/file", hint)
        assert exit_of(error) == Exit.ENVIRONMENT
    unknown = OsError.of(OSError(errno.ELOOP, "Too many links", "/f"))
    assert unknown.message == "Too many links"
