"""Bytes on disk: of each topic by its log, of each collection and index by what mongod says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """One collection: bytes of its documents as BSON and on disk, and of each of its indexes on disk.

    What a file has free for later pages is not counted: a checkpoint leaves it wherever it has moved a page.
    """

    bson: float
    documents: float
    indexes: Mapping[str, float]

    @property
    def total(self) -> float:
        """Bytes on disk."""
        return self.documents + sum(self.indexes.values())


def of_topics(data: Path, names: Iterable[str]) -> dict[str, int]:
    """Bytes of the segments of each topic, in the data folder of a broker."""
    return {name: sum(file.stat().st_size for file in _segments(data, name)) for name in names}


def _segments(data: Path, name: str) -> Iterable[Path]:
    return (file for folder in data.glob(f"{name}-*") if _is_partition(folder, name) for file in folder.glob("*.log"))


def _is_partition(folder: Path, topic: str) -> bool:
    """Whether it is a partition of this topic: others may begin with its name, and removed ones have a longer one."""
    return folder.name.removeprefix(f"{topic}-").isdigit()


async def of_collections(database: Any, names: Iterable[str]) -> dict[str, Stored]:
    """Every collection after a checkpoint."""
    await database.client.admin.command("fsync")
    return {name: stored(await database.command("collStats", name)) for name in names}


def stored(stats: Mapping[str, Any]) -> Stored:
    """What `collStats` says. Pure."""
    details = stats.get("indexDetails", {})
    return Stored(
        float(stats["size"]),
        float(stats["storageSize"] - stats.get("freeStorageSize", 0)),
        {name: float(size - _free(details.get(name, {}))) for name, size in stats["indexSizes"].items()},
    )


def _free(details: Mapping[str, Any]) -> int:
    return int(details.get("block-manager", {}).get("file bytes available for reuse", 0))
