"""API keys: who may call, and how far each key reaches.

Keys are configured as SHA-256 digests, so that the configuration does not hold them:

    API_KEYS='[{"name": "shop", "sha256": "…64 hex…", "scopes": ["send", "read"], "chatbots": ["shop-bot"]}]'

`python -m common.http.auth --name shop --scopes send,read` draws a key and prints both forms. A key is 256 random
bits, so a plain digest is enough.
"""

import argparse
import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import Forbidden, Unauthenticated
from common.http.query_parameters import refuse_unknown

Scope = Literal["accounts", "send", "read", "credentials", "windows"]
Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]

EVERY_CHATBOT = "*"
_SHOWN = 128
"""Characters of a chatbot id that an answer repeats: no valid id is longer."""


class ApiKey(BaseModel):
    """One key's digest and reach. `chatbots` limits it to these chatbot ids; `*` is all."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope]
    chatbots: frozenset[str] = frozenset({EVERY_CHATBOT})

    def reaches(self, chatbot_id: str) -> bool:
        """Whether the key may act for this chatbot."""
        return self.operator or chatbot_id in self.chatbots

    @property
    def operator(self) -> bool:
        """Whether it reaches every chatbot. Any other key is bound: it belongs to a tenant."""
        return EVERY_CHATBOT in self.chatbots


class ApiKeySettings(BaseSettings):
    """The keys that a service accepts; none by default, so nothing is open by accident."""

    # A refused setting is otherwise shown with what was given.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    api_keys: Annotated[
        list[ApiKey],
        Field(
            description='accepted API keys, as JSON: [{"name": "ops", "sha256": "<64 hex digits>", "scopes": ["send",'
            ' "read"]}], also "chatbots": ["<id>"] to limit one'
        ),
    ] = []


def digest(key: str) -> str:
    """What the configuration holds of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def authenticate(header: str | None, keys: dict[str, ApiKey]) -> ApiKey:
    """The key that an `Authorization` header carries; `keys` by digest. Raises `Unauthenticated`.

    The look-up is by digest, so its timing says nothing about the keys themselves.
    """
    scheme, _, given = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Unauthenticated("send an API key as `Authorization: Bearer <key>`")
    key = keys.get(digest(given.strip()))
    if key is None:
        raise Unauthenticated("this API key is not known; check that all of it was copied")
    return key


def require(scope: Scope, keys: Iterable[ApiKey]) -> Guard:
    """A Litestar guard: the caller's key must have `scope`. The key is left in `connection.state.api_key`.

    A query parameter that the route does not have is refused here too, because every route of ours has this guard.
    """
    by_digest = {key.sha256: key for key in keys}

    def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        key = authenticate(connection.headers.get("authorization"), by_digest)
        if scope not in key.scopes:
            raise Forbidden(f"this API key does not have the scope `{scope}`")
        connection.state.api_key = key
        if isinstance(handler, HTTPRouteHandler):
            refuse_unknown(connection, handler)

    return guard


def check_chatbot(connection: ASGIConnection[Any, Any, Any, Any], chatbot_id: str) -> None:
    """Raises `Forbidden` when the caller's key is limited to other chatbots."""
    key: ApiKey = connection.state.api_key
    if not key.reaches(chatbot_id):
        raise Forbidden(f"this API key does not reach the chatbot `{chatbot_id[:_SHOWN]}`")


def main(argv: list[str] | None = None) -> int:
    """Draw a new key."""
    parser = argparse.ArgumentParser(prog="python -m common.http.auth", description="Draw a new API key.")
    parser.add_argument("--name", required=True, help="whose key it is, for logs")
    parser.add_argument("--scopes", required=True, help=f"comma separated, of: {', '.join(get_args(Scope))}")
    parser.add_argument("--chatbots", default=EVERY_CHATBOT, help="comma separated chatbot ids (default: all)")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    scopes = arguments.scopes.split(",")
    if unknown := set(scopes) - set(get_args(Scope)):
        parser.error(f"unknown scope: {', '.join(sorted(unknown))}")
    key = "wk_" + secrets.token_urlsafe(32)
    entry = ApiKey(
        name=arguments.name,
        sha256=digest(key),
        scopes=frozenset(scopes),
        chatbots=frozenset(arguments.chatbots.split(",")),
    )
    print(f"key (give it to the caller, it is not stored): {key}")  # noqa: T201  # its output
    print(f"entry for API_KEYS: {json.dumps(entry.model_dump(mode='json'))}")  # noqa: T201  # its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
