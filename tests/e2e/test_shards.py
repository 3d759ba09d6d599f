"""The number of shards changes under load, and programs that were told different numbers run together (F39)."""

import stack as s

TAKEN = "delayline_records_taken_total"
SHARE = "delayline_kafka_partitions_assigned"
SHARDS = "delayline_shards"
# The mock cluster holds a join open for the session time-out less a second.
QUICK_JOINS = {} if s.NATIVE else {"KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "3000"}


def value(program, series):
    return s.metrics(program.admin()).get(series, 0)


def test_more_shards_and_fewer_again(new_stack):
    stack = new_stack(routers=0, schedulers=0, settings={**s.FAST, **QUICK_JOINS})

    def start(name, shards):
        program = stack.start(name, DELAYLINE_SHARDS=str(shards))
        program.wait_ready(20)
        if name == "router":
            s.wait_until("partitions", 30, lambda: value(program, SHARE) > 0)
        return program

    def at_work(router, records):
        s.wait_until(f"{records} records", 40, lambda: value(router, TAKEN) >= records)

    router, scheduler = start("router", 2), start("scheduler", 2)
    rate = 100
    run = stack.load(rate * 16, rate, "0..9s")
    at_work(router, rate * 2)
    assert router.stop()[0] == 0
    router = start("router", 6)
    at_work(router, rate * 2)
    s.wait_until("a scheduler of two shards that has found six", 20, lambda: value(scheduler, SHARDS) == 6)
    another = start("scheduler", 6)
    assert scheduler.stop()[0] == 0
    assert router.stop()[0] == 0
    router, scheduler = start("router", 2), start("scheduler", 2)
    assert another.stop()[0] == 0
    code, report = run.verdict()
    assert code == 0 and s.clean(report), report
    assert value(router, TAKEN) > rate, "all was over before there were fewer again"
    assert value(scheduler, SHARDS) == 6, "what is in the other four would never be read"
