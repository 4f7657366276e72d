"""Meta's limits as rules: the sliding second, the burst that is paid for, the windows, and what a setting may say."""

import pytest

from graph_emulator.config import LIMITS, PAIR_READINGS, Config, limits_in
from graph_emulator.limits.pair import next_burst, next_owed
from graph_emulator.limits.service_window import ServiceWindow, takes
from graph_emulator.limits.traffic import Second, Traffic
from graph_emulator.misuse import Misuse
from graph_emulator.state.levels import messages_per_second
from graph_emulator.validation.media_ids import media_ids

HOUR = 3_600_000
NOON = 1_800_000_000_000
TEXT = {"type": "text", "text": {"body": "Hi"}}


@pytest.mark.parametrize(
    ("level", "on_biz_app", "own", "expected"),
    [
        ("STANDARD", False, 0, 80),
        ("HIGH", False, 0, 1_000),
        ("NOT_APPLICABLE", False, 0, 80),
        ("STANDARD", True, 0, 20),
        ("HIGH", True, 0, 20),
        ("HIGH", True, 3, 3),
    ],
)
def test_what_a_number_may_carry(level, on_biz_app, own, expected):
    assert messages_per_second(level, on_biz_app=on_biz_app, own=own) == expected


def test_the_second_slides():
    traffic = Traffic()
    for at in (0, 500, 999):
        traffic.count(at, inbound=False)
    assert [traffic.last_second(at) for at in (999, 999.9, 1_000, 1_499, 1_500, 1_999)] == [3, 3, 2, 2, 1, 0]


def test_both_directions_count_and_the_busiest_second_is_kept():
    traffic = Traffic()
    for at in (0, 900, 1_000, 1_100, 1_899, 1_900, 9_000):
        traffic.count(at, inbound=at in {1_000, 9_000})
    assert traffic.busiest == Second(inbound=1, outbound=3, ended_ms=1_899)
    assert traffic.busiest.messages == 4
    assert (traffic.inbound, traffic.outbound) == (2, 5)


def test_the_busiest_second_may_lie_across_two_clock_seconds():
    traffic = Traffic()
    for at in (*range(600, 1_000, 10), *range(1_000, 1_400, 10)):
        traffic.count(at, inbound=False)
    assert traffic.busiest.messages == 80


def test_memory_is_that_of_one_second():
    traffic = Traffic()
    for at in range(20_000):
        traffic.count(at, inbound=at % 2 == 0)
    assert traffic.last_second(19_999) == traffic.busiest.messages == 1_000
    assert len(traffic._inbound) + len(traffic._outbound) == 1_000


def sent(*times):
    """Which of the messages at these seconds are taken."""
    burst, taken = None, []
    for at in times:
        following = next_burst(burst, at * 1_000)
        taken.append(following is not None)
        burst = following or burst
    return taken


def test_one_message_in_six_seconds():
    assert sent(0, 6, 12, 18) == [True] * 4


def test_a_second_message_within_six_seconds_is_borrowed():
    assert sent(0, 5.999, 6, 11.999, 12) == [True, True, False, False, True]


@pytest.mark.parametrize("size", [2, 20, 45])
def test_a_burst_is_followed_by_silence(size):
    assert sent(*[0] * size, 6, 6 * size - 0.001, 6 * size) == [True] * size + [False, False, True]


def test_forty_five_are_the_most():
    assert sent(*[0] * 46, 5.9, 269.9, 270) == [True] * 45 + [False, False, False, True]


def test_refused_messages_are_not_owed():
    assert sent(0, 6, *range(7, 12), 12) == [True, True, *[True] * 5, False]
    assert sent(0, 0, *[7] * 50, 12) == [True, True, *[False] * 50, True]


def window(*hours, referral=()):
    """The window after messages that came at these hours, those in `referral` from an ad."""
    made = ServiceWindow()
    for hour in hours:
        made = made.after(TEXT | ({"referral": {}} if hour in referral else {}), NOON + hour * HOUR)
    return made


def closes_after(made):
    return (made.closes_ms - NOON) / HOUR


def test_without_a_message_of_the_person_only_templates_go():
    assert ServiceWindow().closes_ms == 0
    assert not takes("text", ServiceWindow(), NOON)
    assert takes("template", ServiceWindow(), NOON)


@pytest.mark.parametrize("kind", ["text", "reaction", "interactive", "image"])
def test_a_free_form_message_goes_until_a_day_after_the_last_one(kind):
    made = window(0, 3)
    assert takes(kind, made, NOON + 27 * HOUR - 1)
    assert not takes(kind, made, NOON + 27 * HOUR)
    assert takes("template", made, NOON + 27 * HOUR)


def test_an_ad_opens_three_days():
    assert closes_after(window(0, referral={0})) == 72
    assert closes_after(window(0, 10, referral={0})) == 72
    assert closes_after(window(0, 60, referral={0})) == 84
    assert closes_after(window(0, 10, referral={10})) == 82


def test_a_notice_of_whatsapp_opens_nothing():
    assert ServiceWindow().after({"type": "system"}, NOON) == ServiceWindow()


def test_a_last_message_that_is_moved_into_the_past():
    moved = window(0, 10, referral={10}).moved_to(NOON - 20 * HOUR)
    assert closes_after(moved) == 52
    assert closes_after(window(0, 10, referral={0}).moved_to(NOON + 5 * HOUR)) == 72
    assert closes_after(window(0).moved_to(NOON - 24 * HOUR)) == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("all", set(LIMITS)),
        ("none", set()),
        ([], set()),
        ("pair", {"pair"}),
        ("throughput,window", {"throughput", "window"}),
        (["window", "pair", "pair"], {"window", "pair"}),
    ],
)
def test_which_limits_are_enforced(given, expected):
    assert limits_in(given) == expected


@pytest.mark.parametrize("given", ["", "speed", "pair,", "all,pair", ["all"], [1], [[]], 3, None, {"pair": True}])
def test_what_is_no_set_of_limits(given):
    with pytest.raises(Misuse, match="limits must be"):
        limits_in(given)


def test_nothing_is_enforced_unless_it_is_asked_for():
    assert Config().limits == frozenset()


IMAGE = {"type": "image", "image": {"id": "1"}}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("image", {"id": "1", "caption": "Look"}, ["1"]),
        ("audio", {"link": "https://example.test/a.ogg"}, []),
        ("text", {"body": "id"}, []),
        ("interactive", {"type": "button", "header": IMAGE, "action": {}}, ["1"]),
        ("interactive", {"type": "list", "header": {"type": "text", "text": "Hi"}, "action": {"cards": 1}}, []),
        ("interactive", {"type": "carousel", "action": {"cards": [{"header": IMAGE}, {}]}}, ["1"]),
        ("template", {"name": "hello"}, []),
        ("template", {"components": [{"type": "header", "parameters": [IMAGE]}, {"type": "footer"}]}, ["1"]),
        ("template", {"components": [{"type": "HEADER", "parameters": [{"type": "gif", "gif": {"id": 2}}]}]}, ["2"]),
        (
            "template",
            {
                "components": [
                    {"type": "carousel", "cards": [{"components": [{"type": "header", "parameters": [IMAGE]}]}]}
                ]
            },
            ["1"],
        ),
    ],
)
def test_which_files_a_message_names(kind, content, expected):
    assert list(media_ids(kind, {"type": kind, kind: content})) == expected


def taken(reading, times):
    owed, took = None, []
    for at in times:
        made = next_owed(reading, owed, at)
        took.append(made is not None)
        owed = made or owed
    return took


def test_a_lively_chat_is_refused_by_the_letter_and_taken_from_a_store():
    chat = range(0, 16_000, 2_000)
    assert taken("burst", chat) == [True] * 3 + [False] * 5
    assert taken("bucket", chat) == [True] * 8


def test_a_store_has_forty_five_and_gets_one_back_each_six_seconds():
    assert taken("bucket", [0] * 46) == [True] * 45 + [False]
    assert taken("bucket", [*[0] * 45, 5_999, 6_000, 6_001, 12_000]) == [True] * 45 + [False, True, False, True]


def test_a_reading_is_one_of_two():
    config = Config()
    for reading in PAIR_READINGS:
        config.change({"pairReading": reading})
        assert config.pair_reading == reading
    with pytest.raises(Misuse, match="pairReading"):
        config.change({"pairReading": "strict"})
