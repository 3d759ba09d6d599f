"""deploy/RUNBOOK.md against what it speaks of."""

import json
import re
import sys

import stack as s
from runbook import TEXT

sys.path.append(str(s.ROOT / "tests/bench"))
import capacity  # noqa: E402

FOLDER = s.ROOT / "deploy"


def test_tables_are_made_of_their_figures():
    begin, end = capacity.MARKS
    assert TEXT.split(begin + "\n")[1].split(end)[0] == capacity.text(capacity.figures_in(TEXT))


def test_parameters_and_settings_that_it_names_exist():
    known = json.loads((FOLDER / "cloudformation/parameters.json").read_text())["Parameters"]
    names = set(re.findall(r"`([A-Z]\w+)=[^`]*`", TEXT))
    parameters = {name for name in names if not name.isupper()}
    assert parameters and parameters <= set(known), parameters - set(known)
    settings = (s.ROOT / "README.md").read_text()
    for name in set(re.findall(r"\bDELAYLINE_\w+", TEXT)):
        assert f"`{name}`" in settings, name


def test_links_lead_somewhere():
    for path in set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT)):
        assert (FOLDER / path).exists(), path
