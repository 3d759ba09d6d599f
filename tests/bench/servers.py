"""The peers' servers: each on a free port of the loopback address, with its data in a folder that goes away."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import tempfile

import rig
import stack as s

HERE = pathlib.Path(__file__).parent / "peers"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "delayline"


class Missing(Exception):
    """What is not there, in words for the line "skipped: ..."."""


@dataclasses.dataclass(frozen=True)
class Serving:
    dialect: str  # of build/release/peer
    address: str
    processes: dict  # name -> subprocess.Popen

    def cpu_seconds(self):
        return {name: rig.cpu_seconds(process.pid) for name, process in self.processes.items()}


def run(*words, timeout):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{words}: {done.stdout[-500:]}{done.stderr[-1500:]}"
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def process(folder, name, *words, **more):
    """Ended when the block is; what it says is in folder."""
    log = pathlib.Path(folder) / f"{name}.log"
    with open(log, "wb") as out:
        started = subprocess.Popen([str(word) for word in words], stdout=out, stderr=out, cwd=folder, **more)
    try:
        yield started, log
        assert started.poll() is None, f"{name} has ended: {log.read_text()[-1500:]}"
    finally:
        started.kill()
        started.wait()


@contextlib.contextmanager
def listening(folder, name, *words, port):
    with process(folder, name, *words, stdin=subprocess.DEVNULL) as (started, log):
        s.wait_until(f"{name} listens", 20, lambda: accepts(port) or started.poll() is not None)
        assert started.poll() is None, log.read_text()[-1500:]
        yield started


@contextlib.contextmanager
def beanstalkd(folder, fsync_ms=None):
    """fsync_ms: None: no log; 0: after each write."""
    port = free_port()
    log = [] if fsync_ms is None else ["-b", folder, "-f", fsync_ms]
    with listening(folder, "beanstalkd", "beanstalkd", "-l", "127.0.0.1", "-p", port, *log, port=port) as server:
        yield Serving("beanstalkd", f"127.0.0.1:{port}", {"beanstalkd": server})


@contextlib.contextmanager
def redis_server(folder, fsync):
    port = free_port()
    words = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", ""]
    words += ["--appendonly", "no"] if fsync is None else ["--appendonly", "yes", "--appendfsync", fsync]
    with listening(folder, "redis", *words, port=port) as server:
        yield port, server


@contextlib.contextmanager
def redis(folder, fsync=None):
    """fsync: appendfsync of its append-only file; None: there is none."""
    with redis_server(folder, fsync) as (port, server):
        yield Serving("redis", f"127.0.0.1:{port}", {"redis": server})


def fetch_bullmq():
    """The folder of its modules: once into the user's cache, keyed by what was asked for; never half."""
    wanted = [HERE / name for name in ("package.json", "package-lock.json")]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in wanted) + platform.machine().encode()).hexdigest()[:16]
    ready = CACHE / f"bullmq-{key}"
    if ready.exists():
        return ready / "node_modules"
    CACHE.mkdir(parents=True, exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(prefix="new.", dir=CACHE))
    try:
        for path in wanted:
            shutil.copy(path, new)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        fetched = subprocess.run(command, cwd=new, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if fetched.returncode != 0:
            said = [line for line in fetched.stderr.splitlines() if "error" in line] or ["no reason given"]
            raise Missing(f"npm could not fetch it ({said[0]})")
        new.rename(ready)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return ready / "node_modules"


@contextlib.contextmanager
def bullmq(folder):
    """Its library in a process of its own, which counts as the service does: promoting is its work, too."""
    env = {**os.environ, "NODE_PATH": str(fetch_bullmq())}
    with redis_server(folder, None) as (redis_port, server):
        words = ["node", HERE / "bullmq.js", redis_port]
        with process(folder, "node", *words, stdin=subprocess.PIPE, env=env) as (node, log):
            said = s.wait_until("bullmq.js", 30, lambda: node.poll() is not None or "listening" in log.read_text())
            assert said and node.poll() is None, log.read_text()[-1500:]
            port = log.read_text().split("listening ")[1].split()[0]
            yield Serving("bullmq", f"127.0.0.1:{port}", {"redis": server, "node": node})
