"""`python -m <service>`: help and bad settings."""

import subprocess
import sys

import pytest

SERVICES = ("ingress", "conversation", "sender", "accounts")


def run(service, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", service, *arguments],
        env={"PATH": "", **environment},
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


@pytest.mark.parametrize(
    ("service", "environment", "named"),
    [
        ("accounts", {}, "ACCOUNTS_KEKS"),
        ("accounts", {"ACCOUNTS_KEKS": '{"k": "c2hvcnQ="}'}, "needs 32"),
        ("sender", {}, "ACCOUNTS_INTERNAL_KEY"),
        ("accounts", {"ACCOUNTS_KEKS": "not json"}, "accounts_keks"),
        ("ingress", {"HTTP_PORT": "many"}, "HTTP_PORT"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_ends_the_process_and_is_named(service, environment, named):
    done = run(service, **environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
