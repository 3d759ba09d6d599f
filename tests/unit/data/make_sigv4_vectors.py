#!/usr/bin/python3
"""Signs requests with botocore (Debian: python3-botocore) and writes what it signed.

    /usr/bin/python3 tests/unit/data/make_sigv4_vectors.py > tests/unit/data/sigv4_botocore.jsonl

The same seed gives the same file. Nothing here is a key that opens anything.
"""
import base64
import json
import pathlib
import random
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
from botocore_clock import signing_at  # noqa: E402

RANDOM = random.Random(20261121)
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def recorder(base):
    """A signer that keeps what it signed."""

    class Recorder(base):
        def canonical_request(self, request):
            self.seen_headers = [[k, v] for k, v in self.headers_to_sign(request).items()]
            return super().canonical_request(request)

        def string_to_sign(self, request, canonical_request):
            self.seen_string = super().string_to_sign(request, canonical_request)
            return self.seen_string

    return Recorder


HeaderSigner = recorder(botocore.auth.SigV4Auth)
QuerySigner = recorder(botocore.auth.SigV4QueryAuth)


def text(length):
    return "".join(RANDOM.choice(LETTERS) for _ in range(length))


def case(name, *, service="sqs", region="eu-west-1", at="2026-11-21T22:50:05", method="POST",
         url=None, headers=(), body=b"", token=None, key=KEY, secret=SECRET, expires=None):
    if url is None:
        url = f"https://{service}.{region}.amazonaws.com/"
    request = AWSRequest(method=method, url=url, data=body)
    for header, value in headers:
        request.headers.add_header(header, value)
    credentials = Credentials(key, secret, token)
    if expires is None:
        signer = HeaderSigner(credentials, service, region)
    else:
        signer = QuerySigner(credentials, service, region, expires=expires)
    with signing_at(at + "Z"):
        signer.add_auth(request)
    line = {
        "name": name, "service": service, "region": region, "timestamp": at + "Z",
        "access_key_id": key, "secret_access_key": secret, "session_token": token,
        "method": method, "url": url, "headers": signer.seen_headers,
        "body_b64": base64.b64encode(body).decode(),
        "string_to_sign": signer.seen_string,
    }
    if expires is None:
        line["authorization"] = request.headers["Authorization"]
    else:
        line["expires"] = expires
        line["signature"] = request.url.split("X-Amz-Signature=")[1]
    json.dump(line, sys.stdout, sort_keys=True)
    sys.stdout.write("\n")


def json_headers(target, content_type="application/x-amz-json-1.0"):
    return [("Content-Type", content_type), ("X-Amz-Target", target)]


def bodies():
    send = {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "Entries": [
        {"Id": "0", "MessageBody": "\u00e9\u65e5\U0001f600 \"q\" \\", "DelaySeconds": 900}]}
    put = {"RequestItems": {"t": [{"PutRequest": {"Item": {"pk": {"S": "1#2"}}}}]}}
    for name, service, target, body in (
            ("sqs-json", "sqs", "AmazonSQS.SendMessageBatch", json.dumps(send).encode()),
            ("sqs-json-utf8", "sqs", "AmazonSQS.SendMessageBatch",
             json.dumps(send, ensure_ascii=False).encode()),
            ("dynamodb-json", "dynamodb", "DynamoDB_20120810.BatchWriteItem",
             json.dumps(put).encode()),
            ("empty-object", "sqs", "AmazonSQS.ListQueues", b"{}"),
            ("no-body", "sqs", "AmazonSQS.ListQueues", b""),
            ("all-bytes", "sqs", "X.Binary", bytes(range(256))),
            ("zeros", "sqs", "X.Binary", bytes(64)),
            ("random-4096", "dynamodb", "X.Binary", RANDOM.randbytes(4096))):
        case(f"body-{name}", service=service, headers=json_headers(target), body=body)


def places():
    for region in ("us-east-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1",
                   "ap-southeast-7", "local"):
        for service in ("sqs", "dynamodb", "sts", "kafka-cluster"):
            case(f"place-{region}-{service}", region=region, service=service,
                 headers=json_headers("A.B"), body=b"{}")
    for url in ("http://localhost:4566/", "http://127.0.0.1:8000", "https://h.example:443/",
                "http://h.example:80/", "http://h.example:443/", "https://h.example:80/",
                "http://[::1]:9324/", "https://H.Example.COM/"):
        case(f"host-{url}", url=url, headers=json_headers("A.B"), body=b"{}")


def keys():
    for length in (1, 39, 40, 59, 60, 61, 64, 65, 100, 255):
        case(f"secret-{length}", secret=text(length), headers=json_headers("A.B"), body=b"{}")
    for length in (1, 300, 1500, 4000):
        case(f"token-{length}", token=text(length) + "==", headers=json_headers("A.B"), body=b"{}")
    case("key-long", key="ASIA" + text(124).replace("/", "x").replace("+", "y"), body=b"{}")


def dates():
    for at in ("1970-01-01T00:00:00", "1999-12-31T23:59:59", "2000-02-29T12:00:00",
               "2023-02-28T23:59:59", "2023-03-01T00:00:00", "2024-02-28T23:59:59",
               "2024-02-29T00:00:00", "2024-02-29T23:59:59", "2024-03-01T00:00:00",
               "2024-12-31T23:59:59", "2025-01-01T00:00:00", "2038-01-19T03:14:08",
               "2100-02-28T23:59:59", "2100-03-01T00:00:00", "2400-02-29T00:00:00",
               "9999-12-31T23:59:59"):
        case(f"date-{at}", at=at, headers=json_headers("A.B"), body=b"{}")


def headers():
    case("header-spaces", headers=[("X-A", "  a   b  c  "), ("X-B", "\ta\t\tb "), ("X-C", "")])
    case("header-repeated", headers=[("X-R", "z"), ("x-r", "a"), ("X-R", " m  n ")])
    case("header-order", headers=[("x-b", "1"), ("X-A", "2"), ("x-a-b", "3"), ("x-aa", "4"),
                                  ("X-Amz-Zed", "5"), ("x-0", "6")])
    case("header-quotes", headers=[("X-Q", '"a   b"  c')])
    case("header-never-signed", headers=[("User-Agent", "ua"), ("Expect", "100-continue"),
                                         ("X-Amzn-Trace-Id", "t"), ("X-Kept", "k")])
    case("header-many", headers=[(f"X-H{i}", str(i)) for i in range(50)])


def targets():
    for query in ("a=1&b=2", "b=2&a=1", "a=2&a=1", "a=", "a=&a-b=1", "a%20b=c%2Fd", "A=1&a=1",
                  "x=%E1%88%B4", "x=~-._", "x=%2B&y=%26"):
        case(f"query-{query}", method="GET", url=f"https://q.example/?{query}")
    for path in ("a", "a/b/", "a//b", "./a", "a/../b", "a/b/../..", "a/.", "%41", "a%2Fb", "a%20b",
                 "%E1%88%B4", "a+b", "a:b@c", "~a", "..", "../../a"):
        case(f"path-{path}", url=f"https://p.example/{path}", body=b"{}")


def presigned():
    base = "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect"
    for expires in (1, 900, 604800):
        case(f"presign-{expires}", service="kafka-cluster", method="GET", url=base, expires=expires)
    for length in (1, 300, 2000):
        case(f"presign-token-{length}", service="kafka-cluster", method="GET", url=base,
             token=text(length) + "/+==", expires=900)
    case("presign-no-query", method="GET", url="https://sqs.eu-west-1.amazonaws.com/", expires=60)
    case("presign-many", method="GET", expires=60,
         url="https://sqs.eu-west-1.amazonaws.com/?Z=1&a=2&X-Amz-B=3&Action=R%20S&_=5")
    case("presign-port", method="GET", url="http://127.0.0.1:4566/p/q?x=y", expires=60,
         region="us-west-2", at="2024-02-29T23:59:59")


if __name__ == "__main__":
    bodies()
    places()
    keys()
    dates()
    headers()
    targets()
    presigned()
