"""The agreed answers on notes, their logs and the batches' categories, by their ids."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from messaging.log_lines import CmsLine, CmsLog, format_cms_line
from messaging.models.case import category_of
from messaging.note_texts import note_for
from tests.vectors import LEFT_OUT, VECTORS, of_kind

TODAY = date(2026, 1, 31)
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("cms_note_text"))
def test_the_text_of_a_note(name, given, answer):
    sent_to = given.get("to") or given["sent_to"]
    is_test = "intended_for" in given

    note = note_for(
        kind=given["email_type"], sent_to=sent_to, intended_for=given.get("intended_for", sent_to), is_test=is_test, today=TODAY
    )

    assert note.text == answer.get("text", note.text)
    assert all(piece in note.text for piece in answer.get("text_contains", []))
    assert note.type_code == answer.get("note_type", "COR")
    assert note.next_contact_on == TODAY + timedelta(days=answer.get("next_contact_in_days", 30))


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("log_line"))
def test_a_line_of_the_pending_log(name, given, answer):
    line = CmsLine(at=datetime.fromisoformat(given["at"]), pid=str(given["pid"]), kind=given["email_type"], sent_to=given["to"])

    assert format_cms_line(line, log=CmsLog.PENDING) == answer["line"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("bulk_category"))
def test_a_category_by_silence(name, given, answer):
    assert category_of(given["days_since_last_contact_either_direction"]) == answer["category"]


def test_every_vector_is_run_by_its_kind_or_by_its_name_and_those_left_out_have_a_reason():
    texts = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    by_kind = set(re.findall(r'of_kind\("(\w+)"\)', texts))
    unheard = {name for name, vector in VECTORS.items() if vector["kind"] not in by_kind and name.lower().replace("-", "_") not in texts}

    assert unheard == set(LEFT_OUT)
    assert all(reason.strip() for reason in LEFT_OUT.values())
