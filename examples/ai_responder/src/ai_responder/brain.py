"""Decides what to answer. Put your own AI here.

A brain takes the customer's text and the data of the event. It returns the answer, or None to send nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx

from ai_responder.settings import Settings

log = logging.getLogger(__name__)

Brain = Callable[[str, Mapping[str, Any]], Awaitable[str | None]]

GREETINGS: Final = frozenset({"hi", "hello", "hey", "hola", "hallo"})
RULES: Final = (
    ("opening hours", "We are open Monday to Friday, 9 to 18 o'clock."),
    ("price", "Our prices start at 9 €. Which product do you have in mind?"),
    ("human", "I have asked a colleague to write to you."),
)


def rule_answer(text: str, name: str | None) -> str:
    """The built-in brain: a greeting, a few rules, else an echo."""
    words = text.lower()
    if words.strip(" !.?") in GREETINGS:
        return f"Hello{' ' + name if name else ''}! How can I help you?"
    for phrase, answer in RULES:
        if phrase in words:
            return answer
    return f"You wrote: {text}"


async def by_rules(text: str, data: Mapping[str, Any]) -> str | None:
    """Answer by the built-in rules."""
    return rule_answer(text, data.get("contact", {}).get("name"))


def by_llm(settings: Settings, client: httpx.AsyncClient) -> Brain:
    """Answer with a language model over HTTP, or with the rules when it does not answer in time."""
    key = settings.llm_key.get_secret_value() if settings.llm_key else ""

    async def answer(text: str, data: Mapping[str, Any]) -> str | None:
        request = {
            "model": settings.llm_model,
            "messages": [{"role": "system", "content": settings.llm_prompt}, {"role": "user", "content": text}],
        }
        try:
            # httpx restarts its time-out with each step, so a slow stream of bytes could hold a batch for ever.
            async with asyncio.timeout(settings.llm_timeout_seconds):
                response = await client.post(
                    settings.llm_url or "", json=request, headers={"authorization": f"Bearer {key}"}
                )
            response.raise_for_status()
            return _words(response.json()["choices"][0]["message"]["content"])
        except (httpx.HTTPError, TimeoutError, KeyError, IndexError, TypeError, ValueError) as error:
            log.warning("the model did not answer, so the rules answer: %s", type(error).__name__)
            return await by_rules(text, data)

    return answer


def _words(content: object) -> str:
    """The text for the customer. Raises `TypeError` if there is none, because the model refuses or calls a tool."""
    if not isinstance(content, str):
        raise TypeError("the model's answer has no text")
    return content[:4096]
