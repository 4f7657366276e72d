"""`.env`."""

import subprocess

import pytest

from common.environment import EnvFileError, load_env_file, read_env_file


@pytest.mark.parametrize(
    "value",
    [
        "plain", "", "with space", "a#b", "# no comment", '{"2026-11": "AAECAw=="}', "$HOME ${HOME} `id` $(id)", 'say "hi"',
        "semi;colon & pipe | star *", "ünïcode", "trailing ", " leading", "~", "!bang", "50%",
    ],
)  # fmt: skip
def test_a_value_in_single_quotes_reads_the_same_here_and_in_a_shell(value, tmp_path):
    file = tmp_path / ".env"
    file.write_text(f"# a comment\nNAME='{value}'\n", encoding="utf-8")
    shell = 'set -a; . "$0"; exec env'
    done = subprocess.run(["/bin/sh", "-c", shell, str(file)], capture_output=True, check=True)
    assert f"NAME={value}" in done.stdout.decode().splitlines()
    assert read_env_file(file.read_text(encoding="utf-8")) == {"NAME": value}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\r\nB='2'\r\n", {"A": "1", "B": "2"}),
        ('export A="1 2"\n\n  B = 3 # three\n', {"A": "1 2", "B": "3"}),
        ('API_KEYS=[{"name": "ops"}]\n', {"API_KEYS": '[{"name": "ops"}]'}),
        ("ALONE\nA=\n", {"A": ""}),
        ("", {}),
    ],
)  # fmt: skip
def test_other_forms_are_read_too(text, found):
    assert read_env_file(text) == found


@pytest.mark.parametrize("text", ["A='open\n", "A='x' y\n", "=1\n"])
def test_a_line_that_cannot_be_read_is_named_without_its_value(text):
    with pytest.raises(EnvFileError, match=r"^\.env: line \d cannot be parsed") as caught:
        read_env_file(text)
    assert "open" not in str(caught.value)


def test_the_file_adds_to_the_environment_and_what_is_set_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {"A": "outside"}
    load_env_file(environment)
    assert environment == {"A": "outside"}
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA='inside'\nB='inside'\n")
    load_env_file(environment)
    assert environment == {"A": "outside", "B": "inside"}
    (tmp_path / "other").write_text("C='3'")
    load_env_file(environment | (of_another := {"ENV_FILE": "other"}))
    load_env_file(of_another)
    assert of_another == {"ENV_FILE": "other", "C": "3"}
    load_env_file(without := {"ENV_FILE": ""})
    assert without == {"ENV_FILE": ""}


def test_a_folder_of_that_name_is_no_file_and_a_file_that_is_not_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()
    load_env_file({})
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EnvFileError, match=r"binary cannot be read: it is not UTF-8"):
        load_env_file({"ENV_FILE": "binary"})
