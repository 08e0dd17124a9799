"""The configuration page lists every key with its default, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from durafix.engine.config.model import AcceptorConfig, Config, JournalConfig, SessionConfig

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "`[journal]`": JournalConfig,
    "`[acceptor]`": AcceptorConfig,
    "`[[session]]`": SessionConfig,
    "At the top": Config,
}
TABLES_OF_CONFIG = {"journal", "acceptor", "session"}


def printed(section: str) -> dict[str, str]:
    """Key to default, as the page's table has it."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.M))


def default(field: msgspec.structs.FieldInfo) -> str:
    """A default as the page writes it."""
    if field.required:
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_on_the_page_with_its_default(section: str) -> None:
    """A key that is not documented, or another default, fails here."""
    fields = msgspec.structs.fields(SECTIONS[section])
    expected = {f.name: default(f) for f in fields if f.name not in TABLES_OF_CONFIG}
    assert printed(section) == expected
