import pytest

from graph_emulator.config import Config
from graph_emulator.messages.statuses import steps
from graph_emulator.state.directory import Customer

CONFIG = Config(sent_after_ms=1, delivered_after_ms=20, read_after_ms=300)


def way(kind="text", *, voice=False, failure=0, **traits):
    customer = Customer("4915150000001", "DE.1", "Ada", **traits)
    made = steps(kind, voice=voice, failure=failure, customer=customer, config=CONFIG)
    return [(step.status, step.after_ms, step.priced) for step in made]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (way(), [("sent", 1, True), ("delivered", 20, True), ("read", 300, False)]),
        (way(never_reads=True), [("sent", 1, True), ("delivered", 20, True)]),
        (way(blocked=True), [("sent", 1, True)]),
        (way("reaction"), [("sent", 1, True)]),
        (way("pin"), [("sent", 1, True), ("delivered", 20, True)]),
        (way("pin", chat_open=True), [("sent", 1, True), ("delivered", 20, True)]),
        (way(chat_open=True), [("sent", 1, True), ("read", 320, True)]),
        (way(chat_open=True, never_reads=True), [("sent", 1, True), ("delivered", 20, True)]),
        (way(failure=131026), [("failed", 1, False)]),
        (
            way("audio", voice=True),
            [("sent", 1, True), ("delivered", 20, True), ("read", 300, False), ("played", 300, False)],
        ),
        (
            way(delivered_after_ms=0, read_after_ms=7),
            [("sent", 1, True), ("delivered", 0, True), ("read", 7, False)],
        ),
    ],
)
def test_the_statuses_of_a_message(made, expected):
    assert made == expected


def test_only_what_happens_on_the_phone_waits_for_it():
    made = steps("text", voice=False, failure=0, customer=Customer("1", "DE.1", "Ada"), config=CONFIG)
    assert [step.needs_phone for step in made] == [False, True, True]


def test_a_failure_carries_its_code():
    customer = Customer("1", "DE.1", "Ada")
    assert steps("text", voice=False, failure=131009, customer=customer, config=CONFIG)[0].code == 131009
