"""The record that stands for what cannot be read (`aiokafka_decoding_patch` makes it)."""

from dataclasses import dataclass

from aiokafka import ConsumerRecord


@dataclass
class Unreadable(ConsumerRecord[bytes, bytes]):  # type: ignore[misc]  # aiokafka ships no type information
    """Replaces the records from `first` to `offset`, which cannot be read; `value` is their batch as Kafka has it.

    `problem` says why. There are no headers and no key.
    """

    first: int = 0
    problem: str = ""

    @property
    def reason(self) -> str:
        """Which records, and what is wrong, in a sentence for an operator."""
        which = f"record {self.offset}" if self.first == self.offset else f"records {self.first} to {self.offset}"
        return f"{which} cannot be read: {self.problem}"
