"""The fixtures of tests/e2e with the settings of chaos.py."""

import importlib.util
import os
import pathlib
import sys

os.environ.setdefault("VARIANT", "chaos")
E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)

new_stack = e2e.new_stack


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: judges times, and wants the machine for itself")
