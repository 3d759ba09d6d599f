"""/readyz tells what is missing, and that it is back; nothing is lost meanwhile."""

import urllib.error
import urllib.request

import pytest
import stack as s


def reasons(admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return error.read().decode()


@pytest.mark.alone
def test_kafka_is_gone_for_a_while(new_stack):
    stack = new_stack()
    admins = stack.admins("router") + stack.admins("relay")
    stack.broker_down()
    for admin in admins:
        s.wait_until("not ready", 15, lambda: "Kafka" in reasons(admin))
        with urllib.request.urlopen(f"http://{admin}/healthz", timeout=5) as answer:
            assert answer.status == 200
    stack.broker_up()
    for admin in admins:
        s.wait_until("ready again", 30, lambda: reasons(admin) == "")
    code, report = stack.load(200, 100, "0..3s").verdict()
    assert code == 0 and s.clean(report), report
