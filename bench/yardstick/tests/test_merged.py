"""A report that is measured in parts."""

from yardstick.__main__ import merged


def test_what_is_measured_again_replaces_itself_alone():
    earlier = {
        "goals": {"growth": 1.0, "ingress_p99": 2.0},
        "rounds": {"ingress": {"a": []}, "sender": {"b": []}},
        "latency": {"kept": True},
    }
    now = {"goals": {"growth": 0.5}, "rounds": {"sender": {"c": []}}, "failed": {"idle": "TimeoutError"}}
    assert merged(earlier, now) == {
        "goals": {"growth": 0.5, "ingress_p99": 2.0},
        "rounds": {"ingress": {"a": []}, "sender": {"c": []}},
        "failed": {"idle": "TimeoutError"},
        "latency": {"kept": True},
    }
    assert merged({}, now)["goals"] == {"growth": 0.5}
