"""Years in which other software's clocks end (F36): the programs run across the very instant."""

import datetime
import time

import pytest
import stack as s

BEFORE_S = 12  # the programs come up, and the records come

INSTANTS = ("2038-01-19T03:14:08", "2100-03-01T00:00:00", "2106-02-07T06:28:16")


@pytest.mark.skipif(s.VARIANT not in ("release", "debug", "chaos"), reason="a sanitizer wants to be first")
@pytest.mark.embedded("its AWS lives in the same year")
@pytest.mark.parametrize("instant", INSTANTS)
def test_across(new_stack, shim, instant):
    at_s = datetime.datetime.fromisoformat(instant + "+00:00").timestamp()
    stack = new_stack(routers=0, schedulers=0, relays=0)
    ahead_s = int(at_s - BEFORE_S - time.time())
    stack.emulator("/_emulator/clock", {"offset_ms": ahead_s * 1000}, "POST")
    programs = [stack.start(name, **shim, WALL_AHEAD_S=str(ahead_s)) for name in ("router", "scheduler", "relay")]
    for program in programs:
        program.wait_ready(20)
    kafka = s.Kafka(stack)
    end_ms = int(at_s * 1000) + 4000
    dues = [end_ms - 100 * number for number in range(80)]  # on both sides of the instant, and on both paths
    for number, due_ms in enumerate(dues):
        until = str(due_ms) if number % 2 else rfc3339(due_ms)
        headers = [("delay-target", stack.target.encode()), ("delay-until", until.encode())]
        kafka.send(value=b"%d" % number, headers=headers, timestamp_ms=s.now_ms() + ahead_s * 1000)
    got = {int(message.value()): message for message, _ in kafka.read(stack.target, len(dues), 40)}
    for number, due_ms in enumerate(dues):
        assert int(s.header(got[number], "delay-due")) == due_ms
        assert 0 <= got[number].timestamp()[1] - due_ms < 15000
    assert time.time() + ahead_s > at_s, "it was over before the instant came"
    assert f'"time":"{instant[:4]}' in programs[0].log_path.read_text()
    for program in programs:
        assert program.stop()[0] == 0


def rfc3339(ms):
    moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds")
