"""What the README and the operations page print works as it is printed there."""

from __future__ import annotations

import ast
import os
import re
import socket
import types
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from durafix.engine import Engine
from durafix.engine.config import loads
from durafix.tools.cli.main import VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def configs(port: int) -> Iterator[tuple[str, str]]:
    """(name, text) of the two configurations of the operations page, on another port."""
    for text in blocks(OPERATIONS, "toml"):
        name = re.match(r"# (\w+\.toml)", text)
        assert name
        yield name[1], text.replace("5001", str(port))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The current folder, with the two configurations in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, text in configs(port):
        (tmp_path / name).write_text(text)
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_the_first_example_runs_as_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An order leaves, its report comes back, and the receipt has both numbers."""
    (example,) = blocks(README, "python")
    classes, talk, rest = example.partition("async with ")
    names: dict[str, Any] = {}
    exec(compile(classes, "README.md", "exec"), names)
    code = compile(
        talk + rest + "    await __import__('anyio').sleep(0.3)\n",
        "README.md",
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )

    async def both() -> None:
        async with Engine.open(folder / "exchange.toml", names["Exchange"]()):
            with anyio.fail_after(20):
                running: Awaitable[None] = types.FunctionType(code, names)()
                await running

    anyio.run(both)
    said = capsys.readouterr().out.splitlines()
    assert "8 0 False" in said
    numbers = next(line.split() for line in said if line != "8 0 False")
    assert numbers[0] == "2"
    assert int(numbers[1]) > 2


def test_the_configurations_are_valid() -> None:
    """Both of the operations page."""
    found = dict(configs(5001))
    assert list(found) == ["exchange.toml", "desk.toml"]
    for name, text in found.items():
        assert loads(text, name=name).session


@pytest.mark.parametrize("page", [README, OPERATIONS])
def test_every_verb_that_is_named_exists(page: str) -> None:
    """A page that names a verb of tomorrow misleads today."""
    named = set(re.findall(r"\bdurafix ([a-z]+)\b", page))
    assert named
    assert named - set(VERBS) == set()


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Relative links only; each names a file or folder that is there."""
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page}: {link}"
