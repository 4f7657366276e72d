"""The doctor's checks at Meta: whether tokens are valid, and whether the app secrets belong to the tokens' app."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from common.errors import Unavailable
from common.meta.client import GraphSettings
from common.meta.onboarding import Onboarding
from common.security.signature import app_secrets
from wa.doctor.checks import DoctorSettings
from wa.doctor.findings import Finding, ok, problem, warning
from wa.doctor.judge import judge_token

_TOKENS_AT_MOST: Final = 20

Inspected = Mapping[str, Any]


async def check_meta(tokens: Mapping[str, str], settings: DoctorSettings) -> list[Finding]:
    """Checks at most twenty access tokens (by chatbot) and the app secrets.

    Each token asks Meta about itself. A token that Meta refuses is looked up again with an app token.
    """
    chosen = dict(list(tokens.items())[:_TOKENS_AT_MOST])
    if not chosen:
        return []
    async with _onboarding(settings) as meta:
        try:
            asked = await asyncio.gather(*(meta.inspect(token) for token in chosen.values()))
            inspected = dict(zip(chosen, asked, strict=True))
            about_secrets, app_tokens = await _check_secrets(meta, _apps(inspected, chosen, settings), settings)
            for chatbot, token in chosen.items():
                if inspected[chatbot] is None:
                    inspected[chatbot] = await _in_the_apps_name(meta, token, app_tokens)
        except Unavailable as error:
            return [problem("meta", error.message, "check GRAPH_BASE_URL, and whether this machine may reach it")]
    now = datetime.now(UTC)
    judged = [judge_token(chatbot, answer or {}, now) for chatbot, answer in inspected.items()]
    return [*judged, *_left_out(len(chosen), len(tokens)), *about_secrets]


def _left_out(asked: int, all_: int) -> list[Finding]:
    if asked == all_:
        return []
    remedy = "for the others: `tokenStatus` of GET /whatsapp-cloud/account/{chatbotId} tells if Meta refused it"
    return [warning("tokens", f"only {asked} of {all_:,} were checked", remedy)]


def _apps(
    inspected: Mapping[str, Inspected | None], tokens: Mapping[str, str], settings: DoctorSettings
) -> dict[str, str]:
    """The ids of the known apps, each with a token to ask about."""
    named = {settings.whatsapp_app_id: next(iter(tokens.values()))} if settings.whatsapp_app_id else {}
    learnt = {
        str(answer["app_id"]): tokens[chatbot]
        for chatbot, answer in inspected.items()
        if answer is not None and "app_id" in answer
    }
    return {**named, **learnt}


async def _check_secrets(
    meta: Onboarding, apps: Mapping[str, str], settings: DoctorSettings
) -> tuple[list[Finding], list[str]]:
    """Findings about the app secrets, and the app tokens that Meta accepts."""
    given = [secret for secret in (settings.whatsapp_app_secret, settings.whatsapp_app_secrets) if secret is not None]
    if not any(secret.get_secret_value().strip() for secret in given):
        return [
            warning("app secret", "not checked: WHATSAPP_APP_SECRET is not set here", "set it as the services have it")
        ], []
    if not apps:
        says = "not checked: no token is valid, so the app is unknown"
        return [warning("app secret", says, "set WHATSAPP_APP_ID, the id in the app's dashboard")], []
    try:
        secrets = app_secrets(*(secret.get_secret_value() for secret in given))
    except ValueError as error:
        remedy = "give the secrets comma separated, or as a JSON array of strings"
        return [problem("app secret", f"WHATSAPP_APP_SECRET(S) cannot be used: {error}", remedy)], []
    found, right = [], []
    for app, token in apps.items():
        taken = [f"{app}|{secret}" for secret in secrets if await meta.inspect(token, by=f"{app}|{secret}") is not None]
        found.append(_judge_secrets(app, len(taken), len(secrets)))
        right += taken
    return found, right


def _judge_secrets(app: str, right: int, all_: int) -> Finding:
    if right:
        return ok("app secret", f"{right} of {all_} belong to the app {app}")
    return problem(
        "app secret",
        f"none of the {all_} belongs to the app {app}: ingress answers its webhooks with 400",
        "copy it from the app's dashboard: Settings, Basic, App secret (it is not the verify token)",
    )


async def _in_the_apps_name(meta: Onboarding, token: str, app_tokens: list[str]) -> Inspected | None:
    for app_token in app_tokens:
        answer = await meta.inspect(token, by=app_token)
        if answer is not None:
            return answer
    return None


@asynccontextmanager
async def _onboarding(settings: GraphSettings) -> AsyncIterator[Onboarding]:
    meta = Onboarding(settings)
    try:
        yield meta
    finally:
        await meta.close()
