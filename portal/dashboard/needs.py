"""What needs a person, most pressing first: each figure with the list of its rows and the button that helps."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from messaging.models import BackupHistory, CmsNote, Message, Provider
from portal.dashboard import campaign_needs, figures, quote_figures
from portal.dashboard.need import Need, rows_of
from portal.quotes.models import Quote
from portal.summaries import watch
from portal.summaries.models import DailySummary

A_MOMENT = timedelta(minutes=1)
DRILLS_WITHIN = timedelta(days=7)
CLUSTERS = [settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]]


def all_of_them() -> list[Need]:
    return [*cluster(), *mails(), *quotes(), *campaign_needs.campaigns(), *providers(), *backups(), *summaries(), *notes()]


def mails() -> Iterable[Need]:
    yield Need(
        name="in_doubt",
        count=figures.in_doubt(),
        noun="in doubt",
        says="The server may or may not have taken them. Nobody sends them again before you say so.",
        calm="No mail in doubt",
        button="Settle them",
        href=rows_of(Message, state="in_doubt"),
    )
    yield Need(
        name="failed",
        count=figures.failed(),
        noun="failed",
        says="They were refused for good, or tried as often as allowed.",
        calm="No mail failed",
        button="Try again now",
        href=rows_of(Message, state="failed"),
        act="try_again_now",
        permission="messaging.decide_message",
    )
    yield Need(
        name="held",
        count=figures.held(),
        noun="held",
        says="They wait until somebody puts them back in the queue.",
        calm="No mail held",
        button="Put back in the queue",
        href=rows_of(Message, state="held"),
        act="put_back",
        grave=False,
        permission="messaging.decide_message",
    )


def quotes() -> Iterable[Need]:
    review, owing = quote_figures.to_review(), quote_figures.owing_mail()
    answers = quote_figures.to_follow_up(lock=settings.QUOTE_LOCK)
    yield Need(
        name="quotes_to_review",
        count=review,
        noun="quote needs review" if review == 1 else "quotes need review",
        says="Their price is not certain enough to be told. Look at the lines, correct them, approve; then the mails go.",
        calm="No quote to review",
        button="Review them",
        href=rows_of(Quote, state="review"),
        grave=False,
    )
    yield Need(
        name="quotes_owing_mail",
        count=owing,
        noun="quote needs retry" if owing == 1 else "quotes need retry",
        says="They are priced, but a mail about it has not gone out yet.",
        calm="Every priced quote is told",
        button="Try them again",
        href=rows_of(Quote, state="owing"),
        button_href=reverse("retry_quote_mails"),
        permission="portal.send_quote",
    )
    yield Need(
        name="quotes_to_follow_up",
        count=answers,
        noun="answer to follow up" if answers == 1 else "answers to follow up",
        says="These customers accepted, or want to talk to a manager, and now wait for a call.",
        calm="No customer waits for a call",
        button="Call them",
        href=rows_of(Quote, state="follow_up"),
        grave=False,
    )


def notes() -> Iterable[Need]:
    oldest = figures.oldest_note_pending_at()
    pending, needing_pid, refused = figures.notes_pending(), figures.notes_needing_pid(), figures.notes_needing_attention()
    waiting = f"The oldest has waited {timesince(oldest, depth=1)}. " if oldest and timezone.now() - oldest > A_MOMENT else ""
    yield Need(
        name="notes_pending",
        count=pending,
        noun="CMS note pending" if pending == 1 else "CMS notes pending",
        says=f"{waiting}They are sent e-mails that the CMS does not know of yet.",
        calm="All e-mails have CMS notes!",
        button="Add notes now",
        href=rows_of(CmsNote, state="pending"),
        act="add_note_now",
        permission="messaging.post_cmsnote",
        grave=False,
    )
    yield Need(
        name="notes_needing_pid",
        count=needing_pid,
        noun="note needs a PID" if needing_pid == 1 else "notes need a PID",
        says="Their case has no number in the CMS. Enter it, and the note follows by itself.",
        calm="No note needs a PID",
        button="Enter the PIDs",
        href=rows_of(CmsNote, state="needs_pid"),
    )
    yield Need(
        name="notes_needing_attention",
        count=refused,
        noun="note refused" if refused == 1 else "notes refused",
        says="The CMS refused them for a reason that only a person can remove.",
        calm="No note refused",
        button="See what is wrong",
        href=rows_of(CmsNote, state="needs_attention"),
    )


def providers() -> Iterable[Need]:
    down = figures.providers_down()
    yield Need(
        name="providers_down",
        count=len(down),
        noun="server paused" if len(down) == 1 else "servers paused",
        says=" ".join(f"{provider.name}: {provider.reason}" for provider in down)[:300],
        calm="All servers answer",
        button="Try it now" if len(down) == 1 else "Try them now",
        href=rows_of(Provider, paused_until__isnull="False"),
        act="try_now",
        permission="messaging.change_provider",
    )


def backups() -> Iterable[Need]:
    since = figures.undrilled_since(within=DRILLS_WITHIN)
    yield Need(
        name="drill_late",
        count=int(since is not None),
        noun="restore drill is late",
        says=f"No backup was restored to try it since {timesince(since, depth=1)}. Run on the server: python manage.py restore_drill"
        if since
        else "",
        calm="No restore drill is late",
        button="See the backups",
        href=rows_of(BackupHistory),
        grave=False,
    )


def cluster() -> Iterable[Need]:
    silent = figures.silent_clusters(CLUSTERS, after=settings.CLUSTER_SILENT_AFTER)
    heard = [f"{name}: {f'silent for {timesince(at, timezone.now(), depth=1)}' if at else 'never heard of'}" for name, at in silent.items()]
    yield Need(
        name="cluster_silent",
        count=len(silent),
        noun="background worker silent" if len(silent) == 1 else "background workers silent",
        says=f"Nothing is sent by itself ({'; '.join(heard)}). Start it on the server: python manage.py run_cluster",
        calm="Background work is running",
        button="",
        href=reverse("readyz"),
    )


def summaries() -> Iterable[Need]:
    since, failed = watch.silent_since(), figures.capped(DailySummary.objects.for_a_person())
    yield Need(
        name="summaries_silent",
        count=int(since is not None),
        noun="run over the daily summaries is late",
        says=f"The last was {timesince(since, depth=1)} ago. Nobody is sent a summary before the next." if since else "",
        calm="Daily summaries are looked after",
        button="See who waits",
        href=reverse("summaries"),
    )
    yield Need(
        name="summaries_failed",
        count=failed,
        noun="daily summary failed" if failed == 1 else "daily summaries failed",
        says="They are not tried again by themselves.",
        calm="No daily summary failed",
        button="Send them now",
        href=rows_of(DailySummary, state="for_a_person"),
        act="send_now",
        permission="portal.send_dailysummary",
        grave=False,
    )
