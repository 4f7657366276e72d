"""`wa init`: a file that every service starts with, that a shell can source, and that is never replaced by accident."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accounts.settings import Settings as Accounts
from common.environment import read_env_file
from common.security.samples import refuse_samples
from conversation.settings import Settings as Conversation
from ingress.settings import Settings as Ingress
from sender.settings import Settings as Sender
from wa.__main__ import main
from wa.init import env_text

SERVICES = (Ingress, Conversation, Sender, Accounts)
EXAMPLE = Path(__file__).parents[3] / ".env.example"
BY_HAND = Path(__file__).parents[3] / "docs" / "deployment.md"


def drawing():
    """Other bytes each time."""
    count = iter(range(256))
    return lambda size: bytes([next(count)]) * size


def sourced(path):
    """What a real shell makes of the file."""
    shell = 'set -aeu; . "$0"; exec env -0'
    done = subprocess.run(["/bin/sh", "-c", shell, str(path)], capture_output=True, check=True, env={})
    assert not done.stderr
    return dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)


@pytest.mark.parametrize("text", [env_text("2026-11", drawing()), env_text("2026-11", os.urandom), EXAMPLE.read_text()])
def test_a_shell_and_the_services_read_the_same(text, tmp_path):
    (tmp_path / ".env").write_text(text)
    found = read_env_file(text)
    assert len(found) >= 12
    assert found.items() <= sourced(tmp_path / ".env").items()
    for name in ("API_KEYS", "ACCOUNTS_KEKS", "CALLBACK_KEYS", "VERIFY_DIGEST_KEYS"):
        assert json.loads(found[name])
    settings = {name.upper() for service in SERVICES for name in service.model_fields} | {"API_KEY"}
    assert found.keys() <= settings


def test_every_service_starts_with_what_is_written_and_their_keys_go_together(monkeypatch):
    found = read_env_file(env_text("2026-11", drawing()))
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    ingress, conversation, sender, accounts = (service() for service in SERVICES)
    required = {
        name.upper() for service in SERVICES for name, field in service.model_fields.items() if field.is_required()
    }
    assert required <= found.keys()
    assert ingress.app_secrets() == []  # that one is Meta's
    assert ingress.digest_keys() == accounts.digest_keys()
    assert conversation.callback_keys == sender.callback_keys
    scopes = {key.name: key.scopes for key in sender.api_keys}
    assert scopes == {"operator": {"accounts", "send", "read"}, "sender": {"credentials", "windows"}}
    assert len({found[name] for name in found if name.endswith(("_KEYS", "_KEKS", "_TOKEN", "API_KEY"))}) == 6
    refuse_samples("https://graph.facebook.com", keks=json.loads(found["ACCOUNTS_KEKS"]).values())


def test_docker_compose_takes_every_key_that_is_written():
    compose = (EXAMPLE.parent / "docker-compose.yml").read_text()
    of_processes = {"KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "ACCOUNTS_INTERNAL_URL", "CONVERSATION_INTERNAL_URL"}
    for name in read_env_file(env_text("2026-11", drawing())).keys() - of_processes:
        assert f"${{{name}:-" in compose, name


def test_the_file_and_the_docs_start_the_services_alike():
    lines = env_text("2026-11", drawing()).splitlines()
    commands = [line.removeprefix("#").strip() for line in lines if line.startswith("#   HTTP_PORT=")]
    assert len(commands) == len(SERVICES)
    shown = BY_HAND.read_text()
    assert all(f"{command} &" in shown for command in commands)


def test_each_run_draws_keys_of_its_own():
    first, second = (read_env_file(env_text("2026-11", os.urandom)) for _ in range(2))
    same = {name for name in first if first[name] == second[name]}
    assert not {name for name in same if name.endswith(("_KEYS", "_KEKS", "_TOKEN", "_KEY"))}


def test_the_file_is_written_once_and_is_its_owners_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    try:
        assert main(["init"]) == 0
    finally:
        os.umask(before)
    written = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert read_env_file(written)["API_KEY"] not in capsys.readouterr().out
    assert main(["init"]) == 3
    assert (tmp_path / ".env").read_text() == written
    assert "exists already and was not changed. --force replaces it" in capsys.readouterr().err
    (tmp_path / ".env").chmod(0o644)
    assert main(["init", "--force"]) == 0
    assert (tmp_path / ".env").read_text() != written
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_link_that_leads_nowhere_is_there_too(tmp_path):
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert main(["init", "--file", str(tmp_path / ".env")]) == 3
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert main(["init", "--file", str(tmp_path / "no" / ".env")]) == 1
    assert capsys.readouterr().err.endswith(".env: No such file or directory\n")


def test_a_service_started_beside_the_file_reads_it(tmp_path):
    (tmp_path / ".env").write_text(env_text("2026-11", drawing()) + "HTTP_PORT='many'\n")
    done = subprocess.run(
        [sys.executable, "-m", "accounts"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Nothing else is missing: all that accounts cannot start without is in the file.
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == [
        "accounts: HTTP_PORT: Input should be a valid integer"
    ]
