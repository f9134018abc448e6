"""What staff may do to a quote: have its mails tried again, have it priced, and say how far the office has got with it."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.tasks import async_task
from unfold.widgets import UnfoldAdminTextInputWidget

from messaging import journal
from messaging.models import Level, Mode
from portal import tasks, wiring
from portal.admin.acts import Act, ActRefused, ReasonForm
from portal.quotes import legs, review
from portal.quotes.models import MOVES, Quote, Status
from portal.text_fields import TypedText

MOST_RINGS = 50  # quotes that one act has priced out of their turn
BY_HAND = "Asked for on the quote's page"  # where nobody gave another reason
TRIABLE = ("", "failed", "held")  # states of a mail


class WhyForm(forms.Form):
    reason = TypedText(
        named="The reason",
        required=False,
        label="Reason (you may leave it empty)",
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="What has changed since, if anything. The next person reads it beside the mail.",
    )


def may_be_tried(quote: Quote, leg: str) -> bool:
    """There is a price to tell, this mail is unsent, and it is known that nobody has it. A test that was sent is no real mail."""
    facts = quote.facts_of(leg)
    if not quote.quote_amount or quote.status in legs.UNPRICED or facts["sent"]:
        return False
    return facts["state"] in TRIABLE or (facts["state"] == "sent" and settings.MAIL_MODE == Mode.PRODUCTION)


def needs_trying(quote: Quote, leg: str) -> bool:
    """As above, and somebody waits for it."""
    state = quote.facts_of(leg)["state"]
    return may_be_tried(quote, leg) and (state in ("failed", "held") or (state == "" and quote.status == Status.AI_QUOTED))


def try_again(*wanted: str) -> Callable[[HttpRequest, QuerySet, Mapping[str, Any]], int]:
    def carry_out(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
        """Each mail is decided by itself, never under a lock of its quote: the worker that sends it locks the other way round."""
        terms, told, done = wiring.quote_mail_terms(), [], 0
        for quote in rows.order_by("pk"):
            tried = [
                legs.try_again(
                    legs.Leg(quote_id=quote.pk, leg=leg),
                    by=request.user,
                    reason=answers["reason"] or BY_HAND,
                    source=legs.PERSON,
                    terms=terms,
                )
                for leg in wanted
                if may_be_tried(quote, leg)
            ]
            told += [f"{quote.number}: {one.text}" for one in tried]
            done += any(one.outcome == "queued" for one in tried)
        if not done and len(told) == 1:
            raise ActRefused(told[0])
        tasks.ring()
        return done

    return carry_out


def why_not_tried(quote: Quote) -> str:
    states = (quote.customer_email_state, quote.admin_email_state)
    if not quote.quote_amount or quote.status in legs.UNPRICED:
        return f"{quote.number} is {quote.get_status_display()}: it has no price yet that a mail could name."
    if "in_doubt" in states:
        return f"A mail of {quote.number} is in doubt: open the message and settle it there, so that nobody gets it twice."
    if quote.is_sent("customer") and quote.is_sent("admin"):
        return f"Both mails of {quote.number} have gone out; neither is sent a second time."
    return f"There is nothing to try again: the mail of {quote.number} has gone out, is on its way, or was given up."


def act_for_mails(name: str, label: str, which: str, *wanted: str, on_the_row: bool = True) -> Act:
    return Act(
        name=name,
        label=label,
        explains=f"{which} at the next turn, whatever was tried before. What was sent already is not sent again.",
        done=("will be sent now", "will be sent now"),
        permission="portal.send_quote",
        carry_out=try_again(*wanted),
        applies=lambda quote: any(may_be_tried(quote, leg) for leg in wanted),
        refusal=why_not_tried,
        form=WhyForm,
        icon="replay",
        on_the_row=on_the_row,
    )


def ring(rows: QuerySet, *, force: bool, by: Any) -> int:
    """A worker prices each of these at once, not in its turn."""
    chosen = list(rows.values_list("pk", flat=True)[: MOST_RINGS + 1])
    if len(chosen) > MOST_RINGS:
        raise ActRefused(f"At most {MOST_RINGS} at once: the others are priced by themselves, the oldest first.")

    def wake() -> None:
        for pk in chosen:
            async_task("portal.tasks.process_quotes", limit=1, force=force, quote_id=pk, by_id=by.pk, cluster=tasks.MAIL)

    transaction.on_commit(wake, robust=True)
    return len(chosen)


def process_now(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = ring(rows.filter(status=Status.PENDING), force=False, by=request.user)
    if done:
        journal.record(Level.INFO, "quotes", f"{done} quotes are to be priced now.", by_id=request.user.pk)
    return done


def process_by_force(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    chosen = rows.filter(status__in=[Status.PENDING, Status.AI_PROCESSING])
    done = ring(chosen, force=True, by=request.user)
    for number in chosen.values_list("number", flat=True):
        journal.record(Level.WARNING, "quotes", f"{number} is to be processed by force: {answers['reason']}", by_id=request.user.pk)
    return done


def reprocess(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = review.reprocess(Quote.objects.filter(pk__in=rows.values("pk")), by=request.user, reason=answers["reason"])
    if done:
        tasks.ring_quotes()
    return done


def not_now(quote: Quote) -> str:
    return f"{quote.number} is {quote.get_status_display()} now; this does not apply to it."


def act_for_mark(to: Status, explains: str, icon: str) -> Act:
    def carry_out(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
        return review.mark(Quote.objects.filter(pk__in=rows.values("pk")), to, by=request.user)

    return Act(
        name=f"mark_{to.value}",
        label=f"Mark as {to.label.lower()}",
        explains=explains,
        done=(f"is {to.label.lower()}", f"are {to.label.lower()}"),
        permission="portal.change_quote",
        carry_out=carry_out,
        applies=lambda quote: to in MOVES[Status(quote.status)],
        refusal=not_now,
        icon=icon,
        on_the_row=False,
    )


MAILS = (
    act_for_mails("try_both", "Try both again", "Both mails are sent", "customer", "admin", on_the_row=False),
    act_for_mails("try_customer", "Try the customer's mail again", "The customer's mail is sent", "customer"),
    act_for_mails("try_admin", "Try the admin's mail again", "The mail to the office is sent", "admin"),
)
PRICING = (
    Act(
        name="process_now",
        label="Process now",
        explains="It is priced at once, not in its turn; if all is well, both mails go out. Asking an AI costs money.",
        done=("will be processed now", "will be processed now"),
        permission="portal.process_quote",
        carry_out=process_now,
        applies=lambda quote: quote.status == Status.PENDING,
        refusal=not_now,
        icon="play_circle",
    ),
    Act(
        name="put_back",
        label="Put back to pending",
        explains="What went wrong is forgotten and it is priced anew, as if it had just come in. Asking an AI again costs money again.",
        done=("is pending again", "are pending again"),
        permission="portal.process_quote",
        carry_out=reprocess,
        applies=lambda quote: quote.status == Status.AI_ERROR,
        refusal=not_now,
        form=ReasonForm,
        icon="restart_alt",
        on_the_row=False,
    ),
    Act(
        name="process_by_force",
        label="Process by force",
        explains="It is taken over even from a worker that is at it now; whatever that worker finds out later is kept, but not used."
        " Only where a run hangs: otherwise the AI is paid twice.",
        done=("will be processed by force", "will be processed by force"),
        permission="portal.process_quote",
        carry_out=process_by_force,
        applies=lambda quote: quote.status in (Status.PENDING, Status.AI_PROCESSING),
        refusal=not_now,
        form=ReasonForm,
        icon="bolt",
        is_dangerous=True,
        on_the_row=False,
    ),
)
MARKS = (
    act_for_mark(Status.CONTACTED, "Somebody of the office has spoken with the customer. The links in the mail still work.", "call"),
    act_for_mark(Status.QUOTED, "The office has told the customer a price itself. The links in the mail still work.", "request_quote"),
    act_for_mark(Status.ACCEPTED, "The customer has told the office so. The links in the mail do not work any more.", "thumb_up"),
    act_for_mark(Status.REJECTED, "The customer has told the office so. The links in the mail do not work any more.", "thumb_down"),
    act_for_mark(Status.COMPLETED, "Nothing is left to do for this customer. This cannot be taken back.", "task_alt"),
)
ACTS = (*MAILS, *PRICING, *MARKS)
