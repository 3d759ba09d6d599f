"""The fixtures of tests/e2e with the settings of chaos.py."""

import os
import pathlib
import sys

os.environ.setdefault("VARIANT", "chaos")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fixtures import new_stack  # noqa: E402, F401 (a fixture)


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: judges times, and wants the machine for itself")
    config.addinivalue_line("markers", "long: begins early, so that the others need not wait for it at the end")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
