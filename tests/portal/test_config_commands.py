"""The configuration from the shell: shown, set, rolled back, and the state rules proved."""

import io
import json
import sys
from contextlib import suppress
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.models import Contact
from portal import wiring
from portal.config import kinds
from portal.config.kinds import KINDS
from portal.config.models import ConfigVersion

pytestmark = pytest.mark.django_db


def run(*told: Any) -> Any:
    """What the command answers with --json, and its exit code."""
    out = io.StringIO()
    try:
        call_command(*map(str, told), "--json", stdout=out, stderr=io.StringIO())
    except SystemExit as exit_:
        return json.loads(out.getvalue()), exit_.code
    return json.loads(out.getvalue()), 0


def said(*told: Any) -> str:
    out = io.StringIO()
    with suppress(SystemExit):
        call_command(*map(str, told), stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def typed(monkeypatch):
    """Lets a test give standard input to set_config."""

    def type_in(data, kind="timing", *options):
        text = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        return run("set_config", kind, "--file", "-", *options)[0]

    return type_in


def refusal(call, *told):
    with pytest.raises(CommandError) as refused:
        call(*told)
    return refused.value.returncode, str(refused.value)


def later(days: int) -> str:
    return (timezone.localtime() + timedelta(days=days)).isoformat()


def test_what_is_shipped_is_shown_as_version_0():
    facts, code = run("show_config", "load_balancing")

    assert code == 0
    assert (facts["kind"], facts["version"], facts["valid_from"], facts["valid_to"]) == ("load_balancing", 0, None, None)
    assert facts["data"]["daily_send_percentage_cap"] == 0.07
    assert facts["environment"] == "production"
    assert said("show_config", "load_balancing").startswith("Load balancing in production: as shipped\n{")


def test_all_kinds_are_listed():
    facts, _ = run("show_config")

    assert [one["kind"] for one in facts] == list(KINDS)
    assert "state_rules      as shipped" in said("show_config")


def test_a_file_becomes_a_version_and_fields_it_does_not_name_stay(tmp_path):
    file = tmp_path / "timing.json"
    file.write_text('{"birthday_email_days_before": 10}')

    facts, code = run("set_config", "timing", "--file", file, "--note", "Earlier")

    version = ConfigVersion.objects.get()
    assert code == 0
    assert (facts["version"], facts["changed"], facts["data"]["birthday_email_days_before"], facts["data"]["send_time"]) == (
        1,
        True,
        10,
        "08:30",
    )
    assert (version.note, version.valid_until) == ("Earlier", None)
    assert wiring.scheduler_settings()[0].birthday_email_days_before == 10

    again, code = run("set_config", "timing", "--file", file)
    assert (again["changed"], again["version"], code, ConfigVersion.objects.count()) == (False, 1, 0, 1)


def test_a_version_may_begin_later_and_the_one_before_ends_there(typed):
    typed({"send_time": "09:00"})
    typed({"send_time": "10:00"}, "timing", "--from", later(5))

    now, then = run("show_config", "timing")[0], run("show_config", "timing", "--at", later(6))[0]
    assert (now["version"], now["data"]["send_time"], then["version"], then["data"]["send_time"]) == (1, "09:00", 2, "10:00")
    assert now["valid_to"] == then["valid_from"]


def test_an_environment_has_versions_of_its_own(typed):
    typed({"send_time": "09:00"})
    facts = typed({"send_time": "10:00"}, "timing", "--environment", "staging")

    assert (facts["environment"], facts["data"]) == ("staging", {"send_time": "10:00"})
    shown = [run("show_config", "timing", "--environment", name)[0] for name in ("staging", "production", "")]
    assert [one["data"]["send_time"] for one in shown] == ["10:00", "09:00", "09:00"]
    assert shown[0]["versions"] == {"timing": 1, "timing in staging": 1}


def test_rolling_back_is_a_new_version_with_the_data_of_the_one_before(typed):
    typed({"send_time": "09:00"})
    typed({"send_time": "10:00"})

    facts, code = run("rollback_config", "timing")

    assert (facts["version"], facts["restored"], facts["data"]["send_time"], code) == (3, 1, "09:00", 0)
    assert ConfigVersion.objects.get(number=3).note == "Back to version 1"
    assert wiring.scheduler_settings()[0].send_time == "09:00"


def test_any_version_and_what_was_shipped_can_be_brought_back(typed):
    typed({"send_time": "09:00"})
    typed({"send_time": "10:00"})

    assert run("rollback_config", "timing", "--to", 0)[0]["data"]["send_time"] == "08:30"
    assert run("rollback_config", "timing", "--to", 1)[0]["data"]["send_time"] == "09:00"
    assert run("rollback_config", "timing", "--at", later(-1))[0]["data"]["send_time"] == "08:30"


def test_the_first_version_is_rolled_back_to_what_was_shipped(typed):
    typed({"send_time": "09:00"})
    typed({"send_time": "10:00"}, "timing", "--environment", "staging")

    assert run("rollback_config", "timing")[0]["restored"] == 0
    assert run("rollback_config", "timing", "--environment", "staging")[0]["data"] == {}
    assert run("show_config", "timing", "--environment", "staging")[0]["data"]["send_time"] == "08:30"


REFUSED = [
    ('{"send_time": "noon"}', "Timing: send_time must be a time of day, written 08:30; got noon. Nothing was stored."),
    ('{"send_time": "09:00",}', "Line 1, column"),
    ('{"send_time": "09:00" /* early */}', "this is no JSON"),
    ('{"send_time": "09:00", "send_time": "10:00"}', "send_time stands twice in the same table; keep one of them"),
    ('{"sned_time": "09:00"}', "sned_time is not known here; did you mean send_time"),
    ('{"overdue_days": NaN}', "NaN is no value; write a number"),
    ('{"overdue_days": 1e400}', "1e400 is too large a number"),
    ('{"overdue_days": ' + "9" * 5_000 + "}", "too large a number"),
    ("[" * 100_000, "nested too deeply"),
    ('"' + "x" * 200_001 + '"', "at most 200,000"),
    ("", "Line 1, column 1: this is no JSON"),
    ("[]", "Timing: must be a table of named entries"),
    (b"\xff\xfe{}", "- is not UTF-8 at byte 0"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED, ids=[sentence[:30] for _, sentence in REFUSED])
def test_a_file_with_a_slip_in_it_is_refused_in_words_and_nothing_is_stored(typed, text, sentence):
    code, told = refusal(typed, text)

    assert sentence in told
    assert (code, ConfigVersion.objects.exists()) == (1, False)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (("show_config", "prices"), "There is no configuration 'prices'; there is price_book, timing"),
        (("set_config", "prices", "--file", "/nowhere"), "Cannot read /nowhere"),
        (("rollback_config", "prices"), "There is no configuration 'prices'"),
        (("show_config", "timing", "--at", "soon"), "must be a moment such as 2026-03-01"),
        (("show_config", "timing", "--at", "9999-01-01"), "must lie in the years 2000 to 2200"),
        (("show_config", "timing", "--environment", "a b"), "--environment is a name of letters"),
        (("rollback_config", "timing", "--to", "1", "--at", "2026-01-01"), "not allowed with argument"),
        (("rollback_config", "timing", "--to", "-1"), "must be a whole number"),
    ],
)
def test_wrong_usage_is_named(told, sentence):
    with pytest.raises(CommandError) as refused:
        call_command(*told)
    assert sentence in str(refused.value)


def test_there_must_be_something_to_roll_back():
    assert refusal(run, "rollback_config", "timing") == (1, "Nothing to roll back: timing is as shipped. Nothing was stored.")
    assert refusal(run, "rollback_config", "timing", "--to", "7") == (1, "There is no version 7 of timing. Nothing was stored.")


def test_a_version_of_an_older_release_that_cannot_come_back_is_named():
    version, now = kinds.put("timing", KINDS["timing"].shipped, valid_from=timezone.now(), author=None, note="x"), timezone.now()
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(version.valid_from, now))
    data = version.data | {"moon_phase": "full"}
    ConfigVersion.objects.create(series=version.series, number=2, data=data, in_force=(now, timezone.now()), note="old")
    kinds.put("timing", KINDS["timing"].shipped, valid_from=timezone.now(), author=None, note="x")

    told = "Version 2 cannot be brought back. Timing: moon_phase is not known here. Nothing was stored."
    assert refusal(run, "rollback_config", "timing", "--to", "2") == (1, told)


def test_a_beginning_that_has_passed_is_refused(typed):
    code, told = refusal(typed, {}, "timing", "--from", "2020-01-01")

    assert (code, "has passed" in told, ConfigVersion.objects.exists()) == (2, True, False)


def test_a_dry_run_tells_what_would_change_in_the_plan_and_stores_nothing(typed):
    Contact.objects.create(email="a@x.example", zip_code="73301", state="TX", birth_date=date(1950, 7, 10))
    rules = KINDS["state_rules"].shipped

    facts = typed({"TX": rules["TX"] | {"anchor": "always"}}, "state_rules", "--dry-run")

    assert facts["differences"] == [{"path": "TX.anchor", "before": "none", "after": "always"}]
    assert (facts["impact"]["excluded"], facts["impact"]["by_state"]) == (2, {"TX": {"excluded": 2}})
    assert facts["dry_run"]
    assert not ConfigVersion.objects.exists()
    assert typed({"send_time": "10:00"}, "timing", "--environment", "elsewhere", "--dry-run")["impact"] is None


# the states


def test_the_states_are_shown_as_on_their_page(typed):
    Contact.objects.create(email="a@x.example", zip_code="90210", state="CA")
    rules = KINDS["state_rules"].shipped
    typed({"OR": rules["OR"] | {"after": 40}}, "state_rules", "--from", later(5))

    facts, _ = run("show_config", "state_rules")
    states = {row["state"]: row for row in facts["states"]}
    assert len(states) == 52
    assert (states["CA"]["rule"], states["CA"]["contacts"]) == ("from 30 days before the birthday to 60 days after it", 1)
    assert (states["NY"]["source"], states["NY"]["status"]) == ("seed 4; business_logic.md §4", "not legally verified")
    assert states["OR"]["next_change"]["rule"] == "from the birthday to 40 days after it"
    assert states["WA"]["next_change"] is None
    assert "every day of the year" in said("show_config", "state_rules")


def test_the_rules_that_are_shipped_are_as_required():
    facts, code = run("check_state_rules")

    assert code == 0
    assert facts["birthday"] == ["CA", "ID", "KY", "MD", "NV", "OK", "OR", "VA"]
    assert (facts["effective_date"], facts["year_round"]) == (["MO"], ["CT", "MA", "NY", "WA"])
    assert (len(facts["free"]), facts["missing"], facts["differences"]) == (39, [], [])
    assert said("check_state_rules").endswith("All as required.\n")


def test_a_rule_in_force_that_differs_is_named_and_cron_is_told(typed):
    rules = KINDS["state_rules"].shipped
    typed({"MD": rules["MD"] | {"after": 33}, "TX": rules["TX"] | {"anchor": "always"}}, "state_rules")

    facts, code = run("check_state_rules")

    assert code == 3
    assert facts["differences"] == [
        "MD: from the birthday to 33 days after it; required is from the birthday to 30 days after it.",
        "TX: every day of the year; required is free.",
    ]
    assert run("check_state_rules", "--at", "2026-01-01")[1] == 0


def test_a_version_that_cannot_be_read_any_more_is_told_in_a_sentence():
    version = kinds.put("state_rules", KINDS["state_rules"].shipped, valid_from=timezone.now(), author=None, note="x")
    now = timezone.now()
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(version.valid_from, now))
    ConfigVersion.objects.create(series=version.series, number=2, data={"ZZ": {}}, in_force=(now, None), note="old")

    for command in (("check_state_rules",), ("show_config", "state_rules")):
        code, told = refusal(run, *command)
        assert (code, "State rules (state_rules, version 2)" in told, "there is no state ZZ" in told) == (1, True, True)
