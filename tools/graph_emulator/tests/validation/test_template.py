import pytest

from graph_emulator.graph_errors import GraphError
from graph_emulator.validation.message import check_message


def template(*components, **parts):
    content = {"name": "order_shipped", "language": {"code": "de"}, "components": list(components)} | parts
    content = {key: value for key, value in content.items() if value is not None}
    return {"messaging_product": "whatsapp", "to": "4915150000001", "type": "template", "template": content}


def with_parameter(**parameter):
    return template({"type": "body", "parameters": [parameter]})


def button(index, sub_type="quick_reply"):
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [{"type": "payload", "payload": "x"}]}


CARD = {"card_index": 0, "components": [{"type": "body"}]}

TAKEN = {
    "smallest": template(components=None),
    "longest name": template(name="x" * 512),
    "named text": with_parameter(type="text", text="Ada", parameter_name="first_name"),
    "longest text": with_parameter(type="text", text="x" * 32_768),
    "currency": with_parameter(type="currency", currency={"fallback_value": "1", "code": "EUR", "amount_1000": 1000}),
    "date": with_parameter(type="date_time", date_time={"fallback_value": "today"}),
    "image header": template({"type": "header", "parameters": [{"type": "image", "image": {"link": "https://e.org"}}]}),
    "location header": template({"type": "header", "parameters": [{"type": "location", "location": {"latitude": 1}}]}),
    "ten buttons": template(*[button(str(n)) for n in range(10)]),
    "coupon": template(
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": 0,
            "parameters": [{"type": "coupon_code", "coupon_code": "SAVE"}],
        }
    ),
    "authentication": template(
        {"type": "body", "parameters": [{"type": "text", "text": "123456"}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "123456"}]},
    ),
    "upper case": template({"type": "BUTTON", "sub_type": "URL", "index": 0}),
    "carousel": template({"type": "carousel", "cards": [CARD] * 10}),
    "boolean": with_parameter(type="text", text=True),
    "number": with_parameter(type="text", text=12.5),
    "four spaces": with_parameter(type="text", text="a    b"),
    "white space in a fallback": with_parameter(type="date_time", date_time={"fallback_value": "a\n     b"}),
    "white space in a payload": with_parameter(type="payload", payload="a\tb"),
    "white space in a code": with_parameter(type="coupon_code", coupon_code="a     b"),
    "white space in a place": with_parameter(type="location", location={"latitude": 1, "longitude": 2, "name": "a\nb"}),
    "call button without index": template({"type": "button", "sub_type": "voice_call"}),
    "tap target": template(
        {
            "type": "tap_target_configuration",
            "parameters": [{"type": "tap_target_configuration", "tap_target_configuration": [{"title": "x"}]}],
        }
    ),
}

REFUSED = {
    "no name": (131008, template(name=None)),
    "long name": (100, template(name="x" * 513)),
    "no language": (131008, template(language=None)),
    "language without code": (131008, template(language={})),
    "unknown component": (100, template({"type": "title"})),
    "component of another kind": (100, template("body")),
    "unknown parameter": (100, with_parameter(type="number", number=1)),
    "text parameter without text": (131008, with_parameter(type="text")),
    "text parameter beyond the bound": (132012, with_parameter(type="text", text="x" * 32_769)),
    "text parameter with a line break": (132018, with_parameter(type="text", text="a\nb")),
    "preview of another kind": (100, with_parameter(type="text", text="a", payment_link_preview="yes")),
    "text parameter with a tab": (132018, with_parameter(type="text", text="a\tb")),
    "text parameter with five spaces": (132018, with_parameter(type="text", text="a     b")),
    "button's text with a line break": (
        132018,
        template({"type": "button", "sub_type": "url", "index": 0, "parameters": [{"type": "text", "text": "a\r"}]}),
    ),
    "image parameter without a source": (132012, with_parameter(type="image", image={})),
    "parameter without its value": (131008, with_parameter(type="payload")),
    "button without index": (131008, template({"type": "button", "sub_type": "url"})),
    "eleventh index": (131009, template(button(10))),
    "unknown button": (100, template(button(0, sub_type="sms"))),
    "eleven buttons": (100, template(*[button(0)] * 11)),
    "eleven cards": (131009, template({"type": "carousel", "cards": [CARD] * 11})),
    "card without components": (131008, template({"type": "carousel", "cards": [{"card_index": 0}]})),
}


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN.keys())
def test_takes(body):
    assert check_message(body) == "template"


@pytest.mark.parametrize(("code", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(code, body):
    with pytest.raises(GraphError) as refused:
        check_message(body)
    assert refused.value.code == code
