"""An application that sends every application message back, once, whatever happens in between."""

from __future__ import annotations

from ...engine import Application, Message, Session


class EchoApplication(Application):
    """The body of each message returns with the same MsgType. Not for both ends of one link.

    The key is the event number of the message that is echoed: when a crash makes the message come
    again, the echo that was already sent is found and nothing is sent.
    """

    async def on_message(self, session: Session, message: Message) -> None:
        """Send it back."""
        await session.send(message, key=f"echo-{message.event_number}")
