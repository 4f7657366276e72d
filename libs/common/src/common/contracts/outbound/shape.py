"""What all message objects share."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT: Final = 4_096
MAX_BODY: Final = 1_024
MAX_CAPTION: Final = 1_024
MAX_ID: Final = 512
MAX_LINK: Final = 2_048


class Shape(BaseModel):
    """An object as Meta names it. An unknown field is an error: Meta refuses it, or drops it silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Link = Annotated[str, StringConstraints(max_length=MAX_LINK, pattern=r"^https?://")]
MetaId = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Wamid = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
