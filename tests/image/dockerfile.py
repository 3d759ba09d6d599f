"""As much of a Dockerfile's grammar as ours needs: stages and their instructions; and .dockerignore's."""

import fnmatch
import re
import shlex


class Step:
    def __init__(self, line, name, text):
        self.line, self.name, self.text = line, name, text


class Stage:
    def __init__(self, name, base):
        self.name, self.base, self.steps = name, base, []


class Resolved:
    """A stage with all it stands on."""

    def __init__(self, root, steps):
        self.root, self.steps = root, steps

    def last(self, name):
        texts = [step.text for step in self.steps if step.name == name]
        return texts[-1] if texts else None


def logical_lines(text):
    """Number and text of each instruction: comments gone, continued lines joined."""
    began, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if not parts:
            began = number
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield began, " ".join(parts)
            parts = []


def parse(text):
    stages = []
    for number, line in logical_lines(text):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            match = re.fullmatch(r"(\S+)(?: AS (\S+))?", rest)
            stages.append(Stage(match[2] or str(len(stages)), match[1]))
        else:
            stages[-1].steps.append(Step(number, name, rest.strip()))
    return stages


def resolved(stages, name):
    by_name = {stage.name: stage for stage in stages}
    stage = by_name[name]
    steps = list(stage.steps)
    while stage.base in by_name:
        stage = by_name[stage.base]
        steps = stage.steps + steps
    return Resolved(stage.base, steps)


def copy_words(text):
    """Options, sources and destination of COPY."""
    words = shlex.split(text)
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    places = [word for word in words if not word.startswith("--")]
    return options, places[:-1], places[-1]


class Ignore:
    """The last pattern that matches a path or a folder above it decides."""

    def __init__(self, text):
        lines = [line.strip() for line in text.splitlines()]
        self.patterns = [line for line in lines if line and not line.startswith("#")]

    def hides(self, path):
        parts = path.rstrip("/").split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        hidden = False
        for pattern in self.patterns:
            bare = pattern.removeprefix("!").strip("/")
            if any(fnmatch.fnmatchcase(a, bare) and a.count("/") == bare.count("/") for a in above):
                hidden = not pattern.startswith("!")
        return hidden
