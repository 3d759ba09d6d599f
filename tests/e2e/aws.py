"""AWS's API for tests: calls that botocore signs. As a program it understands the words of `aws` that deploy/RUNBOOK.md
uses, so that those commands run against the emulator."""

import json
import os
import pathlib
import re
import sys
import urllib.request

import botocore.auth
import botocore.awsrequest
from botocore.credentials import Credentials

TARGETS = {"sqs": ("AmazonSQS", "1.0"), "dynamodb": ("DynamoDB_20120810", "1.0")}


class Aws:
    def __init__(self, env):
        self.env = env

    def call(self, service, operation, **body):
        prefix, version = TARGETS[service]
        url = self.env.get(f"AWS_ENDPOINT_URL_{service.upper()}") or self.env["AWS_ENDPOINT_URL"]
        headers = {"Content-Type": f"application/x-amz-json-{version}", "X-Amz-Target": f"{prefix}.{operation}"}
        request = botocore.awsrequest.AWSRequest("POST", url.rstrip("/") + "/", headers, json.dumps(body).encode())
        keys = Credentials(self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"])
        botocore.auth.SigV4Auth(keys, service, self.env["AWS_REGION"]).add_auth(request)
        prepared = request.prepare()
        plain = urllib.request.Request(prepared.url, prepared.body, dict(prepared.headers.items()), method="POST")
        with urllib.request.urlopen(plain, timeout=15) as answer:
            return json.loads(answer.read() or b"{}")

    def queue_url(self, name):
        return self.call("sqs", "GetQueueUrl", QueueName=name)["QueueUrl"]

    def receive(self, queue_url, wait_s=5):
        """Up to ten messages, which are deleted."""
        answer = self.call("sqs", "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s)
        messages = answer.get("Messages", [])
        for each in messages:
            self.call("sqs", "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=each["ReceiptHandle"])
        return [each["Body"] for each in messages]


def camel(words):
    return "".join(word.capitalize() for word in words.lstrip("-").split("-"))


def value_of(text):
    if text.startswith("file://"):
        return pathlib.Path(text.removeprefix("file://")).read_text()
    return json.loads(text) if re.match(r"[\[{]", text) else text


def main():
    service, operation, *words = sys.argv[1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    options.pop("--output", None)
    wanted = options.pop("--query", None)
    answer = Aws(os.environ).call(service, camel(operation), **{camel(k): value_of(v) for k, v in options.items()})
    print(answer[wanted] if wanted else json.dumps(answer))


if __name__ == "__main__":
    main()
