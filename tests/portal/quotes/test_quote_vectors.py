"""The agreed answers on mails that are tried again, by their ids."""

from datetime import timedelta

import pytest

from messaging import delivery
from messaging.gateways.mail import MailServer
from messaging.retry import RetryPolicy
from portal.quotes import legs
from portal.quotes.models import Quote
from tests.portal.quotes.rows import TERMS, make_quote
from tests.portal.test_commands import run
from tests.vectors import of_kind

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("retry_selection"))
def test_which_mails_are_tried_again(name, given, answer):
    columns = ("status", "email_sent_to_customer", "customer_email_attempts", "email_sent_to_admin", "admin_email_attempts")
    quote = make_quote(**{column: given[column] for column in columns})

    chosen = legs.select(leg_type=given["type"], max_attempts=given["max_attempts"], limit=50)

    assert [leg.leg for leg in chosen] == answer["resend"]
    assert {leg.quote_id for leg in chosen} <= {quote.pk}


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("retry_result"))
def test_what_a_quote_says_after_a_retry(sandbox, tmp_path, name, given, answer):
    quote = make_quote(**given["before"])
    if given["send"] != "ok":
        sandbox.use(mail={"modes": ["refuse-550"]})
    (leg,) = legs.select(leg_type="customer", max_attempts=3, limit=50)

    legs.try_again(leg, by=None, reason="It had not gone out.", source="test", terms=TERMS)
    server = MailServer(name="primary", host="127.0.0.1", port=sandbox.smtp_port)
    delivery.send_due(delivery.Terms(servers=[server], policy=RetryPolicy(), lease=timedelta(minutes=11), spool_dir=tmp_path / "spool"))

    stored = Quote.objects.get(pk=quote.pk)
    assert stored.customer_email_attempts == answer["customer_email_attempts"]
    assert stored.email_sent_to_customer == answer["email_sent_to_customer"]
    assert (stored.last_email_attempt is not None) == answer["last_email_attempt_set"]
    error = answer["customer_email_error"]
    assert error in stored.customer_email_error if error else stored.customer_email_error == ""


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("max_attempts_validation"))
def test_which_caps_are_taken(settings, name, given, answer):
    settings.MAIL_MODE = "test"

    code, _, _ = run("retry_failed_emails", f"--max-attempts={given['max_attempts']}")

    assert code == (0 if answer["valid"] else 2)
