#!/usr/bin/env python3
"""Prints the frame and the blob of test_envelope_wire.c, from the description in common/envelope.h and
common/envelope_wire.h alone."""

import hashlib
import struct
import zlib

SECOND_MS = 1790000000000
RECORDS = [
    dict(due=SECOND_MS + 7, target=b"orders", topic=b"delay", partition=3, offset=5000000000,
         delay_id=None, key=b"k", value=b"", headers=[(b"h", None), (b"", b"\x00\xff")]),
    dict(due=SECOND_MS + 999, target=b"delay", topic=b"delay", partition=3, offset=5000000001,
         delay_id=b"mine", key=None, value=b"v", headers=[]),
]


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def text(value):
    return varint(len(value)) + value


def nullable(value):
    return varint(0) if value is None else varint(len(value) + 1) + value


def index_of(table, entry):
    if entry not in table:
        table.append(entry)
    return table.index(entry)


def payload(records):
    topics, sources, body = [], [], b""
    for r in records:
        source = (index_of(topics, r["topic"]), r["partition"], r["offset"] >> 14)
        body += varint(r["due"] % 1000)
        body += varint(index_of(topics, r["target"])) + varint(index_of(sources, source))
        body += varint(r["offset"] % (1 << 14)) + nullable(r["delay_id"])
        body += nullable(r["key"]) + nullable(r["value"]) + varint(len(r["headers"]))
        body += b"".join(text(name) + nullable(value) for name, value in r["headers"])
    head = varint(len(topics)) + b"".join(text(topic) for topic in topics)
    head += varint(len(sources)) + b"".join(varint(n) for source in sources for n in source)
    return head + body


def identity(r):
    return struct.pack("<I", len(r["topic"])) + r["topic"] + struct.pack(
        "<IQQ", r["partition"], r["offset"], r["due"])


def frame(records):
    stored = payload(records)
    frame_id = hashlib.sha256(b"".join(map(identity, records))).digest()[:16]
    head = b"DLYN" + bytes([1, 0])
    head += struct.pack("<HQ", min(r["due"] for r in records) % 1000, SECOND_MS) + frame_id
    head += struct.pack("<III", len(records), len(stored), len(stored))
    return head + struct.pack("<I", zlib.crc32(head + stored)) + stored


def blob(record):
    body = varint(SECOND_MS) + payload([record])
    return bytes([1, 0]) + varint(len(body)) + body


print(frame(RECORDS).hex())
print(blob(RECORDS[0]).hex())
