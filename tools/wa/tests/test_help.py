"""What `wa` shows when its caller does not know the name of a command."""

import pytest

from wa.__main__ import main


@pytest.mark.parametrize(("given", "shown"), [([], "doctor "), (["topics"], "raise "), (["dlq"], "replay ")])
def test_without_a_command_it_shows_those_that_there_are(given, shown, capsys):
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    assert shown in capsys.readouterr().err


def test_another_mistake_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["topics", "list", "--jsno"])
    assert "unrecognized arguments: --jsno" in capsys.readouterr().err
