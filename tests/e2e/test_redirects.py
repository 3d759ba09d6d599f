"""Whoever answers in AWS's place cannot send a program, or what it knows, elsewhere: no redirect is followed, no proxy hears
of credentials, and the host in a queue's URL does not count."""

import http.server
import json
import os
import subprocess
import threading

import pytest
import stack as s
from listener import Listener

pytestmark = pytest.mark.embedded("stands in for AWS")

STATIC = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
CONTAINER_TOKEN = "devstack-container-token"


class Trap(Listener):
    """Nobody has any business here: counts who comes, and hangs up."""

    def __init__(self):
        self.visits = 0
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    async def _serve(self, _, writer):
        self.visits += 1
        writer.close()


class StandIn:
    """Answers as `answer(path)` says: status, headers, body."""

    def __init__(self, answer):
        self.seen = []
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, body = answer(self)
                seen.append(f"{self.command} {self.path}")
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = reply

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def trap():
    made = Trap()
    yield made
    made.stop()


@pytest.fixture
def stand_in():
    made = []

    def make(answer):
        made.append(StandIn(answer))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def check(stack, settings, program="relay"):
    env = {**os.environ, **stack.env, **settings, "DELAYLINE_LOG_LEVEL": "debug"}
    return subprocess.run([s.BIN / program, "--check"], env=env, capture_output=True, text=True, timeout=60)


def sqs(stack, url):
    return {"AWS_ENDPOINT_URL_SQS": url}


def dynamodb(stack, url):
    return {"AWS_ENDPOINT_URL_DYNAMODB": url}


def sts(stack, url):
    token = stack.directory / "redirected-web-token"
    token.write_text("a-token-of-the-cluster")
    role = "arn:aws:iam::000000000000:role/delayline"
    return {**STATIC, "AWS_ENDPOINT_URL_STS": url, "AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}


def container(stack, url):
    full = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/credentials"}
    return {**STATIC, **full, "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN}


def metadata(stack, url):
    return {**STATIC, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}


@pytest.mark.parametrize("place", [sqs, dynamodb, sts, container, metadata], ids=lambda each: each.__name__)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(fast_stack, trap, stand_in, place, status):
    server = stand_in(lambda request: (status, {"Location": trap.url + request.path}, b""))
    answer = check(fast_stack, place(fast_stack, server.url))
    assert server.seen, "it was never asked"
    assert answer.returncode in (69, 78) and str(status) in answer.stderr, answer.stderr
    assert trap.visits == 0
    for secret in (fast_stack.env["AWS_SECRET_ACCESS_KEY"], CONTAINER_TOKEN, "a-token-of-the-cluster"):
        assert secret not in answer.stdout + answer.stderr


def test_no_proxy_hears_of_credentials(fast_stack, trap):
    """Those of the environment are for https, where they see nothing but where to; these requests have none."""
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY")
    proxies = {**dict.fromkeys(names, trap.url), "no_proxy": "", "NO_PROXY": ""}
    answer = check(fast_stack, {**container(fast_stack, fast_stack.env["AWS_ENDPOINT_URL"]), **proxies})
    assert answer.returncode == 0, answer.stderr
    assert trap.visits == 0


def test_the_host_of_a_queues_url_does_not_count(fast_stack, trap, stand_in):
    """Requests go to the endpoint that is configured, whatever GetQueueUrl or the queue's own setting says."""

    def misleading(request):
        operation = request.headers["X-Amz-Target"].split(".")[1]
        body = {"QueueUrl": trap.url + "/000000000000/q"} if operation == "GetQueueUrl" else {"Attributes": {}}
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()

    named = {"DELAYLINE_DELAY_QUEUE": "q", "DELAYLINE_READY_QUEUE": "q.fifo"}
    placed = {name: f"{trap.url}/000000000000/{queue}" for name, queue in named.items()}
    for queues, calls in ((named, 4), (placed, 2)):
        server = stand_in(misleading)
        answer = check(fast_stack, {**sqs(fast_stack, server.url), **queues})
        assert answer.returncode == 78 and queues["DELAYLINE_READY_QUEUE"] in answer.stderr, answer.stderr
        assert len(server.seen) == calls
    assert trap.visits == 0
