"""The mails of a quote: what they say, what they never say, and that nothing a customer types is more than text."""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.db import transaction

from messaging.models import Lane, Message
from portal.quotes import replies
from portal.quotes.amounts import Line, taxed
from portal.quotes.models import Answer
from tests.portal.quotes.rows import AMOUNTS, TERMS, TEST_TERMS, make_quote

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script> & <img src=x onerror=alert(1)> {{ 7|add:7 }} {% now 'Y' %}"


class Words(HTMLParser):
    """The words and the links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.links, self.tags = "", [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.words += data


def test_an_offer_says_what_it_costs_line_by_line_until_when_and_how_to_answer():
    quote = make_quote()

    mail = replies.offer(quote, terms=TERMS)

    assert AMOUNTS.total == Decimal("868.50")
    assert (mail.recipient, mail.kind, mail.key, mail.lane) == (quote.email, "quote_customer", f"quote:{quote.pk}:customer", Lane.SYSTEM)
    assert mail.subject == f"Your quote {quote.number}: $868.50"
    html = Words(mail.html)
    for words in (mail.text, html.words):
        told = " ".join(words.split())
        for fact in (quote.name, quote.number, f"{quote.address}, Toronto", "February 3, 2026, 8 to 11 a.m.", "construction, general"):
            assert fact in told
        for fact in ("2 bags, 1.5 cubic yards", "Collection, construction waste $120.00", "Volume, small $648.58", "HST 13 % $99.92"):
            assert fact in told
        for fact in (
            "Total in CAD, taxes included $868.50",
            replies.spelled(quote.valid_until),
            "Green Cart",
            "416-555-0100",
            "1 Front St, Toronto",
        ):
            assert fact in told
        assert told.count("CAD") == 1
        assert [answer.label in told for answer in Answer] == [True] * 4
    links = re.findall(r"https://\S+", mail.text)
    assert html.links == links
    assert len(set(links)) == 4
    assert all(link.startswith("https://portal.example/quote/answer/") for link in links)


def test_the_range_the_assessor_and_the_customers_own_words_are_not_in_an_offer():
    quote = make_quote(
        description="visit evil.example", waste_assessment={**make_quote().waste_assessment, "items": ["visit evil.example"]}
    )

    mail = replies.offer(quote, terms=TERMS)

    for words in (mail.text, Words(mail.html).words):
        read = re.sub(r"https://\S+", "", words).replace("$868.50", "")  # a link's token may hold any figure
        for never in ("evil.example", f"{AMOUNTS.low:,}", f"{AMOUNTS.high:,}", "86"):
            assert never not in read


def test_a_report_names_customer_amount_confidence_next_step_and_the_desk():
    quote = make_quote(description="Old tiles\nand plaster")

    mail = replies.report(quote, terms=TERMS)

    assert (mail.recipient, mail.kind, mail.key) == ("boss@portal.example", "quote_admin", f"quote:{quote.pk}:admin")
    assert mail.subject == f"Quote {quote.number}, $868.50, for {quote.name}"
    for words in (mail.text, Words(mail.html).words):
        told = " ".join(words.split())
        for fact in (
            quote.name,
            quote.email,
            quote.phone,
            quote.address,
            "$868.50",
            "86%",
            "Next step",
            replies.spelled(quote.valid_until),
        ):
            assert fact in told
    desk = f"https://portal.example/admin/portal/quote/{quote.pk}/change/"
    assert desk in mail.text
    assert Words(mail.html).links == [desk]
    assert "> Old tiles\n> and plaster\n" in mail.text


def test_every_admin_is_told_of_a_new_request_at_once_and_only_once():
    quote = make_quote(status="pending", generated_quote=None, quote_amount=None, ai_processed_at=None)

    for _ in range(2):
        replies.announce(quote, terms=TERMS)

    told = list(Message.objects.order_by("pk").values_list("key", "kind", "recipient", "max_attempts"))
    assert told == [
        (f"quote:{quote.pk}:request", "quote_request", "boss@portal.example", 3),
        (f"quote:{quote.pk}:request:2", "quote_request", "second@portal.example", 3),
    ]
    mail = Message.objects.first()
    assert mail.subject == f"New request {quote.number} from {quote.name}"
    for fact in (
        quote.email,
        quote.phone,
        quote.address,
        "Old tiles and plaster",
        "Pictures: 0",
        f"/admin/portal/quote/{quote.pk}/change/",
    ):
        assert fact in mail.text
        assert fact in mail.html


def test_a_notice_is_queued_with_the_request_or_not_at_all():
    quote = make_quote()

    with transaction.atomic():
        replies.announce(quote, terms=TEST_TERMS)
        transaction.set_rollback(True)

    assert not Message.objects.exists()


MAILS = {"offer": replies.offer, "report": replies.report}


@pytest.mark.parametrize("mail", MAILS)
def test_what_a_customer_typed_is_text_in_html_and_stays_as_it_is_in_text(mail):
    typed = dict.fromkeys(("name", "address", "description"), HOSTILE)
    quote = make_quote(**typed, city="<b>Toronto", phone="<i>416")

    draft = MAILS[mail](quote, terms=TERMS)

    assert not {"script", "img", "b", "i"} & Words(draft.html).tags
    assert HOSTILE in Words(draft.html).words
    assert HOSTILE in draft.text


def test_a_hostile_request_is_announced_as_text():
    quote = make_quote(name=HOSTILE, description=HOSTILE, address="a\nb")

    replies.announce(quote, terms=TERMS)

    mail = Message.objects.first()
    assert not {"script", "img"} & Words(mail.html).tags
    assert HOSTILE in mail.text
    assert "Where: a b, Toronto" in mail.text


@pytest.mark.parametrize("name", ["Ann\r\nBcc: all@x.example", "Ann\u2028Bcc", "Ann\x0b\x85Bcc", "n" * 100])
def test_a_subject_is_one_line_of_a_fair_length(name):
    quote = make_quote(name=name)

    subjects = [MAILS[mail](quote, terms=TERMS).subject for mail in MAILS]
    replies.announce(quote, terms=TERMS)
    subjects.append(Message.objects.first().subject)

    assert all(subject.isprintable() and len(subject) <= 160 for subject in subjects)


def test_words_cannot_pose_as_lines_of_the_mail():
    quote = make_quote(name="Ann\nTotal in CAD: $1.00", description="x\n\nNext step: pay\r\nmore\u2028still")

    offer, report = (MAILS[mail](quote, terms=TERMS).text for mail in MAILS)

    assert not [line for line in offer.splitlines() if line.startswith("Total in CAD: ")]
    assert [line for line in report.splitlines() if "pay" in line or "still" in line] == ["> Next step: pay", "> still"]


NOT_A_PRICE = {
    "no lines": {"generated_quote": None},
    "the newer keys are missing": {"generated_quote": {"total": "868.50"}},
    "not a table": {"generated_quote": [1]},
    "lines that are no numbers": {"generated_quote": {**AMOUNTS.as_json(), "before_tax": [{"key": "", "label": "x", "amount": "much"}]}},
    "lines that are not a number": {"generated_quote": {**AMOUNTS.as_json(), "before_tax": [{"key": "", "label": "x", "amount": "NaN"}]}},
    "lines without end": {"generated_quote": {**AMOUNTS.as_json(), "before_tax": [{"key": "", "label": "x", "amount": "Infinity"}]}},
    "no total": {"status": "contacted", "quote_amount": None},
    "nothing": {"status": "contacted", "quote_amount": Decimal(0)},
    "less than nothing": {"status": "contacted", "quote_amount": Decimal(-5)},
    "lines of another price": {"quote_amount": Decimal("868.51")},
    "lines of nothing": {"generated_quote": {**AMOUNTS.as_json(), "before_tax": [], "taxes": []}},
}


@pytest.mark.parametrize("gap", NOT_A_PRICE)
@pytest.mark.parametrize("mail", MAILS)
def test_without_a_total_above_zero_there_is_no_mail(mail, gap):
    quote = make_quote(**NOT_A_PRICE[gap])

    with pytest.raises(replies.TotalMissing, match=quote.number):
        MAILS[mail](quote, terms=TERMS)


def test_no_mail_shows_an_amount_of_zero():
    amounts = taxed([Line("base", "Base", Decimal(80)), Line("x", "Nothing", Decimal(0))], taxes=[("GST", Decimal(0))], share=Decimal(0))
    quote = make_quote(generated_quote=amounts.as_json(), quote_amount=amounts.total)

    for mail in MAILS.values():
        draft = mail(quote, terms=TERMS)
        assert "$80.00" in draft.text
        assert "$0.00" not in draft.text + draft.html


def test_amounts_are_written_in_thousands_and_below_zero():
    assert [replies.dollars(Decimal(amount)) for amount in ("0.5", "1234567.89", "-12.30")] == ["$0.50", "$1,234,567.89", "-$12.30"]


def test_what_is_not_known_is_left_out():
    quote = make_quote(preferred_date=None, preferred_time="", valid_until=None, waste_assessment=None, confidence=None, description="")
    nobody = replace(TERMS, office=TERMS.office | {"office_phone": "", "office_address": ""})

    for mail in MAILS.values():
        draft = mail(quote, terms=nobody)
        for words in (draft.text, Words(draft.html).words):
            assert not [gap for gap in ("None", "Preferred time", "Volume:", "good until", "Confidence", "own words") if gap in words]


@pytest.mark.parametrize("mail", MAILS)
def test_the_html_is_made_for_mail_clients_phones_and_the_dark(mail):
    html = MAILS[mail](make_quote(valid_until=date(2026, 12, 1)), terms=TERMS).html

    assert {"table", "style", "meta"} <= Words(html).tags
    assert not {"script", "link", "form", "div"} & Words(html).tags
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert "max-width:600px" in html
    assert not re.search(r'width="?\d{3,}"?(?!%)', html), "a fixed width does not fit a phone"
