"""Records come out of their target topics at their due times, over both paths, with several replicas."""

import os

import pytest
import stack as s

SLOW_BUILD = s.VARIANT != "release"


@pytest.mark.alone
def test_two_replicas_of_each_both_paths(new_stack):
    stack = new_stack(routers=2, schedulers=2, relays=2)
    records, rate = (2000, 300) if SLOW_BUILD else (12000, 1500)
    code, report = stack.load(records, rate, "0..12s", "--targets", "3", "--poison", "5").verdict()
    assert code == 0 and s.clean(report), report
    assert report["sent"] == records
    assert report["delivered"] + report["dead_lettered"] == records
    assert report["cost_usd_per_million"] > 0
    units = [s.metrics(a) for a in stack.admins("router")]
    for path in ("short", "long"):
        taken = sum(v for m in units for k, v in m.items() if k.startswith("delayline_records_total") and path in k)
        assert taken > 0, f"nothing took the {path} path"
    if not SLOW_BUILD and not s.NATIVE:  # tests/native/test_rate.py judges that
        assert report["delay_error_ms"]["p99"] <= 25, report


@pytest.mark.alone
@pytest.mark.skipif("E2E_FULL" not in os.environ, reason="50,000 records at 2,000/s: make e2e-full")
def test_fifty_thousand(new_stack):
    stack = new_stack(routers=2, schedulers=2, relays=2)
    code, report = stack.load(50000, 2000, "0..30s", timeout=300).verdict()
    print(report)
    assert code == 0 and s.clean(report), report
    assert report["delay_error_ms"]["p99"] <= 10, report


def test_large_values(new_stack):
    stack = new_stack()
    code, report = stack.load(30, 5, "1s..10s", "--size", "700000").verdict()
    assert code == 0 and s.clean(report), report
