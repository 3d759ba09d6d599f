"""AWS and Kafka behind TLS, and servers that are not who they should be (F13): refused, said, tried again, never without TLS."""

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest
import stack as s
from authority import Authority, server_context

pytestmark = pytest.mark.embedded("its AWS is put behind TLS")


class Front:
    """Ends TLS before a server that speaks none. context None: accepts and says nothing."""

    def __init__(self, url, context):
        server = urllib.parse.urlparse(url)
        self.server, self.context = (server.hostname, server.port), context
        self.first_bytes = set()  # of all connections: what a client says in the clear
        self.requests = 0
        self.told = 0  # bytes that a client has said inside TLS
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        self.sockets = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            self.first_bytes.add(client.recv(1, socket.MSG_PEEK))
            if self.context is None:
                client.recv(1 << 16)
                client.recv(1 << 16)  # until it has enough
                return
            with self.context.wrap_socket(client, server_side=True) as inside:
                self.sockets.append(inside)
                server = socket.create_connection(self.server)
                self.sockets.append(server)
                threading.Thread(target=self.copy, args=(server, inside), daemon=True).start()
                self.copy(inside, server)

    def copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.told += len(data) if isinstance(source, ssl.SSLSocket) else 0
                self.requests += b"POST " in data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def stop(self):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "trusted")


@pytest.fixture
def new_front(fast_stack):
    made = []

    def make(context, url=None):
        made.append(Front(url or fast_stack.env["AWS_ENDPOINT_URL"], context))
        return made[-1]

    yield make
    for front in made:
        front.stop()


def expired(trusted):
    return trusted.certify("expired", days=-1)


def for_another_host(trusted):
    return trusted.certify("other", host="elsewhere.test")


def signed_by_nobody(trusted):
    return server_context(*[getattr(Authority(trusted.directory, "localhost"), part) for part in ("pem", "key")])


def signed_by_a_stranger(trusted):
    return Authority(trusted.directory, "stranger").certify("strange")


def too_old_a_tls(trusted):
    context = trusted.certify("old")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def stalled(_):
    return None


WRONG = {
    expired: "expired",
    for_another_host: "localhost",
    signed_by_nobody: "self-signed",
    signed_by_a_stranger: "issuer",
    too_old_a_tls: "",
    stalled: "",
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: each.__name__)
def test_wrong_servers(fast_stack, authority, new_front, wrong):
    front = new_front(wrong(authority))
    program = fast_stack.start("relay", AWS_ENDPOINT_URL=front.url, AWS_CA_BUNDLE=str(authority.pem))
    admin = program.admin()
    code = "ConnectionTimeout" if wrong is stalled else "TlsFailed"
    s.wait_until("a line that says so", 20, lambda: code in program.log_path.read_text())
    assert WRONG[wrong] in program.log_path.read_text()
    assert not s.is_ready(admin)
    assert front.first_bytes <= {b"\x16", b""}, "something went out without TLS"
    assert front.requests == 0

    front.context = authority.certify("right")  # the same program, once the server is put right
    s.wait_until("ready", 20, lambda: s.is_ready(admin))
    assert front.requests > 0
    assert front.first_bytes <= {b"\x16", b""}
    assert program.stop()[0] == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("program", ["router", "relay"])
def test_wrong_brokers(fast_stack, authority, new_front, program):
    """All at once: each check takes its time. The right one is talked to, but the mock cluster behind it knows no SASL."""
    contexts = {wrong.__name__: wrong(authority) for wrong in WRONG if wrong is not stalled}
    contexts["right"] = authority.certify("right")
    settings = {
        "KAFKA_PROPERTY_BROKER_ADDRESS_FAMILY": "v4",
        "KAFKA_PROPERTY_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_PROPERTY_SASL_MECHANISM": "PLAIN",
        "KAFKA_PROPERTY_SASL_USERNAME": "delayline",
        "KAFKA_PROPERTY_SASL_PASSWORD": "geheimes-kennwort",
        "KAFKA_PROPERTY_SSL_CA_LOCATION": str(authority.pem),
        "OPENSSL_CONF": "/dev/null",  # the images have none that would forbid old versions
    }
    checks = []
    for name, context in contexts.items():
        front = new_front(context, "http://" + fast_stack.bootstrap)
        at = {"KAFKA_BOOTSTRAP_SERVERS": front.url.removeprefix("https://")}
        env = {**os.environ, **fast_stack.env, **settings, **at}
        check = subprocess.Popen([s.BIN / program, "--check"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        checks.append((name, front, check))
    for name, front, check in checks:
        said, _ = check.communicate(timeout=60)
        assert check.returncode == 69 and "geheimes-kennwort" not in said, said
        assert front.first_bytes <= {b"\x16", b""}, f"{name}: something went out without TLS"
        if name == "right":
            assert front.told > 0 and "SSL handshake failed" not in said, said
        else:
            assert front.told == 0 and "SSL handshake failed" in said, (name, said)


def test_records_through_tls(new_stack, authority):
    stack = new_stack(routers=0, schedulers=0, relays=0)
    front = Front(stack.env["AWS_ENDPOINT_URL"], authority.certify("right"))
    try:
        tls = {"AWS_ENDPOINT_URL": front.url, "AWS_CA_BUNDLE": str(authority.pem)}
        programs = [stack.start(name, **tls) for name in ("router", "scheduler", "relay")]
        for program in programs:
            program.wait_ready(20)
        code, report = stack.load(300, 100, "0..9s").verdict()
        assert code == 0 and s.clean(report), report
    finally:
        front.stop()
