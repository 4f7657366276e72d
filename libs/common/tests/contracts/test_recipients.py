"""Whom the `to` of a send request names: one number, one BSUID, one group, or a reason that says what to write."""

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.contracts.contacts import WRITE, Contact, contact_of_recipient, recipient
from common.contracts.phone_numbers.notations import canonical
from common.contracts.phone_numbers.parsing import digits_of
from common.contracts.sends import SendRequest

GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMToxMjAzNjMwMDAwMDAwMDAwMDAZD"


@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("+491531234567", "491531234567"),
        ("491531234567", "491531234567"),
        ("00491531234567", "491531234567"),
        ("+00 49 153 1234567", "491531234567"),
        ("+49 (0)153 1234567", "491531234567"),
        ("0049 (0) 153 1234567", "491531234567"),
        ("49 0153 1234567", "491531234567"),
        ("+44 (0)7911 123456", "447911123456"),
        ("+44 07911-123456", "447911123456"),
        ("+36 06 20 123 4567", "36201234567"),
        ("+7 8 916 123-45-67", "79161234567"),
        ("+1 (415) 555-2671", "14155552671"),
        ("+1 (0)415 555 2671", "14155552671"),
        ("1-415-555-2671", "14155552671"),
        ("+39 06 6988 1234", "390669881234"),
        ("+39 (06) 6988 1234", "390669881234"),
        ("+39 (0)6 6988 1234", "390669881234"),
        ("+39 (0)333 123 4567", "393331234567"),
        ("+225 07 12 34 56 78", "2250712345678"),
        ("+225 07 12 34 56", "22507123456"),  # before 2021
        ("+225 07 07 12 34 56", "2250707123456"),
        ("00225 27-22-41-23-45", "2252722412345"),
        ("+229 97 00 00 01", "22997000001"),  # before 2024
        ("22997123456", "22997123456"),
        ("22961234567", "22961234567"),
        ("229 21 30 00 01", "22921300001"),
        ("2290197123456", "2290197123456"),
        ("22507123456", "22507123456"),
        ("+52 1 55 1234 5678", "5215512345678"),
        ("+52 55 1234 5678", "525512345678"),
        ("+52 044 55 1234 5678", "525512345678"),
        ("+52 01 55 1234 5678", "525512345678"),
        ("+55 11 98765-4321", "5511987654321"),
        ("551187654321", "551187654321"),
        ("+55 0 15 11 98765-4321", "5511987654321"),
        ("+54 9 11 2345-6789", "5491123456789"),
        ("+54 11 2345-6789", "541123456789"),
        ("+54 11 15 2345-6789", "5491123456789"),
        ("(+49) 151 12345678", "4915112345678"),
        ("+49 151/12345678", "4915112345678"),
        ("+49.151.12345678", "4915112345678"),
        ("+49\u00a0151\u201112345678", "4915112345678"),
        ("\uff0b49 151 12345678", "4915112345678"),
        ("\u202a+49 151 12345678\u202c", "4915112345678"),
        ("\u200e+\u0664\u0669\u0661\u0665\u0661\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "4915112345678"),
        ("+\u096f\u0967 \u096f\u096e\u0968\u0966\u0967 \u0968\u0969\u096a\u096b\u096c", "919820123456"),
        (" +4915112345678\n", "4915112345678"),
        ("tel:+49-151-12345678", "4915112345678"),
        ("whatsapp:+4915112345678", "4915112345678"),
        ("TEL:+49-151-12345678", "4915112345678"),
        ("WhatsApp:+4915112345678", "4915112345678"),
        ("+49 491 51234567", "4949151234567"),  # a landline of Leer: what follows its first 49 is no number
        ("+7 701 123 4567", "77011234567"),
        ("+9175551234", "9175551234"),  # who writes the `+` knows
        ("15550001111", "15550001111"),  # no such area code: what is possible is enough
    ],
)
def test_the_number_that_is_meant_is_found(to, number):
    assert recipient(to) == Contact(wa_id=number)


@pytest.mark.parametrize(
    "to",
    [
        "0153 1234567", "(0)153 1234567", "+0153 1234567", "(0153) 1234567",  # no country code
        "9175551234", "5512345678", "11987654321", "15112345678", "(650) 253-0000",  # possible, and national elsewhere
        "4155552671", "(415) 555-2671", "011 49 151 12345678", "000491511234567",
        "+49 153 1234567 ext. 5", "+49 153 1234567 x5", "+491531234567;ext=5", "+491531234567,5", "+491531234567#5",
        "tel:+491531234567;ext=5", "+49 153 1234567 Durchwahl 5", "+491531234567p5", "+49 153 1234567 \u0634 5",
        "4915112345678:12@s.whatsapp.net", "4915112345678@s.whatsapp.net", "4915112345678@c.us", "4915112345678:12",
        "120363404694233820@g.us", "4915112345678-1620000000@g.us", "98765432101234@lid", "120363404694233820",
        "+4915112345678,+4915112345679", "+4915112345678 +4915112345679", "4915112345678;4915112345679",
        "4915112345678\n4915112345679", "+49 30 12345/12346", "+49 151 12345678/79", "+4915112345678 or 79",
        "4915112345678 4915112345679", "[4915112345678]", "['4915112345678']", "+4915112345678/", "4915112345678|9",
        "+1-800-FLOWERS", "+49 151 I2345678", "+49 15l 12345678", "+49\u00b2151\u00b9234567", "+49151\u21672345678",
        "+999 123 456 789", "+4", "+31 00 0000 0000", "+49", "+49 1", "+49151123456789012", "+1 415 555 26711", "+1 415 555 267",
        "+49 49 151 12345678", "4949 15112345678", "0049 49 151 12345678", "+91 91 98201 23456", "+39 39 347 1234567",
        "+62 62 812 345 678", "+81 81 80 1234 5678", "971971501234567", "+90 90 532 123 45 67",  # the code twice
        "810 44 7911 123456", "8 10 49 151 12345678", "810 1 212 555 1234",  # as dialled from Russia, not Japan's 81
        "+54 9 11 15 2345 6789", "+", "(0)", "00", "()", "/", "-", "+()", "", "     ",
        "nobody", "de.1349", "DE.", ".1349", "DE.1349 DE.1350", "DE.1349;ext=5", "DEU.1349", "DE.13\u0664", "\ud83d",
        "@maria_lopez", "maria_lopez_1990", "customer-1234567", "mailto:a@b.example", "https://wa.me/4915112345678",
        "US13491208655302741918", "US-13491208655302741918", "US_13491208655302741918", "USENT506847293015824",
        "JohnDoe123456", "Maria-Lopez-1990", "GROUP-FAKE-1", "wamidHBgLMTU1NTAwMDAwMDA", "EAAFake00000000000001",
        GROUP.lower(), GROUP[1:], "x" + GROUP, "C" + GROUP, GROUP + "===",
        "Y2Fw", GROUP + " " + GROUP, GROUP + "@g.us", GROUP + "\u0664", "DE." + "1" * 129,
    ],
)  # fmt: skip
def test_what_does_not_name_one_recipient_is_refused_with_what_to_write(to):
    assert contact_of_recipient(to) == Contact()
    with pytest.raises(ValueError, match=r"^[a-z`].{15,}; write a phone number with its country code") as error:
        recipient(to)
    assert str(error.value).endswith(WRITE)
    with pytest.raises(ValidationError):
        SendRequest.model_validate({"chatbotId": "b", "to": to, "message": "hi"})


@pytest.mark.parametrize(
    ("to", "alias"),
    [
        ("DE.1349", "u:DE.1349"),
        (" US.13491208655302741918 ", "u:US.13491208655302741918"),
        ("US.ENT.506847293015824", "u:US.ENT.506847293015824"),
        ("BR." + "a1" * 64, "u:BR." + "a1" * 64),
        (GROUP, f"g:{GROUP}"),
        (f" {GROUP}\n", f"g:{GROUP}"),
        ("Y2FwaV9ncm91cDox", "g:Y2FwaV9ncm91cDox"),
        (
            "Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAzNjM0MDQ2OTQyMzM4MjAZD",
            "g:Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAzNjM0MDQ2OTQyMzM4MjAZD",
        ),
        ("Y2FwaV9ncm91cDox==", "g:Y2FwaV9ncm91cDox=="),
    ],
)
def test_bsuids_and_groups_are_taken_as_they_are(to, alias):
    assert recipient(to).aliases() == (alias,)


@pytest.mark.parametrize(
    "to",
    [
        "4915112345678.0", "436641234567.0", "6281234567890.0", "393331234567.0", "358401234567.0", "+4915112345678.00",
        "4915112345678 .0", "4915112345678.000", "+49 151 12345678.0", "\u0664\u0669\u0661\u0665\u0661\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668.\u0660",
        "tel:+436641234567.5", "436641234567.12", "0043 664 1234567.0", "551187654321.0", "22997123456.0",
        "+4915112345678(2)", "+49 151 12345678 (12)", "62 812-3456-7890 (1)", "+43 664 1234567 ( 1 )", "+358401234567 (1234)",
        "+49 (0)151 12345678 (2)", "+49 151 12345678 (2).", "+49 151 12345678-(2)",
        "+49 151 12345678-79", "+49 151 12345678 79", "+49 (0)151 12345678-9", "+43 664 1234567-1", "+43 664 1234567 12",
        "+43 (0)664/1234567-1", "+43 664 123 45 67-12", "+358 40 1234567.8", "+358 40 123456 7", "+62 812-3456-789-0",
        "4915112345678-79", "+43 1 58858 12", "+49 151 12345678 - 79", "+49 151 12345678-79.",
    ],
)  # fmt: skip
def test_digits_behind_a_number_make_no_stranger_s_of_it(to):
    with pytest.raises(ValueError, match=r"digits behind its end.*leave them out"):
        recipient(to)
    with pytest.raises(ValidationError):
        SendRequest.model_validate({"chatbotId": "b", "to": to, "message": "hi"})


@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("+33 6 12 34 56 78", "33612345678"),
        ("+33.6.12.34.56.78", "33612345678"),
        ("+33 1 00 00 00 00", "33100000000"),  # no such range yet: without the last pair it is too short
        ("+41 79 123 45 67", "41791234567"),
        ("+43 664 123 45 67", "436641234567"),
        ("+358 40 123 45 67", "358401234567"),
        ("+45 32 12 34 56", "4532123456"),
        ("+7 916 123-45-67", "79161234567"),
        ("+90 532 123 45 67", "905321234567"),
        ("+49 171 123 45 67", "491711234567"),
        ("+49 89 12 34 56", "4989123456"),
        ("+49 30 12345678-12", "49301234567812"),  # the extension of a landline is dialled with it
        ("+49 30 12345678-0", "4930123456780"),
        ("+43 1 58858-12", "4315885812"),
        ("+49.151.1234.5678", "4915112345678"),
        ("+49 (151) 1234 5678", "4915112345678"),
        ("+49 (0)151 123 456 78", "4915112345678"),
        ("+1 (650) 555-1234", "16505551234"),
        ("1 (650) 555-12-34", "16505551234"),
        ("62 812-3456-7890", "6281234567890"),
        ("+225 07 12 34 56", "22507123456"),
        ("229 97 12 34 56", "22997123456"),
        ("+229 01 97 12 34 56", "2290197123456"),
        ("+55 11 8765-43 21", "551187654321"),
    ],
)
def test_the_last_group_of_a_number_is_its_own(to, number):
    assert recipient(to) == Contact(wa_id=number)


@pytest.mark.parametrize(
    ("country", "national"),
    [
        ("86", "13800138000"),
        ("86", "13912345678"),  # possible as a North American number, and of no area there
        ("86", "18612345678"),
        ("86", "15901234567"),
        ("86", "19912345678"),
        ("49", "15171848571"),
        ("49", "15112345678"),
        ("49", "17612345678"),
    ],
)
def test_a_mobile_number_that_begins_with_one_is_not_north_american(country, national):
    for to in (national, f"{national[:3]} {national[3:7]} {national[7:]}", f"{national[:3]}-{national[3:]}"):
        with pytest.raises(ValueError, match=r"has its country code; put `\+` before it"):
            recipient(to)
    for to in (f"+{country}{national}", f"{country}{national}", f"00{country} {national[:3]} {national[3:]}"):
        assert recipient(to) == Contact(wa_id=f"{country}{national}")


@pytest.mark.parametrize(
    "number", ["15550001111", "15551230001", "15555550100", "15550783881", "14155552671", "12125550123"]
)
def test_a_north_american_number_needs_no_plus(number):
    assert recipient(number) == recipient(f"+{number}") == Contact(wa_id=number)


@given(
    st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from([".0", "(2)", " (12)", ".00", " (1234)"])
)
def test_no_number_of_any_country_has_a_decimal_or_a_count(region, appended):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assume(number is not None)
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assume(len(written) > 7)
    assert contact_of_recipient(written) != Contact()
    assert contact_of_recipient(written + appended) == contact_of_recipient(written[1:] + appended) == Contact()


def test_the_sentence_names_what_is_wrong():
    for to, words in (
        ("0153 1234567", "no country code"),
        ("+491531234567;ext=5", "without an extension"),
        ("1@g.us", "`@`"),
        ("+49 (0)1", "length"),
    ):
        with pytest.raises(ValueError, match=words):
            recipient(to)


_regions = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
_formats = st.sampled_from([value for value in range(4) if value != phonenumbers.PhoneNumberFormat.NATIONAL])


@given(_regions, st.sampled_from([0, 1, 2]), _formats)
def test_an_example_number_of_every_country_is_understood_in_every_international_format(region, kind, form):
    number = phonenumbers.example_number_for_type(region, kind)
    assume(number is not None)
    digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
    assert digits_of(phonenumbers.format_number(number, form)) == digits
    assert digits_of(digits) == digits_of(f"00{digits}") == digits


_former = st.one_of(
    st.from_regex(r"229(?:01)?[24-9][0-9]{7}", fullmatch=True),
    st.from_regex(r"225[0-9]{8}", fullmatch=True),
    st.from_regex(r"521[2-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"549?(?:11[2-7][0-9]|221[4-6]|341[4-6]|351[4-7])[0-9]{6}", fullmatch=True),
    st.from_regex(r"55(?:11|21|31|41|51|61|71|81|85|91)[6-9][0-9]{7}", fullmatch=True),
)


@given(_former)
def test_an_id_of_meta_in_a_former_notation_can_be_answered(wa_id):
    assert digits_of(wa_id) == digits_of(f"+{wa_id}") == wa_id


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_an_id_of_meta_can_be_answered_in_every_country(region):
    kinds = set(phonenumbers.PhoneNumberType.values()) - {phonenumbers.PhoneNumberType.UAN}  # some have no country code
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
    wa_ids = {f"{one.country_code}{phonenumbers.national_significant_number(one)}" for one in examples if one}
    assert wa_ids
    assert {digits_of(wa_id) for wa_id in wa_ids} == wa_ids


_dialled = st.one_of(
    st.from_regex(r"229(01)?[24-9][0-9]{7}", fullmatch=True),
    st.from_regex(r"55[1-9]{2}9?[2-9][0-9]{7}", fullmatch=True),
    st.from_regex(r"521?[2-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"549?[1-8][0-9]{9}", fullmatch=True),
)


@given(_dialled)
def test_the_notations_of_meta_are_taken_as_they_are_written(number):
    assume(not number.startswith("5415"))
    assert contact_of_recipient(number).wa_id == contact_of_recipient(f"+{number}").wa_id
    assert canonical(digits_of(number)) == canonical(number)


_signs = st.text(st.sampled_from("0123456789+-() ./;,:@xE\u0664\u00b2\u202a\n"), max_size=30)


@given(st.one_of(_signs, st.text(max_size=30)))
def test_a_text_names_one_recipient_with_its_own_signs_or_none(to):
    found = contact_of_recipient(to)
    assert [found.wa_id, found.user_id, found.group_id].count(None) >= 2
    if found.wa_id is None:
        return
    digits = "".join(str(int(sign)) for sign in to if sign.isdecimal())
    assert found.wa_id.isascii()
    assert found.wa_id.isdigit()
    assert 7 <= len(found.wa_id) <= 15
    assert not set(to) & set(";,:@xE\u00b2")
    rest = iter(digits)  # digits are left out, and none is changed, added or moved
    missing = len(digits) - len(found.wa_id)
    assert missing >= 0 or found.wa_id.startswith("549")
    if not found.wa_id.startswith("549"):
        assert all(digit in rest for digit in found.wa_id)


@given(st.text(st.sampled_from("0123456789+-() .\u0664"), min_size=5, max_size=30))
def test_to_write_a_number_again_as_it_was_understood_changes_nothing(to):
    found = contact_of_recipient(to).wa_id
    if found is not None:
        assert digits_of(f"+{found}") == digits_of(f"00{found}") == found
