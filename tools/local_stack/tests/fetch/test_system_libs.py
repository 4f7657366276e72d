from pathlib import Path

import pytest

from local_stack.errors import LocalStackError
from local_stack.fetch import system_libs
from local_stack.fetch.system_libs import ensure_libraries, missing_libraries
from local_stack.progress import Progress

WHOLE = """\
\tlinux-vdso.so.1 (0x00007f2bd7ef2000)
\tlibcurl.so.4 => /lib/x86_64-linux-gnu/libcurl.so.4 (0x00007ff673751000)
"""
LACKING = """\
\tlibcurl.so.4 => not found
\tliblzma.so.5 => /lib/x86_64-linux-gnu/liblzma.so.5 (0x00007f2bd7eb2000)
\tlibcrypto.so.3 => not found
\tlibssl.so.3 => not found
"""
MONGOD = Path("/cache/mongod")


@pytest.fixture
def apt(monkeypatch):
    """An apt that repairs everything; the list of what it was asked to install."""
    asked = []
    state = {"linker": LACKING}

    def install(packages):
        asked.append(packages)
        state["linker"] = WHOLE
        return ""

    monkeypatch.setattr(system_libs, "_linker_output", lambda _program: state["linker"])
    monkeypatch.setattr(system_libs, "_apt_install", install)
    monkeypatch.setattr(system_libs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(system_libs.os, "geteuid", lambda: 0)
    return asked


def test_what_the_linker_does_not_find_is_named():
    assert missing_libraries(LACKING) == ["libcrypto.so.3", "libcurl.so.4", "libssl.so.3"]
    assert missing_libraries(WHOLE) == []


def test_root_gets_the_packages_installed_and_is_told(apt, capsys):
    ensure_libraries(MONGOD, Progress())
    assert apt == [["libcurl4", "libssl3"]]
    assert "installing libcurl4 libssl3 with apt" in capsys.readouterr().err


def test_nothing_is_installed_when_nothing_is_missing(apt, monkeypatch):
    monkeypatch.setattr(system_libs, "_linker_output", lambda _program: WHOLE)
    ensure_libraries(MONGOD, Progress())
    assert apt == []


def test_others_are_told_what_to_install(apt, monkeypatch):
    monkeypatch.setattr(system_libs.os, "geteuid", lambda: 1000)
    with pytest.raises(LocalStackError, match="sudo apt-get install libcurl4 libssl3"):
        ensure_libraries(MONGOD, Progress())
    assert apt == []


def test_an_apt_that_fails_is_quoted(apt, monkeypatch):
    monkeypatch.setattr(system_libs, "_apt_install", lambda _packages: "E: no network")
    with pytest.raises(LocalStackError, match="E: no network"):
        ensure_libraries(MONGOD, Progress())
