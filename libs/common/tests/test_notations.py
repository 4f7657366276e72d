"""One number has one canonical notation, and a landline is never a mobile number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.notations import canonical, notations

PAIRS = [
    ("5511987654321", "551187654321"),
    ("5541988887777", "554188887777"),
    ("5585999990000", "558599990000"),
    ("5531961234567", "553161234567"),
    ("5511900000001", "551100000001"),
    ("525512345678", "5215512345678"),
    ("523312345678", "5213312345678"),
    ("5491123456789", "541123456789"),
    ("5493511234567", "543511234567"),
    ("2290197123456", "22997123456"),
    ("2290161000001", "22961000001"),
    ("2290121300001", "22921300001"),  # a landline: it has the `01` too
]


@pytest.mark.parametrize(("today", "other"), PAIRS)
def test_both_notations_are_one_number(today: str, other: str) -> None:
    assert notations(today) == notations(other) == (today, other)
    assert canonical(today) == canonical(other) == today


@pytest.mark.parametrize(
    "number",
    [
        "4915112345678",
        "551133334444",  # a landline of Sao Paulo
        "5511933334444",  # a mobile number that differs from it in the ninth digit
        "52551234567",
        "52155123456789",
        "54112345678",
        "549112345678",
        "55119876543210",
        "5501987654321",
        "55",
        "",
        "15551234567",
        "5255123456789",
        "22901123456",
        "22910123456",
        "2290110123456",
        "2297123456",
        "229019712345678",
        "22507123456",
    ],
)
def test_any_other_number_has_its_own_notation_alone(number: str) -> None:
    assert notations(number) == (number,)


@given(st.from_regex(r"(52|54|55|5|229|22901)[0-9]{6,13}", fullmatch=True))
def test_every_notation_has_the_same_notations(number: str) -> None:
    found = notations(number)
    assert number in found
    assert {notations(other) for other in found} == {found}
