"""What only the embedded stack can do is skipped on the native one."""

import pytest

import stack
from fixtures import fast_stack, new_stack, real_stack, shim  # noqa: F401 (fixtures)


def pytest_configure(config):
    config.addinivalue_line("markers", "embedded(reason): needs the embedded stack")
    config.addinivalue_line("markers", "alone: judges times or memory, or needs a whole core: nothing may run beside it")


def pytest_collection_modifyitems(items):
    for item in items if stack.NATIVE else ():
        if marker := item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason=f"embedded stack only: {marker.args[0]}"))
