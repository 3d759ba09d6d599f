"""make up once more: nothing is started twice, nothing that has ended is taken for running, nothing is left behind."""

import os
import signal
import subprocess

import pytest
import stack as s

pytestmark = pytest.mark.embedded("the scripts are the same; tests/native/up adds the servers")


class Runs:
    def __init__(self, directory):
        self.directory = directory
        self.env = {**os.environ, **s.FAST, "VARIANT": s.VARIANT, "RUN_DIR": str(directory)}

    def up(self, **settings):
        command = [s.ROOT / "tests/stack/up"]
        return subprocess.run(command, env={**self.env, **settings}, capture_output=True, text=True, timeout=90)

    def pids(self):
        return {file.stem: int(file.read_text()) for file in self.directory.glob("*.pid")}

    def down(self):
        subprocess.run([s.ROOT / "tests/stack/down"], env=self.env, check=True, capture_output=True, timeout=90)


@pytest.fixture
def runs(tmp_path):
    runs = Runs(tmp_path / "run")
    yield runs
    runs.down()


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_up_twice_is_fine_but_not_with_other_counts(runs):
    assert runs.up().returncode == 0
    pids = runs.pids()
    again = runs.up()
    assert (again.returncode, again.stdout) == (0, "up: already running (make down stops it)\n")
    other = runs.up(RELAYS="2")
    assert other.returncode == 1 and other.stdout == ""
    assert len(other.stderr.splitlines()) == 1 and "RELAYS=1" in other.stderr and "RELAYS=2" in other.stderr
    assert runs.pids() == pids and all(is_running(pid) for pid in pids.values())


@pytest.mark.parametrize("killed", ["devstack", "router-1", "relay-1"])
def test_up_after_a_kill_starts_all_anew(runs, killed):
    assert runs.up().returncode == 0
    before = runs.pids()
    os.kill(before[killed], signal.SIGKILL)
    again = runs.up()
    assert again.returncode == 0 and "Ready" in again.stdout, again.stdout + again.stderr
    after = runs.pids()
    assert after.keys() == before.keys() and all(is_running(pid) for pid in after.values())
    assert [name for name, pid in before.items() if is_running(pid)] == []


def test_a_program_that_does_not_start_leaves_nothing(runs):
    failed = runs.up(DELAYLINE_RELAY_SLOTS="none")
    assert failed.returncode == 1 and "DELAYLINE_RELAY_SLOTS=none: not a whole number" in failed.stderr
    assert runs.pids() == {} and not (runs.directory / "env").exists()


def test_env_takes_back_what_that_of_another_stack_has_set(runs):
    assert runs.up().returncode == 0
    elsewhere = "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1 AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1"
    shell = f"export {elsewhere}; . {runs.directory}/env; env"
    output = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True).stdout
    assert "AWS_ENDPOINT_URL=" in output and "AWS_ENDPOINT_URL_" not in output
