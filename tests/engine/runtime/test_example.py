"""The example of the design runs as printed there, against ourselves."""

import ast
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from durafix.engine import Application, Engine, Message

from .kit import until

DESIGN = Path(__file__).parents[3].parent / "shared" / "DESIGN.md"
EXAMPLE = """
from decimal import Decimal
from durafix.engine import Application, Engine, Message, utc_now

class Exchange(Application):
    async def on_message(self, session, message):            # in order, at least once; message.redelivered says "again"
        if message.type == "D":
            n = message.event_number
            await session.send(Message("8", {
                37: f"o{n}", 11: message[11], 17: f"e{n}", 150: "0", 39: "0", 55: message[55], 54: message[54],
                38: message[38], 151: message[38], 14: 0, 6: Decimal(0)}), key=f"ack-{n}")

class Desk(Application):
    async def on_message(self, session, message):
        print(message.type, message.get(39), message.redelivered)

async with Engine.open("desk.toml", Desk()) as engine:        # or a QuickFIX .cfg
    session = engine.sessions["BUYER->SELLER"]
    await session.wait_logged_on()
    receipt = await session.send(Message("D", {11: "c1", 21: "1", 55: "MSFT", 54: "1", 38: 100, 40: "1", 60: utc_now()}))
    await receipt.durable()
    print(receipt.seq_num, receipt.event_number)
"""  # noqa: E501
DESK = """
[journal]
path = "desk"

[[session]]
role = "initiator"
sender = "BUYER"
target = "SELLER"
host = "127.0.0.1"
port = {port}
"""
EXCHANGE = """
[journal]
path = "exchange"

[acceptor]
port = 0

[[session]]
role = "acceptor"
sender = "SELLER"
target = "BUYER"
"""


@pytest.mark.skipif(not DESIGN.exists(), reason="no shared/DESIGN.md beside us")
def test_the_example_is_the_one_that_is_printed() -> None:
    """Letter by letter."""
    section = DESIGN.read_text().partition("## 7.")[2]
    printed = re.search(r"```python\n(.*?)```", section, re.S)
    assert printed is not None
    assert printed[1].strip() == EXAMPLE.strip()


@pytest.mark.anyio
async def test_the_ten_line_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last statement, the ``async with``, runs where top-level await is allowed."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = ast.parse(EXAMPLE)
    names: dict[str, Any] = {}
    classes = ast.Module(tree.body[:-1], [])
    exec(compile(classes, "example", "exec", flags=flags), names)
    (tmp_path / "exchange.toml").write_text(EXCHANGE)
    exchange: Application = names["Exchange"]()
    async with Engine.open(tmp_path / "exchange.toml", exchange) as selling:
        (tmp_path / "desk.toml").write_text(DESK.format(port=selling.port))
        monkeypatch.chdir(tmp_path)
        code = compile(ast.Module(tree.body[-1:], []), "example", "exec", flags=flags)
        await eval(code, names)
        said = capsys.readouterr().out
        assert said.startswith("2 ")
        # The block may end before the report is here; then it comes with the next logon.
        async with Engine.open("desk.toml", names["Desk"]()):
            await until(lambda: selling.metrics()["sends"] == 1)
            while "8 0 False" not in said:
                await anyio.sleep(0.01)
                said += capsys.readouterr().out
        assert said.count("8 0 False") == 1


def test_a_message_of_the_example_is_what_it_says() -> None:
    """The types of values that people write in it are taken."""
    message = Message("8", {14: 0, 6: Decimal(0), 38: "002000.00"})
    assert (message[14], message[6], message[38]) == ("0", "0", "002000.00")
