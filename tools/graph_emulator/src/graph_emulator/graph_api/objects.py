"""Graph objects besides messages: phone numbers, registration, subscriptions, tokens, and the signup code exchange."""

import hmac
import re
from typing import Any

from aiohttp import web

from graph_emulator.graph_api.media import show_media
from graph_emulator.graph_api.serving import Call, expiry_message, success
from graph_emulator.graph_errors import GraphError, unknown_object
from graph_emulator.state.directory import Business, Waba
from graph_emulator.state.levels import HIGH
from graph_emulator.validation.checks import known_keys, need_text
from graph_emulator.webhooks.delivery import verify_callback
from graph_emulator.webhooks.wire import UNLIMITED

Json = dict[str, Any]

CALLBACK_MAX = 200
_DIGITS_MAX = 10
_PIN = re.compile(r"[0-9]{6}")
_REGISTER_LIMIT = 10
_REGISTER_SPAN_MS = 72 * 3_600_000
_SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]


async def get_object(call: Call) -> web.StreamResponse:
    """`GET /{id}`: a phone number (with `fields`), a WABA, or a media id."""
    object_id = call.request.match_info["id"]
    wabas = call.wabas()
    business = call.emulator.directory.businesses.get(object_id)
    if business is not None and business.waba_id in wabas:
        return success(_chosen(phone_fields(business), call.request.query.get("fields")))
    if object_id in call.emulator.directory.wabas and object_id in wabas:
        waba = {"id": object_id, "name": f"Emulated account {object_id}", "currency": "EUR", "timezone_id": "1"}
        return success(_chosen(waba, call.request.query.get("fields")))
    return show_media(call, object_id, wabas)


def phone_fields(business: Business) -> Json:
    """Every field of a phone number that can be asked for."""
    return {
        "id": business.phone_number_id,
        "verified_name": business.verified_name,
        "display_phone_number": f"+{business.display_phone_number}",
        "code_verification_status": "VERIFIED",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API" if business.registered else "NOT_APPLICABLE",
        "is_on_biz_app": business.on_biz_app,
        "throughput": {"level": business.throughput_level},
        "status": "CONNECTED" if business.registered else "DISCONNECTED",
        "name_status": "APPROVED",
        "account_mode": "LIVE",
        "health_status": {"can_send_message": "AVAILABLE" if business.registered else "BLOCKED", "entities": []},
        "whatsapp_business_manager_messaging_limit": UNLIMITED if business.throughput_level == HIGH else "TIER_100K",
        "webhook_configuration": {"phone_number": business.callback} if business.callback else {},
    }


_DEFAULT_FIELDS = (
    "verified_name,code_verification_status,display_phone_number,quality_rating,platform_type,throughput,"
    "id,name,currency,timezone_id"
)


def _chosen(values: Json, fields: str | None) -> Json:
    names = {name.partition("{")[0].strip() for name in (fields or _DEFAULT_FIELDS).split(",")} | {"id"}
    unknown = sorted(names - values.keys()) if fields else []
    if unknown:
        raise GraphError(100, message=f"(#100) Tried accessing nonexisting field ({unknown[0]})")
    return {name: value for name, value in values.items() if name in names}


async def post_object(call: Call) -> web.StreamResponse:
    """`POST /{phone}` with `webhook_configuration`: the number's own callback; an empty one removes it."""
    business = call.business()
    configuration = (await call.body()).get("webhook_configuration")
    if not isinstance(configuration, dict):
        raise GraphError(100, "webhook_configuration must be a JSON object.")
    business.callback = await _verified(call, configuration) if configuration.get("override_callback_uri") else ""
    return success({"success": True})


async def register(call: Call) -> web.StreamResponse:
    """`POST /{phone}/register {messaging_product, pin}`: sets the PIN, or must match it; 10 calls per 72 h."""
    business = call.business()
    body = await call.body()
    now = call.emulator.clock.now_ms()
    business.register_calls = [at for at in business.register_calls if now - at < _REGISTER_SPAN_MS]
    if len(business.register_calls) >= _REGISTER_LIMIT:
        raise GraphError(133016, "At most 10 calls in 72 hours.")
    business.register_calls.append(now)
    known_keys(body, {"messaging_product", "pin", "data_localization_region", "backup"})
    pin = need_text(body, "pin", "", 6)
    if not _PIN.fullmatch(pin):
        raise GraphError(100, "Param pin must be 6 digits.")
    if business.pin and business.pin != pin:
        raise GraphError(133005, "The PIN does not match.")
    business.pin, business.registered = pin, True
    return success({"success": True})


async def deregister(call: Call) -> web.StreamResponse:
    """`POST /{phone}/deregister`: later sends fail with 133010."""
    call.business().registered = False
    return success({"success": True})


def _waba(call: Call) -> Waba:
    object_id = call.request.match_info["id"]
    wabas = call.wabas()
    waba = call.emulator.directory.wabas.get(object_id)
    if waba is None or object_id not in wabas:
        raise unknown_object(object_id, call.request.method.lower())
    return waba


async def get_phone_numbers(call: Call) -> web.StreamResponse:
    """`GET /{waba}/phone_numbers`: the numbers of the account, `limit` (25) on a page, from the cursor `after` on."""
    waba, query = _waba(call), call.request.query
    numbers = [one for one in call.emulator.directory.businesses.values() if one.waba_id == waba.id]
    start, limit = _whole(query.get("after", "0")), max(1, _whole(query.get("limit", "25")))
    page = numbers[start : start + limit]
    answer: Json = {"data": [_chosen(phone_fields(one), query.get("fields")) for one in page]}
    if page:
        end = str(start + len(page))
        answer["paging"] = {"cursors": {"before": str(start), "after": end}}
        if start + len(page) < len(numbers):
            answer["paging"]["next"] = str(call.request.url.update_query(after=end))
    return success(answer)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS_MAX):
        raise GraphError(100, "limit and after must be what a page has given.")
    return int(text)


async def get_subscriptions(call: Call) -> web.StreamResponse:
    """`GET /{waba}/subscribed_apps`: this app, if it is subscribed."""
    waba = _waba(call)
    app_id = call.emulator.config.app_id
    entry: Json = {
        "whatsapp_business_api_data": {
            "id": app_id,
            "name": "Emulated app",
            "link": f"https://www.facebook.com/games/?app_id={app_id}",
        }
    }
    if waba.callback:
        entry["override_callback_uri"] = waba.callback
    return success({"data": [entry] if waba.subscribed else []})


async def subscribe(call: Call) -> web.StreamResponse:
    """`POST /{waba}/subscribed_apps`: subscribe. The body sets an override of the callback, or removes it."""
    waba = _waba(call)
    body = await call.body()
    waba.callback = await _verified(call, body) if body.get("override_callback_uri") else ""
    waba.subscribed = True
    return success({"success": True})


async def unsubscribe(call: Call) -> web.StreamResponse:
    """`DELETE /{waba}/subscribed_apps`: no more webhooks for this WABA."""
    _waba(call).subscribed = False
    return success({"success": True})


async def _verified(call: Call, configuration: Json) -> str:
    """The callback in a request, once it has answered the challenge."""
    callback = need_text(configuration, "override_callback_uri", "", CALLBACK_MAX)
    token = need_text(configuration, "verify_token", "", 512)
    emulator = call.emulator
    verified, why = await verify_callback(callback, token, emulator.config.webhook_timeout_ms, emulator.ids)
    if not verified:
        message = f"(#2200) Callback verification failed with the following errors: {why}"
        raise GraphError(2200, message=message)
    return callback


async def debug_token(call: Call) -> web.StreamResponse:
    """`GET /debug_token?input_token=`: whether a token is valid, until when, and for which WABAs."""
    config, directory = call.emulator.config, call.emulator.directory
    app_token = f"{config.app_id}|{config.app_secret}"
    if not hmac.compare_digest(call.token.encode(), app_token.encode()):
        call.wabas()
    inspected = call.request.query.get("input_token", "")
    if not inspected:
        raise GraphError(100, "The parameter input_token is required.")
    wabas = directory.tokens.get(inspected)
    data: Json = {"app_id": config.app_id, "type": "SYSTEM_USER", "application": "Emulated app"}
    if wabas is None:
        error = {"code": 190, "message": "Error validating access token: the token is invalid or was revoked."}
        return success({"data": data | {"is_valid": False, "scopes": [], "error": error}})
    targets = sorted(wabas, reverse=True)
    granular = [{"scope": scope, "target_ids": targets} for scope in _SCOPES]
    expired = directory.expired_at(inspected, call.emulator.clock.now_ms() / 1_000)
    ends = directory.token_ends.get(inspected, 0)
    data |= {"is_valid": expired is None, "expires_at": ends, "data_access_expires_at": 0, "scopes": _SCOPES}
    data |= {"granular_scopes": granular, "user_id": "100000000000009"}
    if expired is not None:
        data["error"] = {"code": 190, "message": expiry_message(expired), "subcode": 463}
    return success({"data": data})


async def exchange_code(call: Call) -> web.StreamResponse:
    """`GET /oauth/access_token`: a signup code, valid once and for 30 s, for a token of the customer's WABA."""
    emulator, query = call.emulator, call.request.query
    secret = query.get("client_secret", "")
    right = emulator.config.app_secret
    if query.get("client_id") != emulator.config.app_id or not hmac.compare_digest(secret.encode(), right.encode()):
        raise GraphError(1, message="Error validating client secret.")
    waba_id, expires_ms = emulator.signup_codes.pop(query.get("code", ""), ("", 0))
    if expires_ms <= emulator.clock.now_ms():
        raise GraphError(100, message="This authorization code has expired or has been used.")
    token = emulator.ids.secret()
    emulator.directory.grant(token, waba_id)
    return success({"access_token": token, "token_type": "bearer"})
