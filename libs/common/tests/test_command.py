"""`python -m <service>`: help and bad settings."""

import os
import subprocess
import sys

import pytest

from common.http.serve import HttpSettings
from common.kafka.settings import KafkaSettings
from common.mongo import MongoSettings

SERVICES = ("ingress", "conversation", "sender", "accounts")


def run(service, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", service, *arguments],
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
        ("accounts", {"ACCOUNTS_KEKS": "not json"}, "accounts_keks"),
        ("ingress", {"HTTP_PORT": "many"}, "HTTP_PORT"),
        ("ingress", {"LOG_LEVEL": "chatty"}, "LOG_LEVEL"),
        ("ingress", {"KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:many"}, "`two:many` is not host:port"),
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
