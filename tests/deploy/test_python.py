"""Which Python `make setup` takes, and that every place names the versions that are supported."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SUPPORTED = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
OLDEST, NEWEST = SUPPORTED[0], SUPPORTED[-1]
TOOLS = ("sh", "cat", "cp", "date", "dirname", "mkdir", "rm", "sed", "sha256sum", "sort", "tr")
# It notes each call, and makes of a virtual environment what the script looks at.
UV = """#!/bin/sh
echo "$1 $2" >>calls
if [ "$1" = venv ]; then
    mkdir -p "$5/bin" "$5/lib/python$("$4")"
    cp "$4" "$5/bin/python"
fi
"""


class Machine:
    """A checkout beside a PATH that has these programs called python alone."""

    def __init__(self, folder):
        self.path, self.root, self.pyenv = folder / "path", folder / "checkout", folder / "pyenv"
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool))
        (self.root / "libs" / "one").mkdir(parents=True)
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.root)
        shutil.copy(ROOT / "libs" / "common" / "pyproject.toml", self.root / "libs" / "one")
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        self.program(self.path / "uv", UV)

    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def python(self, version, name="", folder=None):
        """A program that says that it is Python of this version; '' one that does not run, as a shim of pyenv."""
        said = f"echo {version}" if version else "exit 127"
        return self.program((folder or self.path) / (name or f"python{version}"), f"#!/bin/sh\n{said}\n")

    def run(self, script, *arguments, **environment):
        return subprocess.run(
            [str(self.root / "scripts" / script), *arguments],
            cwd=self.root,
            env={"PATH": str(self.path), "HOME": str(self.root), "PYENV_ROOT": str(self.pyenv), **environment},
            check=False,
            capture_output=True,
            text=True,
        )

    def found(self, asked=""):
        ended = self.run("find_python.sh", asked)
        return ended.stdout.strip() if ended.returncode == 0 else None

    def refused(self, asked=""):
        ended = self.run("find_python.sh", asked)
        assert ended.returncode
        assert not ended.stdout
        return ended.stderr.strip()

    def set_up(self, **environment):
        """The calls of uv."""
        calls = self.root / "calls"
        calls.unlink(missing_ok=True)
        ended = self.run("bootstrap.sh", **environment)
        assert ended.returncode == 0, ended.stderr
        return calls.read_text().splitlines() if calls.exists() else []

    def version(self):
        return subprocess.run(
            [self.root / ".venv/bin/python"], check=True, capture_output=True, text=True
        ).stdout.strip()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_python3_is_taken_where_its_version_is_supported(machine):
    newest = machine.python(NEWEST)
    python3 = machine.python(OLDEST, "python3")
    assert machine.found() == python3
    assert machine.found(NEWEST) == newest


@pytest.mark.parametrize("python3", ["3.9", "3.99", ""])
def test_the_newest_supported_one_is_taken_where_python3_is_none(machine, python3):
    machine.python(python3, "python3")
    machine.python(OLDEST)
    newest = machine.python(NEWEST)
    assert machine.found() == newest


def test_a_version_is_found_under_its_own_name_as_python3_and_in_pyenv(machine):
    in_pyenv = machine.python(NEWEST, "python3", machine.pyenv / "versions" / f"{NEWEST}.1" / "bin")
    machine.python("", f"python{NEWEST}")
    assert machine.found(NEWEST) == in_pyenv
    python3 = machine.python(NEWEST, "python3")
    assert machine.found(NEWEST) == python3
    assert machine.found(NEWEST) == python3
    assert machine.found(machine.python(NEWEST)) == machine.found(NEWEST) == str(machine.path / f"python{NEWEST}")


def test_what_cannot_be_used_is_refused_with_what_can(machine):
    listed = ", ".join(SUPPORTED)
    assert machine.refused() == f"no supported Python was found: install one of {listed}, or set PYTHON=/path/to/python"
    machine.python(OLDEST, "python3")
    assert machine.refused("3.9") == f"Python 3.9 is not supported: PYTHON is one of {listed}, or a path"
    assert f"Python {NEWEST} was not found: install it" in machine.refused(NEWEST)
    assert machine.refused("/nowhere/python") == "PYTHON=/nowhere/python does not run"
    old = machine.python("3.9")
    assert machine.refused(old) == f"PYTHON={old} is Python 3.9, which is not supported: it is one of {listed}"


def test_a_venv_keeps_its_version_until_another_is_asked_for(machine):
    machine.python(OLDEST, "python3")
    machine.python(NEWEST)
    assert machine.set_up() == ["venv --quiet", "pip sync", "pip install"]
    assert machine.version() == OLDEST
    assert machine.set_up(PYTHON=OLDEST) == machine.set_up() == []
    assert machine.set_up(PYTHON=NEWEST) == ["venv --quiet", "pip sync", "pip install"]
    assert machine.version() == NEWEST
    assert machine.set_up() == []
    (machine.root / "requirements.lock").write_text("changed")
    assert machine.set_up() == ["pip sync", "pip install"]
    assert machine.version() == NEWEST


@pytest.mark.parametrize("replaced_by", ["", NEWEST])
def test_a_venv_whose_python_the_system_replaced_is_made_anew(machine, replaced_by):
    machine.python(OLDEST, "python3")
    machine.set_up()
    machine.python(replaced_by, "python", machine.root / ".venv" / "bin")
    machine.python(NEWEST, "python3")
    assert machine.set_up() == ["venv --quiet", "pip sync", "pip install"]
    assert machine.version() == NEWEST


def test_a_refused_version_leaves_the_venv_as_it_is(machine):
    machine.python(OLDEST, "python3")
    machine.set_up()
    assert machine.run("bootstrap.sh", PYTHON="3.9").returncode
    assert machine.version() == OLDEST
    assert machine.set_up() == []


def test_the_oldest_is_what_members_ask_for_and_tools_check_against():
    members = [tomllib.loads(path.read_text()) for path in ROOT.glob("*/*/pyproject.toml")]
    assert members
    assert {one["project"]["requires-python"] for one in [PROJECT, *members]} == {f">={OLDEST}"}
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{OLDEST.replace('.', '')}"
    assert PROJECT["tool"]["mypy"]["python_version"] == OLDEST


def test_images_have_the_newest():
    assert re.findall(r"python:(3\.\d+)-", (ROOT / "Dockerfile").read_text()) == [NEWEST]


def test_readme_and_continuous_integration_name_each():
    assert f"Python {OLDEST} to {NEWEST}" in (ROOT / "README.md").read_text()
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["pythons"]["strategy"]["matrix"]["python"] == SUPPORTED
