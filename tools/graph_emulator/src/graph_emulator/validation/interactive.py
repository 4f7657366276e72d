"""Interactive messages: what each `interactive.type` must hold, with Meta's limits."""

from collections.abc import Callable

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.checks import (
    INVALID,
    Json,
    flag_if_given,
    known_keys,
    need,
    need_list,
    need_object,
    need_text,
    objects,
    one_of,
    text_if_given,
    web_link,
)

_HEADERS = frozenset({"text", "image", "video", "document"})
_LONG_BODY = frozenset({"list"})
_FLOW_TEXT_MAX = 32_768  # no limit is published: a bound of this emulator's own
_WORDLESS = frozenset({"product", "call_permission_request"})
# Their shape is only known from SDKs: the action must be there, its inside is taken as it is.
_LOOSE = frozenset(
    {
        "catalog_message",
        "order_details",
        "order_status",
        "address_message",
        "call_permission_request",
        "voice_call",
        "request_contact_info",
    }
)


def check_interactive(body: Json) -> None:
    """An `interactive` message; raises `GraphError` 131008, 131009 or 100."""
    interactive = need_object(body, "interactive")
    known_keys(interactive, {"type", "header", "body", "footer", "action"}, "interactive")
    kind = one_of(need(interactive, "type", "interactive"), _ACTIONS.keys() | _LOOSE, "interactive['type']", INVALID)
    _frame(interactive, kind)
    action = need_object(interactive, "action", "interactive")
    if kind in _ACTIONS:
        _ACTIONS[kind](action)


def _frame(interactive: Json, kind: str) -> None:
    if "header" in interactive:
        header = need_object(interactive, "header", "interactive")
        style = one_of(need(header, "type", "header"), _HEADERS, "header['type']", INVALID)
        if style == "text":
            need_text(header, "text", "header", 60, INVALID)
        else:
            need_object(header, style, "header")
    if kind not in _WORDLESS or "body" in interactive:
        most = 4096 if kind in _LONG_BODY else 1024
        need_text(need_object(interactive, "body", "interactive"), "text", "body", most, INVALID)
    if "footer" in interactive:
        need_text(need_object(interactive, "footer", "interactive"), "text", "footer", 60, INVALID)


def _buttons(action: Json) -> None:
    seen: set[str] = set()
    for path, button in objects(need_list(action, "buttons", "action", most=3), "buttons"):
        one_of(button.get("type"), {"reply"}, f"{path}['type']", INVALID)
        reply = need_object(button, "reply", path)
        need_text(reply, "title", f"{path}['reply']", 20, INVALID)
        _once(need_text(reply, "id", f"{path}['reply']", 256, INVALID), seen, path)


def _list(action: Json) -> None:
    need_text(action, "button", "action", 20, INVALID)
    sections = objects(need_list(action, "sections", "action", most=10), "sections")
    seen: set[str] = set()
    for path, section in sections:
        if len(sections) > 1:
            need_text(section, "title", path, 24, INVALID)
        text_if_given(section, "title", path, 24, INVALID)
        for at, row in objects(need_list(section, "rows", path, most=10), f"{path}['rows']"):
            need_text(row, "title", at, 24, INVALID)
            text_if_given(row, "description", at, 72, INVALID)
            _once(need_text(row, "id", at, 200, INVALID), seen, at)
    if len(seen) > 10:
        raise GraphError(INVALID, f"A list has at most 10 rows over all sections, got {len(seen)}.")


def _once(identifier: str, seen: set[str], path: str) -> None:
    if identifier in seen:
        raise GraphError(INVALID, f"{path}: the id {identifier!r} is used twice.")
    seen.add(identifier)


def _cta_url(action: Json) -> None:
    one_of(action.get("name"), {"cta_url"}, "action['name']", INVALID)
    parameters = need_object(action, "parameters", "action")
    need_text(parameters, "display_text", "parameters", 20, INVALID)
    web_link(need_text(parameters, "url", "parameters", 2000, INVALID), "parameters['url']")
    flag_if_given(parameters, "payment_link_preview", "parameters")


def _flow(action: Json) -> None:
    one_of(action.get("name"), {"flow"}, "action['name']", INVALID)
    parameters = need_object(action, "parameters", "action")
    if ("flow_id" in parameters) == ("flow_name" in parameters):
        raise GraphError(INVALID, "action['parameters'] needs either a flow_id or a flow_name.")
    for name in ("flow_id", "flow_name", "flow_token"):
        text_if_given(parameters, name, "parameters", _FLOW_TEXT_MAX, INVALID)
    need_text(parameters, "flow_message_version", "parameters", 16, INVALID)
    need_text(parameters, "flow_cta", "parameters", 30, INVALID)
    one_of(parameters.get("mode", "published"), {"draft", "published"}, "parameters['mode']", INVALID)
    one_of(parameters.get("flow_action", "navigate"), {"navigate", "data_exchange"}, "flow_action", INVALID)


def _location_request(action: Json) -> None:
    one_of(action.get("name"), {"send_location"}, "action['name']", INVALID)


def _product(action: Json) -> None:
    need_text(action, "catalog_id", "action", 256, INVALID)
    need_text(action, "product_retailer_id", "action", 256, INVALID)


def _product_list(action: Json) -> None:
    need_text(action, "catalog_id", "action", 256, INVALID)
    total = 0
    for path, section in objects(need_list(action, "sections", "action", most=10), "sections"):
        items = objects(need_list(section, "product_items", path, most=30), f"{path}['product_items']")
        for inner, item in items:
            need_text(item, "product_retailer_id", inner, 256, INVALID)
        total += len(items)
    if total > 30:
        raise GraphError(INVALID, f"A product list has at most 30 items over all sections, got {total}.")


def _carousel(action: Json) -> None:
    for path, card in objects(need_list(action, "cards", "action", least=2, most=10), "cards"):
        if "body" in card:
            need_text(need_object(card, "body", path), "text", f"{path}['body']", 160, INVALID)


_ACTIONS: dict[str, Callable[[Json], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _cta_url,
    "flow": _flow,
    "location_request_message": _location_request,
    "product": _product,
    "product_list": _product_list,
    "carousel": _carousel,
}
