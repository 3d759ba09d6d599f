"""A broker behind SASL_SSL with OAUTHBEARER, as MSK's are for IAM: ends TLS, judges tokens, and lets who has a good one
through to a broker that asks nobody. A session ends when its token does: the next request closes the connection, as
Kafka does with clients that do not authenticate again."""

import asyncio
import contextlib
import struct
import time

from listener import Listener

METADATA, FIND_COORDINATOR, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 3, 10, 17, 18, 36
UNSUPPORTED_MECHANISM, AUTHENTICATION_FAILED = 33, 58


class Refused(Exception):
    pass


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


class Gate(Listener):
    """In front of the one broker at `broker` (host:port). `judge` gets a token and gives for how many seconds it is good;
    it raises Refused with what the client is told. `port`: where the broker says that it lives; 0: it knows neither of
    SASL nor of the gate, and its answers are rewritten."""

    def __init__(self, broker, context, judge, port=0):
        host, broker_port = broker.rsplit(":", 1)
        self.broker, self.judge = (host, int(broker_port)), judge
        self.rewrites = port == 0
        self.tokens = []  # all that were good
        self.refusals = []
        self.ended = 0  # sessions that were used beyond their end
        self.writers = set()
        super().__init__(port, context)
        self.bootstrap = f"localhost:{self.port}"

    def cut(self):
        """Closes every connection."""
        self.loop.call_soon_threadsafe(lambda: [writer.close() for writer in self.writers])

    async def _serve(self, reader, writer):
        self.writers.add(writer)
        up_writer = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection(*self.broker)
            asked = {}  # correlation id to (key, version)
            down = asyncio.ensure_future(self._pump_down(up_reader, writer, asked))
            with contextlib.suppress(Refused):
                await self._pump_up(reader, writer, up_writer, asked)
            down.cancel()
        self.writers.discard(writer)
        for each in (writer, up_writer):
            if each is not None:
                each.close()

    async def _pump_up(self, reader, writer, up_writer, asked):
        end = None  # of the session; monotonic seconds
        while True:
            frame = await read_frame(reader)
            key, version, correlation = struct.unpack_from(">hhi", frame)
            if key in (SASL_HANDSHAKE, SASL_AUTHENTICATE):
                body = frame[10 + max(0, struct.unpack_from(">h", frame, 8)[0]):]
                if key == SASL_HANDSHAKE:
                    answer = struct.pack(">hi", 0 if body[2:] == b"OAUTHBEARER" else UNSUPPORTED_MECHANISM, 1)
                    writer.write(framed(correlation, answer + text("OAUTHBEARER")))
                else:
                    end = await self._authenticate(writer, correlation, version, body)
                continue
            if end is None and key != API_VERSIONS:
                self.refusals.append(f"request {key} without authentication")
                raise Refused
            if end is not None and time.monotonic() >= end:
                self.ended += 1
                raise Refused
            asked[correlation] = (key, version)
            up_writer.write(struct.pack(">i", len(frame)) + frame)
            await up_writer.drain()

    async def _authenticate(self, writer, correlation, version, body):
        data = body[4 : 4 + struct.unpack_from(">i", body)[0]]
        try:
            begin, word, rest = data.partition(b"auth=Bearer ")
            token, separator, rest = rest.partition(b"\x01")
            if begin != b"n,,\x01" or not word or rest != b"\x01":
                raise Refused("not what RFC 7628 wants")
            seconds = await self.loop.run_in_executor(None, self.judge, token.decode())
        except Refused as refused:
            self.refusals.append(str(refused))
            answer = struct.pack(">h", AUTHENTICATION_FAILED) + text(str(refused)) + struct.pack(">i", 0)
            writer.write(framed(correlation, answer + (struct.pack(">q", 0) if version > 0 else b"")))
            await writer.drain()
            raise
        self.tokens.append(token.decode())
        answer = struct.pack(">hhi", 0, -1, 0) + (struct.pack(">q", int(seconds * 1000)) if version > 0 else b"")
        writer.write(framed(correlation, answer))
        return time.monotonic() + seconds

    async def _pump_down(self, up_reader, writer, asked):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = bytearray(await read_frame(up_reader))
                key, version = asked.pop(struct.unpack_from(">i", frame)[0])
                if self.rewrites:
                    frame = self._rewritten(frame, key, version)
                writer.write(struct.pack(">i", len(frame)) + frame)
                await writer.drain()
        writer.close()

    def _rewritten(self, frame, key, version):
        """The broker as the gate would have it: with SASL, and living where the gate does."""
        if key == API_VERSIONS:
            error, count = struct.unpack_from(">hi", frame, 4)
            if error != 0:
                return frame
            at = 10 + 6 * count
            own = struct.pack(">hhhhhh", SASL_HANDSHAKE, 0, 1, SASL_AUTHENTICATE, 0, 1)
            return frame[:6] + struct.pack(">i", count + 2) + frame[10:at] + own + frame[at:]
        if key == METADATA:
            assert version <= 2, "the mock has no newer ones"
            (brokers,) = struct.unpack_from(">i", frame, 4)
            assert brokers == 1
            return self._moved(frame, 12)
        if key == FIND_COORDINATOR:
            at = 6
            if version > 0:
                at = 10 + max(0, struct.unpack_from(">h", frame, 10)[0]) + 2
            return self._moved(frame, at + 4)
        return frame

    def _moved(self, frame, at):
        """Host and port at `at`, after the node's id."""
        (length,) = struct.unpack_from(">h", frame, at)
        if length <= 0:  # a coordinator that is not known
            return frame
        port_at = at + 2 + length
        assert struct.unpack_from(">i", frame, port_at)[0] == self.broker[1]
        return frame[:at] + text("localhost") + struct.pack(">i", self.port) + frame[port_at + 4 :]


async def read_frame(reader):
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def framed(correlation, body):
    return struct.pack(">ii", 4 + len(body), correlation) + body
