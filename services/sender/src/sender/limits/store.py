"""What Meta last said of each number: `send_numbers`, one document per phone number id, for operators to read."""

from datetime import datetime
from typing import Any, Final

from common.meta.numbers import NumberFacts
from common.mongo import Database, or_unavailable, schema
from common.mongo.indexes import ensure_indexes

COLLECTION: Final = schema.SEND_NUMBERS.name


class NumberStore:
    """Every method raises `Unavailable` when MongoDB does not answer, and is harmless to repeat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database[COLLECTION]

    async def ensure_indexes(self) -> None:
        """Create what is missing."""
        await ensure_indexes(self._database, schema.SEND_NUMBERS)

    async def put(self, chatbot_id: str, phone_number_id: str, facts: NumberFacts, rate: float, at: datetime) -> None:
        """Remember what was said, in place of what was before."""
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
        """What was said last of a chatbot's number, as the API shows it; None when nobody has asked yet."""
        with or_unavailable():
            found = await self._collection.find({"chatbotId": chatbot_id}).sort("at", -1).limit(1).to_list()
        if not found:
            return None
        (document,) = found
        shown = {**document, "phoneNumberId": document.pop("_id"), "at": document["at"].isoformat()}
        return {name: value for name, value in shown.items() if value is not None and name != "_id"}
