import sys

import pytest

from local_stack.__main__ import main, parser

TELL = "import os; print(os.environ['KAFKA_BOOTSTRAP_SERVERS'], os.environ['MONGODB_URI']); raise SystemExit(7)"


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("up", "run", "fetch", "clean", "MONGODB_URI", "LOCAL_STACK_CACHE"))


def test_a_command_keeps_its_own_options():
    options = parser().parse_args(["run", "--kafka-nodes", "3", "--", "pytest", "-x", "--data", "q"])
    assert options.command == ["pytest", "-x", "--data", "q"]
    assert (options.kafka_nodes, options.data) == (3, None)


@pytest.mark.integration
def test_run_hands_over_the_addresses_and_returns_the_commands_code(monkeypatch, capfd):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    monkeypatch.setenv("MONGODB_URI", "mongodb://mongo.example/")
    assert main(["run", "--", sys.executable, "-c", TELL]) == 7
    assert capfd.readouterr().out == "kafka.example:9092 mongodb://mongo.example/\n"


def test_clean_removes_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCAL_STACK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "thing").mkdir(parents=True)
    assert main(["clean"]) == 0
    assert not (tmp_path / "cache").exists()
