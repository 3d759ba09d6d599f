"""What the conftest.py of e2e, native and chaos take: a stack is brought up once for the tests that can share one."""

import subprocess
import sys

import pytest

import stack as stack_module


def data_plane():
    """Queues and table of a shared stack: on the native one, as CloudFormation makes them of the template for AWS."""
    if not stack_module.NATIVE:
        return {}
    sys.path.insert(0, str(stack_module.ROOT / "tests/native"))
    import data_plane

    return data_plane.make()


@pytest.fixture(scope="session")
def fast_stack(tmp_path_factory):
    """One replica of each program, short times."""
    running = stack_module.Stack(tmp_path_factory.mktemp("fast"), settings={**stack_module.FAST, **data_plane()})
    yield running
    running.down()


@pytest.fixture(scope="session")
def real_stack(tmp_path_factory):
    """One replica of each program, the design's own times."""
    running = stack_module.Stack(tmp_path_factory.mktemp("real"), settings=data_plane())
    yield running
    running.down()


@pytest.fixture
def new_stack(tmp_path):
    """A function that brings up a stack for one test."""
    made = []

    def bring_up(**options):
        options.setdefault("settings", stack_module.FAST)
        made.append(stack_module.Stack(tmp_path / f"stack{len(made)}", **options))
        return made[-1]

    yield bring_up
    for running in made:
        running.down()


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The environment of a program that shim.c is preloaded into."""
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = stack_module.ROOT / "tests/e2e/shim.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return {"LD_PRELOAD": str(library)}
