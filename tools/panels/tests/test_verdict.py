"""What counts as data, and what is said of a run."""

from panels.draw import height_of
from panels.prometheus import configuration
from panels.verdict import empty, report, unread, without_exemplars

PANEL = {"id": 1, "title": "A", "targets": [{"refId": "A", "expr": "whatsapp_a", "exemplar": True}]}
BOARD = {"uid": "b", "panels": [{"type": "row", "title": "R"}, PANEL]}


def seen(values, exemplars=(), state="inactive", count=1):
    return {
        "span": {"start": 100.0, "end": 200.0, "step": 5},
        "incidents": [{"name": "Meta is away", "start": 120.0, "end": 130.0}],
        "results": {"whatsapp_a": [{"metric": {}, "values": values}] if values else []},
        "exemplars": {"whatsapp_a": [{"exemplars": list(exemplars)}]},
        "alerts": [
            {"name": "MetaAway", "state": state, "firedAt": 150.0 if state == "firing" else None, "reads": {"a": count}}
        ],
    }


def test_a_series_of_nan_shows_nothing():
    assert empty([BOARD], seen([[100, "NaN"], [105, "NaN"]])) == ["b: A (A)"]
    assert empty([BOARD], seen([])) == ["b: A (A)"]
    assert empty([BOARD], seen([[100, "NaN"], [105, "0"]])) == []


def test_exemplars_and_series_that_are_missing_are_named():
    assert without_exemplars([BOARD], seen([[100, "1"]])) == ["b: A (A)"]
    assert without_exemplars([BOARD], seen([[100, "1"]], exemplars=[{"value": "1"}])) == []
    assert unread(seen([[100, "1"]], count=0)) == ["MetaAway: a"]


def test_the_report_has_incidents_alerts_and_what_is_empty():
    text = report([BOARD], seen([], state="firing"))
    assert "20 to    30  Meta is away" in text
    assert "firing, after 50 s" in text
    assert "1 show nothing\n  b: A (A)" in text


def test_the_picture_is_as_high_as_the_grid():
    panels = [{"gridPos": {"y": 0, "h": 1}}, {"gridPos": {"y": 9, "h": 8}}]
    assert height_of({"panels": panels}) == 120 + 38 * 17


def test_instances_are_called_as_processes_are():
    text = configuration({"sender": {"sender-2": "127.0.0.1:1234"}})
    assert '"instance": "sender-2"' in text
    assert "alerts.yml" in text
