"""Start to ready in under 100 ms against the embedded stack; idle resident memory under 20 MB."""

import pytest
import stack as s

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(s.VARIANT != "release", reason="figures of a release build only"),
]


@pytest.mark.embedded("the figure leaves out what a server takes to answer")
@pytest.mark.parametrize("name", ["router", "scheduler", "relay"])
def test_start_to_ready(fast_stack, name):
    times = []
    for _ in range(5):
        replica = fast_stack.start(name)
        times.append(replica.wait_ready())
        replica.stop()
    print(name, "start to ready, ms:", [round(t * 1000) for t in times])
    assert sorted(times)[2] < 0.100


@pytest.mark.parametrize("name", ["router", "scheduler", "relay"])
def test_idle_memory(real_stack, name):
    pid = int((real_stack.directory / f"{name}-1.pid").read_text())
    status = open(f"/proc/{pid}/status").read()
    resident_kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    print(name, "idle resident KiB:", resident_kib)
    assert resident_kib < 20 * 1000
