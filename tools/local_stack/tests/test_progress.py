import sys

import pytest

from local_stack.errors import LocalStackError
from local_stack.progress import Progress, Task, megabytes


def test_sizes_are_in_millions_of_bytes():
    assert megabytes(35_411_575) == "35.4 MB"


def test_a_transfer_tells_how_far_it_is_and_never_more_than_all():
    task = Task("Kafka", total=10_000_000, started=100.0, done=4_000_000)
    assert task.text(now=107.2) == "Kafka: 4.0 MB of 10.0 MB, 7 s"
    task.done = 30_000_000
    assert "10.0 MB of 10.0 MB" in task.text(now=108)


def test_plain_lines_where_there_is_no_terminal(capsys):
    progress = Progress()
    with progress.transfer("Kafka", 1_000_000) as task:
        progress.arrived(task, 500_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "local stack: fetching Kafka (1.0 MB)"
    assert lines[1].startswith("local stack: fetched Kafka (1.0 MB) in ")


def test_a_live_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress()
    with progress.transfer("Kafka", 1_000_000) as task:
        progress.arrived(task, 500_000)
    said = capsys.readouterr().err
    assert "\r\x1b[KKafka: 0.5 MB of 1.0 MB" in said
    assert said.endswith("s\n")


def test_a_failed_transfer_is_not_announced_as_fetched(capsys):
    with pytest.raises(OSError, match="broken"), Progress().transfer("Kafka", 1):
        raise OSError("broken")
    assert "fetched" not in capsys.readouterr().err


def test_after_cancel_transfers_end():
    progress = Progress()
    with progress.transfer("Kafka", 1) as task:
        progress.cancel()
        with pytest.raises(LocalStackError):
            progress.arrived(task, 1)
