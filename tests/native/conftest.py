"""The fixtures of tests/e2e; what differs is where STACK_SERVERS puts the stacks."""

import importlib.util
import pathlib
import sys

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)

fast_stack = e2e.fast_stack
new_stack = e2e.new_stack
real_stack = e2e.real_stack
