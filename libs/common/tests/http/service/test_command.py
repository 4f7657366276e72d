"""`python -m <service>`: help and bad settings."""

import json
import os
import socket
import subprocess
import sys

import pytest

from common.http.service.serve import HttpSettings
from common.kafka.settings import KafkaSettings
from common.mongo import MongoSettings

SERVICES = ("ingress", "conversation", "sender", "accounts")


def run(service, *arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", service, *arguments],
        cwd=cwd,
        env={"PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_help_lists_every_setting_with_its_default(service):
    done = run(service, "--help")
    assert done.returncode == 0
    assert "KAFKA_BOOTSTRAP_SERVERS" in done.stdout
    assert "localhost:9092" in done.stdout


def test_help_shows_no_secret_that_is_set():
    assert "fake-secret-value" not in run("ingress", "--help", WHATSAPP_APP_SECRETS="fake-secret-value").stdout


DIGEST_KEYS = f'{{"v": "{"A" * 43}="}}'
SAFE = {"GRAPH_BASE_URL": "http://127.0.0.1:1"}  # the sample keys and the real Meta do not go together


@pytest.mark.parametrize(
    ("service", "environment", "named"),
    [
        ("accounts", {}, "ACCOUNTS_KEKS"),
        ("accounts", {"ACCOUNTS_KEKS": '{"k": "c2hvcnQ="}', "VERIFY_DIGEST_KEYS": DIGEST_KEYS}, "key `k` has 5 bytes"),
        ("accounts", {"ACCOUNTS_KEKS": DIGEST_KEYS}, "VERIFY_DIGEST_KEYS"),
        ("accounts", {"ACCOUNTS_KEKS": DIGEST_KEYS, "VERIFY_DIGEST_KEYS": "{}"}, "VERIFY_DIGEST_KEYS"),
        ("ingress", {"VERIFY_DIGEST_KEYS": '{"v": "c2hvcnQ="}'}, "VERIFY_DIGEST_KEYS: key `v` has 5 bytes"),
        ("ingress", {"VERIFY_DIGEST_KEYS": '{"v": "no base64"}'}, "VERIFY_DIGEST_KEYS: key `v` is not base64"),
        ("ingress", {"VERIFY_DIGEST_KEYS": DIGEST_KEYS, "VERIFY_DIGEST_PRIMARY_KEY": "w"}, "the primary key `w`"),
        ("sender", {}, "ACCOUNTS_INTERNAL_KEY"),
        ("accounts", {"ACCOUNTS_KEKS": "not json"}, "ACCOUNTS_KEKS: it is not JSON"),
        ("ingress", {"HTTP_PORT": "many"}, "HTTP_PORT"),
        ("ingress", {"LOG_LEVEL": "chatty"}, "LOG_LEVEL"),
        ("ingress", {"KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:many"}, "`two:many` is not host:port"),
        ("ingress", {"KAFKA_BOOTSTRAP_SERVERS": "one:65536"}, "`one:65536` is not host:port"),
        ("ingress", {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        ("ingress", {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "/not/there"}, "KAFKA_CA_FILE"),
        ("conversation", {"MONGODB_URI": "localhost"}, "MONGODB_URI"),
        ("conversation", {"MONGODB_URI": "mongodb://u:fake-pass@word@localhost/"}, "percent-encoded"),
        ("conversation", {"MONGODB_URI": "mongodb://localhost:port/"}, "MONGODB_URI"),
        ("conversation", {"MONGODB_DATABASE": "a.b"}, "MONGODB_DATABASE"),
        ("common.kafka.admin ensure", {"KAFKA_BOOTSTRAP_SERVERS": "one:many"}, "`one:many` is not host:port"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_ends_the_process_and_is_named(service, environment, named):
    done = run(*service.split(), **environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "fake-pass" not in done.stderr


@pytest.mark.parametrize("setting", ["HTTP_PORT", "INTERNAL_PORT"])
def test_a_taken_port_ends_the_process_with_one_sentence(setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "INTERNAL_PORT": "0", setting: port}
        done = run("accounts", ACCOUNTS_KEKS=DIGEST_KEYS, VERIFY_DIGEST_KEYS=DIGEST_KEYS, **SAFE, **given)
    assert done.returncode == 1
    assert done.stderr == (
        f"accounts: {setting}: cannot listen on port {port} of 127.0.0.1:"
        " it is in use already; stop the other process or choose another port\n"
    )


def test_settings_come_from_the_env_file_and_what_is_wrong_in_it_is_named(tmp_path):
    (tmp_path / ".env").write_text("HTTP_PORT='many'\nWHATSAPP_VERIFY_TOKEN='fake-token'\n")
    done = run("ingress", cwd=tmp_path)
    assert (done.returncode, done.stderr.split("; ")[0].split(",")[0]) == (
        2,
        "ingress: HTTP_PORT: Input should be a valid integer",
    )
    (tmp_path / ".env").write_text("WHATSAPP_VERIFY_TOKEN='fake-token\n")
    done = run("ingress", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "ingress: .env: line 1 cannot be parsed; write NAME='value'\n")


def test_what_a_service_is_told_in_vain_and_what_it_lacks_is_logged_at_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("ingress", HTTP_HOST="127.0.0.1", HTTP_PORT=port, WHATSAPP_APP_SECRT="fake-secret-value")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "warning"]
    assert "WHATSAPP_APP_SECRT is not a setting and has no effect" in lines[0]["message"]
    assert "the nearest one is WHATSAPP_APP_SECRET " in lines[0]["message"]
    assert "no app secret: every webhook is refused; set WHATSAPP_APP_SECRET" in lines[1]["message"]
    assert "fake-secret-value" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "given",
    [
        {"KAFKA_BOOTSTRAP_SERVERS": "a.example:9092, [::1]:9093,broker_3"},
        {"KAFKA_CA_FILE": ""},
        {"MONGODB_URI": "mongodb+srv://u:p%40ss@cluster.example.org/?replicaSet=rs0"},
        {"MONGODB_URI": "mongodb://u:p%40ss@one:27017,two/db?replicaSet=rs0&tls=true"},
        {"LOG_LEVEL": "debug"},
    ],
)
def test_settings_that_are_right_are_taken(given, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    HttpSettings()
    KafkaSettings()
    MongoSettings()
