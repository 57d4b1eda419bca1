"""A tiny mail server on 127.0.0.1 that keeps what it is given."""

import asyncio
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from typing import Self


class MailServer:
    """Takes all mail, from whoever says any password."""

    def __init__(self) -> None:
        self.to: list[str] = []
        self.messages: list[Message] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """As `RELAY_MAIL_URL` names it."""
        return f"mailto://relay:mail-password-1@127.0.0.1:{self.port}?from=billing@relay.test"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    said = b"250-here\r\n250 AUTH PLAIN\r\n"
                case "AUTH":
                    said = b"235 welcome\r\n"
                case "RCPT":
                    self.to.append(rest.partition("<")[2].rstrip(">"))
                    said = b"250 ok\r\n"
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self.messages.append(message_from_bytes(content.removesuffix(b".\r\n")))
                    said = b"250 ok\r\n"
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    said = b"250 ok\r\n"
            writer.write(said)
        writer.close()


def subject_of(message: Message) -> str:
    return str(make_header(decode_header(message["Subject"])))


def text_of(message: Message) -> str:
    """What a mail program shows of it."""
    for part in message.walk():
        if part.get_content_maintype() == "text":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content.decode()
    raise AssertionError("it has no text")
