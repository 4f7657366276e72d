"""Template messages: an approved template by name and language, with its parameters.

`{"type": "template", "template": {"name": …, "language": {"code": …}, "components": [...]}}`, as Meta shapes it. What
the rendered text may measure (132005) and whether the parameters fit the template (132000) only Meta can know.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from common.contracts.outbound.envelope import Sent
from common.contracts.outbound.parameters import Parameter
from common.contracts.outbound.shape import BRANCH, AnyCase, Id, Open, branch_by

_MAX_BUTTONS: Final = 10
_CALL: Final = "voice_call"
_PARTS: Final = (
    *("header", "body", "footer", "limited_time_offer", "order_status", "order_details", "product"),
    *("tap_target_configuration", "call_permission_request", "album", "attachment", "greeting"),
)
_BUTTONS: Final = (
    *("url", "quick_reply", "copy_code", "flow", "catalog", "mpm", "spm", "order_details", "order_status", _CALL),
    *("video_call", "phone_number", "otp", "payment_request", "request_contact_info", "booking_status", "postback"),
)


def _form(given: object) -> str:
    return f"{BRANCH}text" if isinstance(given, str) else f"{BRANCH}number"


_Index = Annotated[
    Annotated[int, Field(ge=0, lt=_MAX_BUTTONS), Tag("\0number")]
    | Annotated[str, Field(pattern=r"^[0-9]$"), Tag("\0text")],
    Discriminator(_form),
]
"""A place from 0 to 9, as a number or as a text: Meta's examples have both."""

_Parameters = Annotated[list[Parameter] | None, Field(max_length=1_024)]


class Part(Open):
    """The parameters of the header, the body, or another part that is not a button."""

    type: Annotated[str, AnyCase(_PARTS)]
    parameters: _Parameters = None


class TemplateButton(Open):
    """The parameters of one button, by its place (0 to 9), which only a call button may leave out."""

    type: Annotated[str, AnyCase(("button",))]
    sub_type: Annotated[str, AnyCase(_BUTTONS)]
    index: _Index | None = None
    parameters: _Parameters = None

    @model_validator(mode="after")
    def _is_placed(self) -> Self:
        if self.index is None and self.sub_type.lower() != _CALL:
            raise ValueError(f"a button of the kind {self.sub_type} needs its `index`")
        return self


def _of_part(kind: str) -> str | None:
    return kind if kind in {"button", "carousel"} else "part" if kind in _PARTS else None


class TemplateCard(Open):
    """One card of a carousel."""

    card_index: _Index
    components: Annotated[
        list[
            Annotated[
                Annotated[Part, Tag("\0part")] | Annotated[TemplateButton, Tag("\0button")],
                Discriminator(
                    branch_by(_of_part),
                    custom_error_type="component_type",
                    custom_error_message=f"give a `type`: one of {', '.join(_PARTS)}, button",
                ),
            ]
        ],
        Field(min_length=1, max_length=8),
    ]


class TemplateCarousel(Open):
    """The cards of a carousel."""

    type: Annotated[str, AnyCase(("carousel",))]
    cards: Annotated[list[TemplateCard], Field(min_length=1, max_length=10)]


Component = Annotated[
    Annotated[Part, Tag("\0part")]
    | Annotated[TemplateButton, Tag("\0button")]
    | Annotated[TemplateCarousel, Tag("\0carousel")],
    Discriminator(
        branch_by(_of_part),
        custom_error_type="component_type",
        custom_error_message=f"give a `type`: one of {', '.join(_PARTS)}, button, carousel",
    ),
]


class Language(Open):
    """A language as Meta codes it (`en_US`)."""

    code: Annotated[str, Field(min_length=2, max_length=64)]
    policy: Literal["deterministic"] | None = None


class TemplateContent(Open):
    """Which template, in which language, with which parameters."""

    name: Annotated[Id, Field(min_length=1, max_length=512, pattern=r"^\S+$")]
    language: Language
    components: Annotated[list[Component] | None, Field(max_length=32)] = None

    @model_validator(mode="after")
    def _few_buttons(self) -> Self:
        buttons = [part for part in self.components or () if isinstance(part, TemplateButton)]
        if len(buttons) > _MAX_BUTTONS:
            raise ValueError(f"a template has at most {_MAX_BUTTONS} buttons, this one has {len(buttons)}")
        return self


class Template(Sent):
    """An approved template. `marketing_lite` sends it by the Marketing Messages API, which takes nothing else.

    Only that API has `product_policy` (whether Cloud API is to send what it cannot) and `message_activity_sharing`, so
    either of them means it.
    """

    type: Literal["template"] = "template"
    template: TemplateContent
    marketing_lite: bool = False
    product_policy: Literal["CLOUD_API_FALLBACK", "STRICT"] | None = None
    message_activity_sharing: bool | None = None

    @model_validator(mode="after")
    def _one_api(self) -> Self:
        if self.is_marketing and "marketing_lite" in self.model_fields_set and not self.marketing_lite:
            raise ValueError(
                "`product_policy` and `message_activity_sharing` are of the Marketing Messages API, which "
                "`marketing_lite` excludes"
            )
        return self

    @property
    def is_marketing(self) -> bool:
        """Whether it goes by the Marketing Messages API."""
        return self.marketing_lite or (self.product_policy, self.message_activity_sharing) != (None, None)
