"""run_history: what the runs were, planned and changed, for people and as JSON."""

import json
from datetime import date

import pytest
from django.core.management import CommandError, call_command

from campaigns import runs
from portal import planning
from tests.campaigns.rows import make_contact

pytestmark = pytest.mark.django_db


def said(capsys, *options):
    call_command("run_history", *options)
    return capsys.readouterr().out


def test_it_lists_the_newest_first_with_checksums_and_counts(capsys):
    make_contact(birth_date=date(1960, 5, 5))
    first, second = runs.run(planning.order(reason="The first")), runs.run(planning.order())

    listed = json.loads(said(capsys, "--json"))["runs"]

    assert [one["run_id"] for one in listed] == [second.pk, first.pk]
    assert listed[0]["checksums"] == {
        "contacts": first.contacts_checksum,
        "before": first.after_checksum,
        "after": second.after_checksum,
    }
    assert (listed[0]["added"], listed[0]["unchanged"], listed[1]["added"]) == (0, first.added, first.added)
    assert listed[1]["reason"] == "The first"
    assert "differences" not in listed[0]
    assert said(capsys, "--limit", "1").count("\n") == 1
    assert f"{first.pk}  {first.day}  completed" in said(capsys)


def test_a_run_named_by_its_number_tells_its_differences(capsys):
    make_contact(birth_date=date(1960, 5, 5))
    run = runs.run(planning.order())

    assert json.loads(said(capsys, str(run.pk), "--json"))["differences"] == run.differences
    assert "added by type: aep 1, birthday 1" in said(capsys, str(run.pk))


def test_before_the_first_run_it_says_so(capsys):
    assert said(capsys) == "The scheduler has not run yet.\n"
    assert json.loads(said(capsys, "--json")) == {"runs": []}


def test_a_run_that_does_not_exist_is_wrong_usage():
    with pytest.raises(CommandError, match="There is no run 99") as refusal:
        call_command("run_history", "99")
    assert refusal.value.returncode == 2
