"""Stacks as py-spy writes them, by module."""

import pytest

from yardstick.profile import by_module, module_of, told


@pytest.mark.parametrize(
    ("frame", "module"),
    [
        ("_deliver (services/ingress/src/ingress/routes.py:102)", "ingress.routes"),
        ("publish (/x/libs/common/src/common/kafka/produce/publisher.py:90)", "common.kafka.produce.publisher"),
        ("append (/x/.venv/lib/python3.11/site-packages/aiokafka/record/default_records.py:1)", "aiokafka.record"),
        ("send (/x/.venv/lib/python3.11/site-packages/httptools/parser/parser.pyx:9)", "httptools.parser"),
        ("run (/usr/lib/python3.11/asyncio/runners.py:118)", "asyncio.runners"),
        ("dumps (/usr/lib/python3.11/json/__init__.py:2)", "json.__init__"),
        ("<module> (<string>:1)", "other"),
        ("clone3 (libc.so.6)", "other"),
    ],
)
def test_a_frame_belongs_to_its_module(frame, module):
    assert module_of(frame) == module


def test_samples_count_for_the_innermost_frame():
    inner, outer = "f (/a/src/ingress/parsing/core.py:1)", "g (/a/src/ingress/app.py:2)"
    found = by_module([f"{outer};{inner} 3", f"{outer} 2", f"{inner} 4", ""])
    assert found == {"ingress.parsing.core": 7, "ingress.app": 2}


def test_the_largest_come_first():
    assert told({"a": 0.5, "b": 0.25, "c": 0.1}, 2) == "a 50%, b 25%"
