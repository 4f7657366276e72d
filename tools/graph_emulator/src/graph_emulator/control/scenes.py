"""From the control API's JSON to businesses, tokens, customers and messages; Misuse says what to change."""

from dataclasses import fields
from typing import Any, get_type_hints

from graph_emulator.config import camel
from graph_emulator.emulator import Emulator
from graph_emulator.misuse import Misuse
from graph_emulator.state.directory import Business, Customer, Directory
from graph_emulator.state.levels import LEVELS

Json = dict[str, Any]

THROUGHPUT_KEYS = ("throughputLevel", "onBizApp", "messagesPerSecond")
_BUSINESS_KEYS = frozenset(
    {
        "phoneNumberId",
        "wabaId",
        "displayPhoneNumber",
        "verifiedName",
        "registered",
        "pin",
        *THROUGHPUT_KEYS,
        "templateCategories",
        "subscribed",
        "token",
    }
)
_CUSTOMER_TYPES = get_type_hints(Customer)
_CUSTOMER_FIELDS = {camel(f.name): f.name for f in fields(Customer) if f.name not in {"wa_id", "user_id"}}
_MESSAGE_KEYS = frozenset({"from", "phoneNumberId", "text", "message", "profileName", "burst"})


def made_business(emulator: Emulator, body: Json) -> Business:
    """Add a business number, or change the one with this id; ids and the display number are made up when absent."""
    only(body, _BUSINESS_KEYS, "a business")
    categories = body.get("templateCategories", {})
    if not isinstance(categories, dict):
        raise Misuse("templateCategories must be an object: template name to category")
    number = str(body.get("phoneNumberId") or emulator.ids.number())
    known = emulator.directory.businesses.get(number)
    waba_id = str(body.get("wabaId") or (known.waba_id if known else emulator.ids.number()))
    business = known or Business(number, waba_id, display_number(number))
    change_throughput(business, body)
    business.waba_id = waba_id
    business.display_phone_number = str(body.get("displayPhoneNumber") or business.display_phone_number).lstrip("+")
    business.verified_name = str(body.get("verifiedName") or business.verified_name)
    business.pin = str(body.get("pin", business.pin))
    business.registered = bool(body.get("registered", business.registered))
    business.template_categories |= categories
    emulator.directory.add_business(business)
    if "subscribed" in body:
        emulator.directory.wabas[waba_id].subscribed = bool(body["subscribed"])
    return business


def change_throughput(business: Business, body: Json) -> None:
    """Set how many messages per second a number may carry: by level, by coexistence, or any figure (0: none)."""
    level = body.get("throughputLevel", business.throughput_level)
    on_biz_app = body.get("onBizApp", business.on_biz_app)
    own = body.get("messagesPerSecond", business.own_messages_per_second)
    if not isinstance(level, str) or level not in LEVELS:
        raise Misuse(f"throughputLevel must be one of {', '.join(LEVELS)}")
    if not isinstance(on_biz_app, bool):
        raise Misuse("onBizApp must be true or false")
    if not isinstance(own, int) or isinstance(own, bool) or own < 0:
        raise Misuse("messagesPerSecond must be a whole number, 0 to go by the level")
    business.throughput_level, business.on_biz_app, business.own_messages_per_second = level, on_biz_app, own


def display_number(phone_number_id: str) -> str:
    """A business phone number made of the last digits of its id; in a range no customer uses."""
    digits = "".join(char for char in phone_number_id if char.isdigit())[-7:]
    return f"1555{digits:0>7}"


def wanted_token(emulator: Emulator, body: Json, waba_id: str) -> str:
    """Let the token in `body`, or a new one, act for the WABA."""
    token = str(body.get("token") or emulator.ids.secret())
    emulator.directory.grant(token, waba_id)
    return token


def show_business(business: Business, directory: Directory) -> Json:
    """A business as the control API shows it; tokens only as a count."""
    waba = directory.wabas[business.waba_id]
    return {
        "phoneNumberId": business.phone_number_id,
        "wabaId": business.waba_id,
        "displayPhoneNumber": business.display_phone_number,
        "verifiedName": business.verified_name,
        "registered": business.registered,
        "throughputLevel": business.throughput_level,
        "onBizApp": business.on_biz_app,
        "messagesPerSecond": business.messages_per_second,
        "subscribed": waba.subscribed,
        "callback": business.callback or waba.callback,
        "tokens": sum(business.waba_id in wabas for wabas in directory.tokens.values()),
    }


def change_customer(customer: Customer, changes: Json) -> None:
    """Set how a customer's phone behaves."""
    only(changes, _CUSTOMER_FIELDS.keys(), "a customer")
    values = {_CUSTOMER_FIELDS[key]: value for key, value in changes.items()}
    for name, value in values.items():
        if not isinstance(value, _CUSTOMER_TYPES[name]):
            raise Misuse(f"{camel(name)} has a value of the wrong kind: {value!r}")
    for name, value in values.items():
        setattr(customer, name, value)


def inbound_message(body: Json, number: int, burst: int) -> Json:
    """The message in `{text}` or `{message: {type, …}}`; in a burst a text says which one it is (`#2`)."""
    only(body, _MESSAGE_KEYS, "an inbound message")
    message, text = body.get("message"), body.get("text")
    if (message is None) == (text is None):
        raise Misuse("give either text or message")
    if isinstance(text, str) and text:
        return {"type": "text", "text": {"body": text if burst == 1 else f"{text} #{number}"}}
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise Misuse("message must be an object with a type, text a text that is not empty")
    return message


def only(given: Json, known: Any, name: str) -> None:
    """Allow only `known` keys, so that a misspelt one is refused, not ignored."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Misuse(f"{name} has no {', '.join(unknown)}; known: {', '.join(sorted(known))}")
