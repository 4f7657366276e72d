"""Meta's last facts about each number: `send_numbers`, one document per phone number id. Operators read it."""

from datetime import datetime
from typing import Any, Final

from common.meta.numbers import NumberFacts
from common.mongo import Database, or_unavailable, schema
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.SEND_NUMBERS.name


class NumberStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing."""
        await ensure_indexes(self._database, schema.SEND_NUMBERS)

    async def put(self, chatbot_id: str, phone_number_id: str, facts: NumberFacts, rate: float, at: datetime) -> None:
        """Replace the facts of a number."""
        document = {
            "chatbotId": chatbot_id,
            "displayPhoneNumber": facts.display_phone_number,
            "messagesPerSecond": rate,
            "throughputLevel": facts.level,
            "onBusinessApp": facts.on_business_app,
            "qualityRating": facts.quality_rating,
            "messagingLimit": facts.messaging_limit,
            "at": at,
        }
        with or_unavailable():
            await self._collection.replace_one({"_id": phone_number_id}, document, upsert=True)

    async def of_chatbot(self, chatbot_id: str) -> dict[str, Any] | None:
        """The last facts about a chatbot's number, as the API shows them; None when Meta was not asked yet."""
        with or_unavailable():
            found = await self._collection.find({"chatbotId": chatbot_id}).sort("at", -1).limit(1).to_list()
        if not found:
            return None
        (document,) = found
        shown = {**document, "phoneNumberId": document.pop("_id"), "at": document["at"].isoformat()}
        return {name: value for name, value in shown.items() if value is not None and name != "_id"}
