"""What an MSK IAM token must be, by botocore: the same query, presigned by AWS's own code."""

import base64
import datetime
import string
import time
import urllib.parse

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from botocore_clock import signing_at
from gate import Refused

ALPHABET = string.ascii_letters + string.digits + "+/="
SECONDS = 900


def presigned(case):
    """case: region, timestamp (2026-11-22T13:45:00Z), access_key_id, secret_access_key, session_token or None."""
    url = f"https://kafka.{case['region']}.amazonaws.com/?Action=kafka-cluster%3AConnect"
    request = AWSRequest(method="GET", url=url)
    keys = Credentials(case["access_key_id"], case["secret_access_key"], case["session_token"])
    with signing_at(case["timestamp"]):
        botocore.auth.SigV4QueryAuth(keys, "kafka-cluster", case["region"], expires=SECONDS).add_auth(request)
    return request.url


def decode(token):
    assert "=" not in token and "+" not in token and "/" not in token, "not base64 for URLs without padding"
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


def parts(url):
    """Scheme, host and path; parameters, of which none may come twice."""
    split = urllib.parse.urlsplit(url)
    pairs = urllib.parse.parse_qsl(split.query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs) and not split.fragment, url
    return (split.scheme, split.netloc, split.path), dict(pairs)


def judge(token, region, keys_of):
    """As MSK would: for how many seconds the token is good. keys_of gives secret_access_key, session_token and expires_ms of an
    access key, or None."""
    place, got = parts(decode(token))
    if got.pop("User-Agent", "") == "" or "X-Amz-Credential" not in got:
        raise Refused("not a token for MSK")
    access_key = got["X-Amz-Credential"].split("/")[0]
    keys = keys_of(access_key)
    if keys is None:
        raise Refused("unknown access key")
    stamp = datetime.datetime.strptime(got["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    case = {
        "region": region,
        "timestamp": stamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "access_key_id": access_key,
        "secret_access_key": keys["secret_access_key"],
        "session_token": keys["session_token"] or None,
    }
    if (place, got) != parts(presigned(case)):
        raise Refused("the signature is of another request")
    signed = stamp.replace(tzinfo=datetime.timezone.utc).timestamp()
    seconds = min(signed + SECONDS, keys["expires_ms"] / 1000) - time.time()
    if seconds <= 0 or signed > time.time() + 60:
        raise Refused("expired")
    return seconds


def random_case(random):
    def text(most):
        return "".join(random.choice(ALPHABET) for _ in range(random.randint(1, most)))

    instant = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=random.randint(0, 1 << 32))
    return {
        "region": random.choice(["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "me-central-1"]),
        "timestamp": instant.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "access_key_id": "ASIA" + text(20).translate(str.maketrans("+/=", "xyz")),
        "secret_access_key": text(80),
        "session_token": random.choice([None, text(10), text(2000)]),
    }
