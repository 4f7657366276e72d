"""The lower bound of conversation: only its MongoDB transaction in a loop, without Kafka, decisions or an event loop.

It takes documents that the service has written (`SOURCE`, a database) and writes them again, batch by batch, with the
reads and writes that the service makes for a batch: the messages and conversations that are known, then the new
messages, the conversations, and the entries of the webhook log; with majority and journal. `GET /` on `HTTP_PORT` says
that it runs.
"""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from pymongo import InsertOne, MongoClient, UpdateOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

_BATCH = int(os.environ.get("BATCH", "500"))
Documents = list[dict[str, Any]]
ById = dict[str, dict[str, Any]]


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _read(
    client: MongoClient[dict[str, Any]],
) -> tuple[Documents, dict[str, dict[str, Any]], Documents]:
    source = client[os.environ["SOURCE"]]
    messages = list(source["messages"].find())
    conversations = {document["_id"]: document for document in source["conversations"].find()}
    return messages, conversations, list(source["webhook_events"].find())


def _write(session: ClientSession, target: Any, batch: Documents, talks: Documents, log: Documents) -> None:
    list(target["messages"].find({"_id": {"$in": [m["_id"] for m in batch]}}, {"raw": 0, "text": 0}, session=session))
    aliases = [alias for talk in talks for alias in talk["aliases"]]
    list(target["conversations"].find({"aliases": {"$in": aliases}}, session=session))
    target["conversations"].bulk_write([_upsert(talk) for talk in talks], ordered=True, session=session)
    target["messages"].bulk_write([InsertOne(message) for message in batch], ordered=True, session=session)
    if log:
        target["webhook_events"].bulk_write([InsertOne(entry) for entry in log], ordered=False, session=session)


def _upsert(document: dict[str, Any]) -> UpdateOne:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return UpdateOne({"_id": document["_id"]}, {"$set": fields}, upsert=True)


def main() -> None:
    """Write everything, then wait until terminated."""
    server = HTTPServer(("127.0.0.1", int(os.environ["HTTP_PORT"])), _Health)
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URI"])
    messages, conversations, log = _read(client)
    target = client.get_database(os.environ["MONGODB_DATABASE"])
    target["messages"].create_index("wamid", unique=True)
    target["messages"].create_index([("conversationId", 1), ("timestamp", -1), ("_id", -1)])
    target["conversations"].create_index("aliases", unique=True)
    target["conversations"].create_index([("chatbotId", 1), ("lastMessageAt", -1), ("_id", -1)])
    target["webhook_events"].create_index([("receivedAt", -1)])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with client.start_session() as session:
        for start in range(0, len(messages), _BATCH):
            batch = messages[start : start + _BATCH]
            talks = list({m["conversationId"]: conversations[m["conversationId"]] for m in batch}.values())
            entries = log[start : start + _BATCH]  # as many as messages: each webhook has one
            session.with_transaction(
                lambda s, b=batch, t=talks, e=entries: _write(s, target, b, t, e),  # type: ignore[misc]  # of the defaults
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern(w="majority", j=True),
            )
    threading.Event().wait()


if __name__ == "__main__":
    main()
