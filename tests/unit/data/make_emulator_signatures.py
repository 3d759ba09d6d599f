"""Requests signed by botocore, for the emulator's verifier: python3 make_emulator_signatures.py > emulator_signatures.jsonl"""
import datetime
import json
import random

import botocore.auth
import botocore.awsrequest
import botocore.credentials

HOST = "127.0.0.1:4566"
TARGETS = [
    ("sqs", "AmazonSQS.SendMessageBatch"),
    ("sqs", "AmazonSQS.ReceiveMessage"),
    ("dynamodb", "DynamoDB_20120810.PutItem"),
    ("dynamodb", "DynamoDB_20120810.Query"),
]
TOKENS = [None, "FwoGZXIvYXdzEKX//////////wEaDBexample+/="]
BODIES = ["{}", "", '{"a":"h\u00e9llo \u4e16 \\u0001"}', '{"x":"' + "y" * 3000 + '"}']
PATHS = ["/", "/000000000000/queue", "/a%20b/c~d"]
QUERIES = ["", "b=2&a=1&a=0&c=%20%2F", "Action=x&Version="]


def freeze(when):
    """botocore asks for the time in one of two ways, depending on its version."""

    class Frozen(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return when

    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: when
    botocore.auth.datetime = type("module", (), {"datetime": Frozen})


def sign(number, region, service, target, token):
    when = datetime.datetime(
        random.choice([2015, 2024, 2026, 2038]),
        random.randint(1, 12),
        random.randint(1, 28),
        random.randint(0, 23),
        random.randint(0, 59),
        random.randint(0, 59),
    )
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target, "User-Agent": "aws-cli/2 x"}
    if number % 3 == 1:
        headers.update({"x-amzn-query-mode": "true", "amz-sdk-invocation-id": "0123", "amz-sdk-request": "attempt=1"})
    if number % 4 == 2:
        headers.update({"X-Custom": "  a   b  c  ", "My-Header": "v"})
    path, query, body = PATHS[number % 3], QUERIES[number // 3 % 3], random.choice(BODIES)
    key, secret = f"AKID{number:016d}", f"wJalrXUtnFEMI/K7MDENG+{number:016d}"
    freeze(when)
    request = botocore.awsrequest.AWSRequest(
        method="POST", url=f"http://{HOST}{path}" + (f"?{query}" if query else ""), data=body.encode(), headers=headers
    )
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret, token), service, region).add_auth(request)
    sent = [["Host", HOST]]
    for name, value in request.prepare().headers.items():
        if name.lower() != "host":
            sent.append([name, value if isinstance(value, str) else value.decode()])
    return {
        "service": service,
        "region": region,
        "access_key_id": key,
        "secret_access_key": secret,
        "session_token": token,
        "now_ms": int(when.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000),
        "method": "POST",
        "path": path,
        "query": query,
        "headers": sent,
        "body": body,
    }


random.seed(5)
number = 0
for region in ("us-east-1", "eu-central-1", "cn-north-1"):
    for service, target in TARGETS:
        for token in TOKENS:
            print(json.dumps(sign(number, region, service, target, token), separators=(",", ":")))
            number += 1
