"""Fault plans as JSON: what the control API and the command line take, and what they show."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

from graph_emulator.config import camel
from graph_emulator.faults import CALL_KINDS, WEBHOOK_KINDS, Fault, FaultPlan, Match, Rule
from graph_emulator.misuse import Misuse
from graph_emulator.webhooks.wire import SHAPES, UPDATES_MAX

Json = dict[str, Any]

_Part = TypeVar("_Part", Match, Fault)


def parse_plan(source: Mapping[str, Any], default_seed: int = 0) -> FaultPlan:
    """The plan in `{seed?, rules?: [{match?, fault, times?}], probabilities?: {kind: 0..1}}`.

    Each entry of `probabilities` is a rule of its own, after the others. Misuse says what is wrong.
    """
    _only(source, {"seed", "rules", "probabilities"}, "the fault plan")
    given, probabilities, seed = (
        source.get("rules", []),
        source.get("probabilities", {}),
        source.get("seed", default_seed),
    )
    if not isinstance(given, list) or not isinstance(probabilities, Mapping) or not isinstance(seed, int):
        raise Misuse("rules must be a list, probabilities a JSON object, seed a whole number")
    rules = [_rule(rule) for rule in given]
    for kind, probability in probabilities.items():
        fault = {"kind": kind} | ({"afterMs": 500} if kind == "slow" else {})
        rules.append(_rule({"match": {"probability": probability}, "fault": fault}))
    return FaultPlan(rules, seed)


def show_plan(plan: FaultPlan) -> Json:
    """The plan as JSON, with how many events each rule saw and struck."""
    return {"seed": plan.seed, "rules": [_show_rule(rule) for rule in plan.rules]}


def _show_rule(rule: Rule) -> Json:
    shown: Json = {"match": _given(rule.match), "fault": _given(rule.fault)}
    if rule.times is not None:
        shown["times"] = rule.times
    return shown | {"seen": rule.seen, "fired": rule.fired}


def _given(part: Match | Fault) -> Json:
    return {camel(f.name): getattr(part, f.name) for f in fields(part) if getattr(part, f.name) != f.default}


def _rule(source: Any) -> Rule:
    _only(source, {"match", "fault", "times"}, "a rule")
    fault = _part(Fault, source.get("fault"), "fault")
    _check_fault(fault)
    match = _part(Match, source.get("match", {}), "match")
    if not 0 <= match.probability <= 1:
        raise Misuse("match.probability must be between 0 and 1")
    times = source.get("times")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise Misuse("times must be a whole number, 1 or more")
    return Rule(match, fault, times)


def _check_fault(fault: Fault) -> None:
    known = CALL_KINDS | WEBHOOK_KINDS
    if fault.kind not in known:
        raise Misuse(f"unknown fault kind {fault.kind!r}; known: {', '.join(sorted(known))}")
    if fault.kind in {"error", "fail_later"} and fault.code is None:
        raise Misuse(f"a fault of kind '{fault.kind}' needs a code")
    if fault.mode not in {"close", "half", "hang"}:
        raise Misuse("fault.mode must be close, half or hang")
    if fault.shape not in {*SHAPES, "mixed"}:
        raise Misuse(f"fault.shape must be one of {', '.join(SHAPES)} or mixed")
    if not 1 <= fault.size <= UPDATES_MAX:
        raise Misuse(f"fault.size must be 1 to {UPDATES_MAX}")


def _part(kind: type[_Part], source: Any, name: str) -> _Part:
    known = {camel(f.name): f for f in fields(kind)}
    _only(source, known.keys(), name)
    types = get_type_hints(kind)
    values = {
        known[key].name: _of_type(value, types[known[key].name], f"{name}.{key}") for key, value in source.items()
    }
    missing = [key for key, f in known.items() if f.default is MISSING and f.name not in values]
    if missing:
        raise Misuse(f"{name} needs {', '.join(missing)}")
    return kind(**values)


def _of_type(value: Any, expected: Any, name: str) -> Any:
    if expected is float and isinstance(value, int):
        return float(value)
    exact = isinstance(value, expected) and not (isinstance(value, bool) and expected is not bool)
    if not exact or (isinstance(value, int) and value < 0):
        raise Misuse(f"{name} has a value of the wrong kind: {value!r}")
    return value


def _only(source: Any, known: Any, name: str) -> None:
    if not isinstance(source, Mapping):
        raise Misuse(f"{name} must be a JSON object")
    unknown = sorted(set(source) - set(known))
    if unknown:
        raise Misuse(f"{name} has unknown keys {', '.join(unknown)}; known: {', '.join(sorted(known))}")
