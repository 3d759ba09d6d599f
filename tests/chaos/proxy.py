"""A TCP proxy that a test can make slow, endless or mute while connections are open."""

import asyncio
import urllib.parse

from listener import Listener


class Proxy(Listener):
    """Between programs and the server at a URL; `url` is where it listens. Modes, for what the server answers:

    pass     as it comes
    trickle  a byte a second
    half     the first 100 bytes, and no more
    mute     nothing at all
    endless  a status line, and headers without end
    refuse   the connection is reset before the server sees anything

    What hangs when the mode changes is closed, but for what trickles, which then comes at once."""

    MODES = ("trickle", "half", "mute", "endless", "refuse")

    def __init__(self, url):
        target = urllib.parse.urlsplit(url)
        self.target = (target.hostname, target.port)
        self.mode = "pass"
        self.held = 0  # answers that were not passed on as they came
        self.changed = asyncio.Event()
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}{target.path}"

    def set_mode(self, mode):
        def change():
            self.mode = mode
            self.changed.set()
            self.changed = asyncio.Event()

        self.loop.call_soon_threadsafe(change)

    async def _serve(self, reader, writer):
        if self.mode == "refuse":
            self.held += 1
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        up = asyncio.ensure_future(self._pump_up(reader, up_writer))
        try:
            while chunk := await up_reader.read(65536):
                await self._answer(writer, chunk)
        except OSError:
            pass
        finally:
            up.cancel()
            writer.transport.abort()
            up_writer.transport.abort()

    async def _pump_up(self, reader, up_writer):
        try:
            while chunk := await reader.read(65536):
                if self.mode == "refuse":
                    break
                up_writer.write(chunk)
                await up_writer.drain()
        except OSError:
            pass
        up_writer.transport.abort()

    async def _answer(self, writer, chunk):
        mode, changed = self.mode, self.changed
        self.held += mode != "pass"
        if mode == "trickle":
            while chunk and not await self._passes(changed, 1):
                writer.write(chunk[:1])
                chunk = chunk[1:]
        elif mode in ("half", "mute"):
            writer.write(chunk[:100] if mode == "half" else b"")
            await changed.wait()
            raise OSError("hung")
        elif mode == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not await self._passes(changed, 0.05):
                writer.write(b"x-more: and more\r\n" * 10)
                await writer.drain()
            raise OSError("endless")
        writer.write(chunk)
        await writer.drain()

    @staticmethod
    async def _passes(event, seconds):
        try:
            await asyncio.wait_for(event.wait(), seconds)
            return True
        except asyncio.TimeoutError:
            return False
