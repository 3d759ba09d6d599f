"""The fixtures of tests/e2e; what differs is where STACK_SERVERS puts the stacks."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fixtures import fast_stack, new_stack, real_stack  # noqa: E402, F401 (fixtures)
