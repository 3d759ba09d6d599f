"""Years in which other software's clocks end: the programs run across the very instant. Six days without them (F36)."""

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


HOUR_S = 3600
DAY_S = 24 * HOUR_S
DAYS_AWAY = 6  # of the seven for which the table keeps what is overdue


@pytest.mark.skipif(s.VARIANT not in ("release", "debug", "chaos"), reason="a sanitizer wants to be first")
@pytest.mark.embedded("its AWS can be made to live six days later")
def test_days_behind(new_stack, shim):
    """What was stored waits for six days in which nobody is there: hundreds of buckets are overdue then."""
    settings = {"DELAYLINE_BUCKET": "10m", "DELAYLINE_HORIZON": "12m", "DELAYLINE_SHARDS": "1"}
    stack = new_stack(routers=0, schedulers=0, relays=0, settings=settings)
    kafka = s.Kafka(stack)
    router = stack.start("router")
    away_s = DAYS_AWAY * DAY_S
    first_ms = s.now_ms() + HOUR_S * 1000  # for the table: queues have no clock that could be set
    dues = [first_ms + number * away_s * 10 for number in range(101)]
    dues.append(dues[-1] + HOUR_S * 1000)  # which is not due yet when they are back
    for number, due_ms in enumerate(dues):
        kafka.send(value=b"%d" % number, headers=[("delay-target", stack.target), ("delay-until", str(due_ms))])
    admin = router.admin()
    s.wait_until("all stored", 30, lambda: series(admin, "delayline_records_total", "stored") == len(dues))
    assert router.stop()[0] == 0

    ahead_s = away_s + HOUR_S
    stack.emulator("/_emulator/clock", {"offset_ms": ahead_s * 1000}, "POST")
    scheduler, relay = (stack.start(name, **shim, WALL_AHEAD_S=str(ahead_s)) for name in ("scheduler", "relay"))
    got = kafka.read(stack.target, len(dues) - 1, 60)
    assert sorted(int(message.value()) for message, _ in got) == list(range(len(dues) - 1))
    s.wait_until("the cursors at the clock", 20, lambda: series(scheduler.admin(), "delayline_cursor_lag_seconds") == 0)
    assert series(relay.admin(), "delayline_records_total", "delivered") == len(dues) - 1
    for program in (scheduler, relay):
        assert program.stop()[0] == 0


def series(admin, metric, label=""):
    """Sum of a metric's series with this label."""
    return sum(value for name, value in s.metrics(admin).items() if name.startswith(metric) and label in name)
