"""inspect, the tool for people who debug: its answers and its exit codes."""

import json
import os
import subprocess

import pytest
import stack as s

EX_USAGE, EX_DATAERR, EX_IOERR = 64, 65, 74


def inspect(*arguments, text=""):
    return subprocess.run(
        [s.BIN / "inspect", *arguments], input=text, capture_output=True, text=True, timeout=20
    )


def answer(*arguments, text=""):
    run = inspect(*arguments, text=text)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_help():
    assert all(word in inspect("--help").stdout for word in ("envelope", "delay", "endpoint", "sign"))
    assert inspect("nonsense").returncode == EX_USAGE


def test_what_cannot_be_read_or_written_is_said():
    with open("/dev/full", "w") as full:
        run = subprocess.run([s.BIN / "inspect", "delay", "--for", "5s"], stdout=full, stderr=subprocess.PIPE)
    assert run.returncode == EX_IOERR and b"standard output" in run.stderr
    for arguments in (["sign"], ["envelope"]):
        run = subprocess.run([s.BIN / "inspect", *arguments], preexec_fn=lambda: os.close(0), capture_output=True)
        assert run.returncode == EX_DATAERR, arguments


def test_delay():
    got = answer("delay", "--for", "90s", "--timestamp", "1000", "--now", "2000")
    assert got["due_ms"] == 91000 and got["path"] == "short" and got["delay_seconds"] == 87
    got = answer("delay", "--until", "2026-12-24T18:00:00Z", "--now", "1790000000000")
    assert got["due_ms"] == 1798135200000 and got["path"] == "long"


@pytest.mark.parametrize(
    "arguments,code",
    [
        (["--for", "1.5s"], "for-invalid"),
        (["--until", "yesterday"], "until-invalid"),
        (["--for", "367d"], "delay-too-long"),
        ([], "time-missing"),
        (["--for", "1s", "--until", "5"], "time-ambiguous"),
    ],
)
def test_delay_rejections(arguments, code):
    run = inspect("delay", *arguments, "--now", "1700000000000", "--timestamp", "1700000000000")
    assert run.returncode == 1 and json.loads(run.stdout)["rejected"] == code


@pytest.mark.parametrize(
    "arguments,url",
    [
        (["--service", "sqs", "--region", "eu-west-1"], "https://sqs.eu-west-1.amazonaws.com"),
        (["--service", "dynamodb", "--region", "cn-north-1"], "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        (["--service", "sqs", "--region", "us-east-1", "--fips"], "https://sqs-fips.us-east-1.amazonaws.com"),
        (["--service", "sqs", "--region", "us-gov-west-1", "--fips"], "https://sqs.us-gov-west-1.amazonaws.com"),
        (["--service", "sts", "--region", "eu-west-1", "--dualstack"], "https://sts.eu-west-1.api.aws"),
        (["--service", "sqs", "--region", "x", "--endpoint", "http://localhost:4566"], "http://localhost:4566"),
    ],
)
def test_endpoint(arguments, url):
    assert answer("endpoint", *arguments)["url"] == url


def test_endpoint_error():
    run = inspect("endpoint", "--service", "sqs", "--region", "r", "--fips", "--endpoint", "http://localhost")
    assert run.returncode == 1 and "FIPS" in run.stderr
    assert "FIPS" in json.loads(run.stdout)["error"]


def test_sign():
    request = {
        "service": "sqs",
        "region": "us-east-1",
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "session_token": None,
        "timestamp": "2015-04-28T00:39:55Z",
        "method": "POST",
        "url": "https://sqs.us-east-1.amazonaws.com/",
        "headers": [["Content-Type", "application/x-amz-json-1.0"], ["X-Amz-Target", "AmazonSQS.SendMessage"]],
        "unsigned_headers": [],
        "body_b64": "e30=",
    }
    run = inspect("sign", text=json.dumps(request) + "\n" + json.dumps({**request, "session_token": "t"}) + "\n")
    assert run.returncode == 0, run.stderr
    first, second = run.stdout.splitlines()
    assert first.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150428/us-east-1/sqs/aws4_request")
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-target" in first
    assert "x-amz-security-token" in second
    assert inspect("sign", text="{}\n").returncode == EX_DATAERR
    for wrong in ({"headers": {"a": "b"}}, {"unsigned_headers": "a"}, {"body_b64": 5}, {"session_token": 5}):
        assert inspect("sign", text=json.dumps({**request, **wrong}) + "\n").returncode == EX_DATAERR, wrong


def test_envelope_of_nonsense():
    for text in ("", "not base64!", "AAAA", "RExZTgEA"):
        assert inspect("envelope", text=text).returncode == EX_DATAERR
