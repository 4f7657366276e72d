"""Template messages: name, language, components and parameters, with Meta's limits."""

import re

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.checks import (
    INVALID,
    PARAMETER,
    Json,
    flag_if_given,
    need,
    need_list,
    need_object,
    need_text,
    objects,
    one_of,
)

_COMPONENTS = frozenset(
    {
        "header",
        "body",
        "footer",
        "button",
        "carousel",
        "limited_time_offer",
        "order_status",
        "tap_target_configuration",
        "call_permission_request",
    }
)
_UNPLACED = "voice_call"
_BUTTONS = frozenset(
    {
        "url",
        "quick_reply",
        "copy_code",
        "flow",
        "catalog",
        "mpm",
        "spm",
        "order_details",
        "payment_request",
        "request_contact_info",
        _UNPLACED,
    }
)
_PARAMETERS = frozenset(
    {
        "text",
        "currency",
        "date_time",
        "image",
        "video",
        "gif",
        "document",
        "location",
        "payload",
        "coupon_code",
        "action",
        "ttl_minutes",
        "limited_time_offer",
        "product",
        "order_status",
        "tap_target_configuration",
    }
)
_MEDIA = frozenset({"image", "video", "gif", "document"})
_BUTTON_MAX = 10
# The schema's bound of one parameter; the rendered body has its own (132005), which only Meta can know.
_PARAMETER_TEXT_MAX = 32_768
_LINES = re.compile(r"[\n\r\t]| {5}")
_WHITE_SPACE = 132018


def check_template(body: Json) -> None:
    """A `template` message; raises `GraphError` 100, 131008, 131009, 132012 or 132018."""
    template = need_object(body, "template")
    need_text(template, "name", "template", 512)
    language = need_object(template, "language", "template")
    need_text(language, "code", "template['language']", 64)
    one_of(language.get("policy", "deterministic"), {"deterministic"}, "language['policy']")
    if "components" in template:
        _components(need_list(template, "components", "template", least=0, most=32), "components")


def _components(items: list[object], at: str) -> None:
    buttons = 0
    for path, component in objects(items, at):
        kind = one_of(str(need(component, "type", path)).lower(), _COMPONENTS, f"{path}['type']")
        if kind == "button":
            buttons += 1
            _button(component, path)
        if kind == "carousel":
            _carousel(component, path)
        elif "parameters" in component:
            for inner, parameter in objects(need_list(component, "parameters", path, least=0, most=1024), path):
                _parameter(parameter, inner)
    if buttons > _BUTTON_MAX:
        raise GraphError(PARAMETER, f"A template has at most {_BUTTON_MAX} buttons, got {buttons}.")


def _button(component: Json, path: str) -> None:
    kind = one_of(str(need(component, "sub_type", path)).lower(), _BUTTONS, f"{path}['sub_type']")
    if kind == _UNPLACED and component.get("index") is None:
        return
    index = str(need(component, "index", path))
    if not index.isdigit() or int(index) >= _BUTTON_MAX:
        raise GraphError(INVALID, f"{path}['index'] must be 0 to {_BUTTON_MAX - 1}, got {index!r}.")


def _carousel(component: Json, path: str) -> None:
    for inner, card in objects(need_list(component, "cards", path, most=10), f"{path}['cards']"):
        need(card, "card_index", inner)
        _components(need_list(card, "components", inner, most=8), f"{inner}['components']")


def _parameter(parameter: Json, path: str) -> None:
    kind = one_of(str(need(parameter, "type", path)).lower(), _PARAMETERS, f"{path}['type']")
    if kind == "text":
        _text(parameter, path)
    elif kind in _MEDIA:
        media = need_object(parameter, kind, path)
        if "id" not in media and "link" not in media:
            raise GraphError(132012, f"{path}['{kind}'] needs an id or a link.")
    else:
        need(parameter, kind, path)


def _text(parameter: Json, path: str) -> None:
    """A text in one line; Meta's examples have booleans and numbers there, too."""
    flag_if_given(parameter, "payment_link_preview", path)
    if isinstance(need(parameter, "text", path), bool | int | float):
        return
    if _LINES.search(need_text(parameter, "text", path, _PARAMETER_TEXT_MAX, 132012)):
        raise GraphError(
            _WHITE_SPACE, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
        )
