"""One number has one canonical notation, and a landline is never a mobile number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts.phone_numbers.notations import canonical, notations

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
    ("2250102123456", "22502123456"),  # Ivory Coast: Moov
    ("2250140123456", "22540123456"),
    ("2250173123456", "22573123456"),
    ("2250504123456", "22504123456"),  # MTN
    ("2250544123456", "22544123456"),
    ("2250596123456", "22596123456"),
    ("2250707123456", "22507123456"),  # Orange
    ("2250749123456", "22549123456"),
    ("2250798123456", "22598123456"),
    ("2252120812345", "22520812345"),  # its landlines
    ("2252520012345", "22520012345"),
    ("2252722412345", "22522412345"),
    ("2252736812345", "22536812345"),
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
        "22560123456",  # of these digits it is not certain whose they were
        "22581123456",
        "22599123456",
        "22522312345",
        "2250701123456",  # an operator and digits that were another's: given out since 2021
        "2250507123456",
        "2250140712345678",
        "225014012345",
        "2252122412345",
        "225271234567",
    ],
)
def test_any_other_number_has_its_own_notation_alone(number: str) -> None:
    assert notations(number) == (number,)


@given(st.from_regex(r"(52|54|55|5|225|22501|22505|22507|22521|22525|22527|229|22901)[0-9]{6,13}", fullmatch=True))
def test_every_notation_has_the_same_notations(number: str) -> None:
    found = notations(number)
    assert number in found
    assert {notations(other) for other in found} == {found}
