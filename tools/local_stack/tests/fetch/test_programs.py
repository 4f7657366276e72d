import pytest

from local_stack.fetch import programs
from local_stack.fetch.programs import major_version, own_programs_wanted, system_java, system_mongod


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25.0.2" 2026-01-20 LTS', 25),
        ('java version "1.8.0_392"', 1),
        ("db version v6.0.5\nBuild Info: {", 6),
        ("command not found", None),
    ],
)
def test_major_version(said, expected):
    assert major_version(said) == expected


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose PATH and JAVA_HOME hold only what the test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def put(path, said):
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        program.chmod(0o755)
        return program

    return put


def test_the_java_of_java_home_goes_first(machine, monkeypatch, tmp_path):
    machine("path/java", 'openjdk version "21.0.1"')
    at_home = machine("home/bin/java", 'openjdk version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert system_java() == at_home


def test_an_old_java_home_does_not_hide_a_new_java(machine, monkeypatch, tmp_path):
    on_path = machine("path/java", 'openjdk version "21.0.1"')
    machine("home/bin/java", 'openjdk version "11.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert system_java() == on_path


def test_old_or_absent_programs_do_not_count(machine):
    machine("path/mongod", "db version v4.4.29")
    assert system_java() is None
    assert system_mongod() is None


def test_a_mongod_of_the_machine_is_used(machine):
    assert system_mongod() is None
    mongod = machine("path/mongod", "db version v8.0.4")
    assert system_mongod() == mongod


@pytest.mark.parametrize(("value", "wanted"), [("", True), ("0", True), ("1", False)])
def test_the_machines_programs_can_be_ruled_out(monkeypatch, value, wanted):
    monkeypatch.setenv("LOCAL_STACK_PACKAGED", value)
    assert own_programs_wanted() is wanted


def test_the_class_path_is_checked_against_the_hash_of_every_jar():
    pin = programs.JarsPin("1", 0, (), {"g:a:1": "00", "g:b:2": "11"})
    changed = programs.JarsPin("1", 0, (), {"g:a:1": "00", "g:b:2": "12"})
    digests = {programs.jars_artefact(each, programs.Progress()).tree_sha256 for each in (pin, changed)}
    assert len(digests) == 2
