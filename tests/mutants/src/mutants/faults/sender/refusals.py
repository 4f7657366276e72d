"""Faults in what Meta's refusals reach: a template, a kind of message, or a number."""

from typing import Final

from mutants.fault import Fault

_DISPATCHER: Final = "services/sender/src/sender/worker/dispatcher.py"
_SCOPES: Final = "services/sender/src/sender/delivery/scopes.py"
_REFUSED: Final = "services/sender/src/sender/limits/refusals.py"
_GATES: Final = "services/sender/src/sender/dispatch/holds.py"
_TESTS_OF_SCOPES: Final = "services/sender/tests/delivery/test_scopes.py"
_TESTS_OF_REFUSED: Final = "services/sender/tests/limits/test_refusals.py"
_TESTS_OF_SESSIONS: Final = "services/sender/tests/worker/test_session.py"

FAULTS: Final = (
    Fault(
        "sender/template-refusal-stops-the-number",
        _SCOPES,
        "    if rule.scope not in APART or subject_of(request) is not None:\n        return rule.scope\n",
        "    if rule.scope not in APART:\n        return rule.scope\n",
        (_TESTS_OF_SCOPES,),
        "one template that Meta refuses stops its number",
    ),
    Fault(
        "sender/refused-template-tried-by-all",
        _REFUSED,
        "        if refused.probe != send and now < refused.probed_at + _PROBE_SECONDS:\n",
        "        if False:\n",
        (_TESTS_OF_REFUSED,),
        "all sends of a refused template call Meta when its time has come",
    ),
    Fault(
        "sender/set-aside-without-store",
        _DISPATCHER,
        "            await self._scheduler.set_aside(job, step.outcome.due.timestamp(), step.outcome.subject)\n",
        "            pass\n",
        (_TESTS_OF_SESSIONS,),
        "a send whose template is refused is finished on the topic and stands nowhere else",
    ),
    Fault(
        "sender/campaign-takes-the-probe",
        _GATES,
        "        (held.urgent if lane.urgent else held.campaigns).append(lane)\n",
        "        held.campaigns.append(lane)\n",
        ("services/sender/tests/dispatch/test_lanes.py",),
        "a number that is held is probed with its campaign, while people wait for replies",
    ),
)
