import re
from importlib import resources

import pytest

from local_stack.fetch import pins
from local_stack.fetch.pins import jar_name
from local_stack.fetch.repin import render

PINS = pins.load()
TEXT = resources.files("local_stack.fetch").joinpath("pins.toml").read_text(encoding="utf-8")


def test_every_jar_has_a_coordinate_and_a_sha256():
    assert len(PINS.kafka.jars) > 40
    for coordinate, sha256 in PINS.kafka.jars.items():
        assert len(coordinate.split(":")) == 3
        assert re.fullmatch("[0-9a-f]{64}", sha256)


def test_jar_file_names_do_not_collide():
    assert len({jar_name(coordinate) for coordinate in PINS.kafka.jars}) == len(PINS.kafka.jars)


def test_the_class_path_holds_the_roots_and_one_version_of_kafka():
    assert set(PINS.kafka.roots) <= set(PINS.kafka.jars)
    versions = {name.split(":")[2] for name in PINS.kafka.jars if name.startswith("org.apache.kafka:")}
    assert versions == {PINS.kafka.version}


def test_the_pins_name_no_host():
    assert "//" not in TEXT
    assert "www." not in TEXT


def test_repin_writes_what_load_reads():
    assert pins.parse(render(PINS)) == PINS


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        pins.parse(TEXT.replace("[mongod]", '[mongod]\ncolour = "red"'))
