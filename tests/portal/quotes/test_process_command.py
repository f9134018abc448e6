"""process_quotes: what it prices and reports, how it ends, and that wrong words and wrong settings change nothing."""

import signal
import time

import pytest

from messaging.models import Message, SystemEvent
from portal.quotes.models import AiCall, Outcome, Quote
from portal.sandbox import Sandbox
from tests.factories import make_quote
from tests.portal.quotes.test_pricing import taken
from tests.portal.test_commands import asked, run, shell, started

NAME = "process_quotes"
NOTHING = {"processed": 0, "quoted": 0, "errors": 0, "review": 0, "late": 0, "waiting": 0, "skipped": 0, "locks_cleared": 0}
VAGUE = "Some old stuff, please have a look."


@pytest.fixture
def ai(db, sandbox: Sandbox, settings) -> Sandbox:
    settings.AI_URL, settings.AI_MODEL = f"{sandbox.http_url}/ai/v1", "sandbox"
    return sandbox


def states() -> list[str]:
    return list(Quote.objects.order_by("pk").values_list("status", flat=True))


@pytest.mark.django_db
def test_what_is_pending_is_priced_and_a_second_run_finds_nothing():
    make_quote()

    assert asked(NAME) == (0, NOTHING | {"processed": 1, "quoted": 1})
    assert sorted(Message.objects.values_list("kind", "status")) == [("quote_admin", "queued"), ("quote_customer", "queued")]
    assert asked(NAME) == (0, NOTHING)
    assert run(NAME)[1].startswith("0 processed: 0 quoted, 0 in error, 0 for review")


@pytest.mark.django_db
def test_it_takes_ten_unless_told_otherwise_the_oldest_first():
    for _ in range(14):
        make_quote()

    assert asked(NAME, "--limit=1")[1]["processed"] == 1
    assert states() == ["ai_quoted"] + ["pending"] * 13
    assert asked(NAME)[1]["processed"] == 10
    assert states() == ["ai_quoted"] * 11 + ["pending"] * 3
    assert asked(NAME, "--limit=0") == (0, NOTHING)


def test_cron_is_alerted_when_a_person_has_to_look_and_when_the_ai_is_away(ai):
    make_quote(description=VAGUE)
    assert asked(NAME) == (3, NOTHING | {"processed": 1, "review": 1})

    make_quote()
    ai.use(ai={"modes": ["503"]})
    assert asked(NAME) == (3, NOTHING | {"processed": 1, "errors": 1})
    assert Message.objects.count() == 0


@pytest.mark.django_db
def test_one_quote_by_its_id_is_priced_and_no_other():
    _, second = make_quote(), make_quote()

    assert asked(NAME, f"--quote-id={second.pk}") == (0, NOTHING | {"processed": 1, "quoted": 1})
    assert states() == ["pending", "ai_quoted"]
    code, out, _ = run(NAME, f"--quote-id={second.pk}")
    assert (code, f"1 skipped, 0 stale locks cleared. Quote {second.pk} is AI quoted: it is not waiting" in out) == (0, True)
    assert "neither pending nor being processed" in run(NAME, f"--quote-id={second.pk}", "--force")[1]
    code, out, err = run(NAME, f"--quote-id={second.pk + 1}")
    assert (code, out, f"There is no quote {second.pk + 1}" in err) == (2, "", True)


@pytest.mark.django_db
def test_force_takes_a_quote_over_from_whoever_is_at_it_and_says_so():
    quote = taken(make_quote(), minutes_ago=1)

    assert asked(NAME, f"--quote-id={quote.pk}") == (0, NOTHING | {"skipped": 1})
    assert asked(NAME, f"--quote-id={quote.pk}", "--force") == (0, NOTHING | {"processed": 1, "quoted": 1})

    assert sorted(AiCall.objects.values_list("outcome", "was_forced")) == [(Outcome.APPLIED, True), (Outcome.FENCED, False)]
    assert SystemEvent.objects.filter(text=f"Quote {quote.number} was taken over from another run.").exists()


@pytest.mark.django_db
def test_force_with_limit_nought_clears_stale_locks_and_processes_nothing():
    taken(make_quote(), minutes_ago=31)
    taken(make_quote(), minutes_ago=1)
    make_quote()

    assert asked(NAME, "--force", "--limit=0") == (0, NOTHING | {"locks_cleared": 1})
    assert states() == ["pending", "ai_processing", "pending"]


@pytest.mark.django_db
@pytest.mark.parametrize("words", [["--limit=-1"], ["--limit=ten"], ["--quote-id=0"], ["--quote-id=x"], ["--all"], ["1"]])
def test_wrong_words_are_wrong_usage_and_nothing_is_processed(words, capsys):
    make_quote()

    assert run(NAME, *words)[:2] == (2, "")
    assert "usage:" in capsys.readouterr().err
    assert states() == ["pending"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"AI_URL": "ftp://ai.example"}, "AI_URL is http://…, https://… or empty; got scheme 'ftp'"),
        ({"AI_URL": "https://ai.example/v1", "AI_MODEL": ""}, "AI_MODEL is empty"),
        ({"AI_URL": "https://ai.example/v1", "AI_MODEL": "m", "AI_API_KEY": "a b"}, "AI_API_KEY has a character that no key has"),
    ],
)
def test_settings_of_the_ai_that_cannot_be_meant_are_told_and_nothing_is_processed(settings, wrong, says):
    make_quote()
    for name, value in wrong.items():
        setattr(settings, name, value)

    code, out, err = run(NAME)

    assert (code, out) == (1, "")
    assert says in err
    assert states() == ["pending"]


@pytest.mark.django_db(transaction=True)
def test_from_a_shell_wrong_settings_are_a_sentence_and_no_traceback():
    done = shell(NAME, AI_URL="ftp://ai.example")
    unchecked = shell(NAME, "--skip-checks", AI_URL="ftp://ai.example")

    for told in (done, unchecked):
        assert (told.returncode, told.stdout) == (1, "")
        assert "got scheme 'ftp'" in told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.django_db(transaction=True)
def test_told_to_stop_it_finishes_the_quote_in_hand_and_prints_its_counts(ai):
    ai.use(ai={"modes": ["slow-0.6"]})
    for _ in range(5):
        make_quote()

    with started(NAME, "--json", AI_URL=f"{ai.http_url}/ai/v1", AI_MODEL="sandbox", AI_PAUSE_SECONDS="0") as process:
        give_up_at = time.monotonic() + 30
        while not ai.ai_ledger() and time.monotonic() < give_up_at:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, "Stopping after what is in hand" in err) == (1, True), out + err
    priced = Quote.objects.filter(status="ai_quoted").count()
    assert 0 < priced < 5
    assert sorted(states()) == ["ai_quoted"] * priced + ["pending"] * (5 - priced)
    assert f'"processed": {priced}, "quoted": {priced}' in out
    assert len(ai.ai_ledger()) == priced
