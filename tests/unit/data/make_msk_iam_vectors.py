#!/usr/bin/python3
"""What botocore (Debian: python3-botocore) presigns for MSK IAM: URLs without User-Agent.

    /usr/bin/python3 tests/unit/data/make_msk_iam_vectors.py > tests/unit/data/msk_iam_botocore.jsonl

Nothing here is a key that opens anything.
"""
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import msk_iam  # noqa: E402

RANDOM = random.Random(20261122)


def case(region="eu-west-1", at="2026-11-22T13:45:00Z", **keys):
    line = msk_iam.random_case(RANDOM)
    line.update(keys, region=region, timestamp=at)
    json.dump({**line, "url": msk_iam.presigned(line)}, sys.stdout, sort_keys=True)
    sys.stdout.write("\n")


for one in ("us-east-1", "cn-northwest-1", "us-gov-east-1", "eusc-de-east-1", "il-central-1"):
    case(region=one)
for instant in ("1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2024-12-31T23:59:59Z", "2100-03-01T00:00:00Z"):
    case(at=instant)
for length in (1, 39, 60, 61, 200):
    case(secret_access_key="s" * length)
for token in (None, "t", "/+==" * 300, "~-._" * 10, " &=%?#"):
    case(session_token=token)
