"""Builds deploy/Dockerfile without an engine: what each image would hold, as folders."""

import glob
import os
import pathlib
import shutil
import subprocess
import sys

import dockerfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# In mount and process namespaces of their own: both end with the command.
PRIVATE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
BUILD_MOUNTS = 'mount --bind /dev "$0/dev" && mount -t proc proc "$0/proc" && '


class Builder:
    def __init__(self, directory, version):
        self.directory, self.version = directory, version
        self.stages = dockerfile.parse((ROOT / "deploy/Dockerfile").read_text())
        self.ignore = dockerfile.Ignore((ROOT / ".dockerignore").read_text())
        self.roots = {}

    def build(self):
        for stage in self.stages:
            print(f"image: {stage.name}", flush=True)
            root = self.directory / stage.name
            self.begin(stage.base, root)
            self.roots[stage.name] = root
            place, values = "/", {}
            for step in stage.steps:
                if step.name == "WORKDIR":
                    place = step.text
                    (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
                elif step.name == "ARG":
                    name, _, default = step.text.partition("=")
                    values[name] = self.version if name == "VERSION" else default
                elif step.name == "COPY":
                    self.copy(step.text, root, place)
                elif step.name == "RUN":
                    run(root, place, values, step.text)

    def begin(self, base, root):
        if base == "scratch":
            root.mkdir()
            return
        source = self.roots.get(base) or self.debian()
        subprocess.run(["cp", "-a", source, root], check=True)

    def debian(self):
        base = self.directory / "debian"
        if base.exists():
            return base
        print("image: debootstrap", flush=True)
        log = self.directory / "debootstrap.log"
        with open(log, "wb") as output:
            done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", base], stdout=output, stderr=output)
        if done.returncode != 0:
            sys.exit(f"image: debootstrap failed:\n{log.read_text()[-2000:]}")
        # How packages are fetched on this machine.
        (base / "etc/apt/sources.list").unlink(missing_ok=True)
        for pattern in ("sources.list", "sources.list.d/*.sources", "sources.list.d/*.list", "apt.conf.d/*"):
            for file in glob.glob(f"/etc/apt/{pattern}"):
                shutil.copy(file, base / file.lstrip("/"))
        for file in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(file, base / file.lstrip("/"))
        return base

    def copy(self, text, root, place):
        options, sources, destination = dockerfile.copy_words(text)
        origin = self.roots[options["from"]] if "from" in options else ROOT
        target = root / os.path.join(place, destination).lstrip("/")
        for name in sources:
            source = origin / name.lstrip("/")
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=self.hidden(origin))
                continue
            into = target / source.name if destination.endswith("/") else target
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, into, follow_symlinks=False)

    def hidden(self, origin):
        def names(folder, entries):
            above = pathlib.Path(folder).relative_to(origin)
            return [e for e in entries if origin == ROOT and self.ignore.hides(str(above / e))]

        return names


def run(root, place, values, text):
    env = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    command = [*PRIVATE, "/bin/sh", "-c", BUILD_MOUNTS + 'exec chroot "$0" /bin/sh -c "cd $1 && $2"', root, place, text]
    done = subprocess.run(
        command, env={"PATH": PATH, "HOME": "/root", **env, **values}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        sys.exit(f"image: RUN {text}: exit {done.returncode}\n{done.stdout[-3000:]}")


def count(root):
    """Bytes of all files, a hard-linked one once."""
    seen = {}
    for folder, _, files in os.walk(root):
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values()), len(seen)
