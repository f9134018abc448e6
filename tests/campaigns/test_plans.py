"""The plan of a contact against the slow model: every state, any dates, any day."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.campaigns import slow_model
from tests.campaigns.asking import asked
from tests.campaigns.slow_model import Mail
from tests.campaigns.test_exclusions import EDGES, people

todays = st.one_of(
    st.dates(date(2023, 1, 1), date(2029, 12, 31)), st.sampled_from([date(2024, 2, 29), date(2025, 2, 28), date(2024, 12, 31)])
)
near = st.builds(
    lambda day, back: day - timedelta(back), st.sampled_from(EDGES).map(lambda day: slow_model.return_in(2026, day)), st.integers(0, 160)
)


@hypothesis_settings(deadline=None, max_examples=100)
@given(st.lists(people, min_size=1, max_size=12), st.one_of(todays, near))
def test_the_plan_is_that_of_the_slow_model(persons, today):
    told = [
        {
            "id": number,
            "state": person.state,
            "birth_date": person.birthday and person.birthday.isoformat(),
            "effective_date": person.effective_date and person.effective_date.isoformat(),
        }
        for number, person in enumerate(persons)
    ]

    found = [[mail_of(row) for row in one["rows"]] for one in asked(*told, today=today.isoformat())]

    assert found == [slow_model.plan(person, number, today) for number, person in enumerate(persons)]


def mail_of(row):
    return Mail(
        row["email_type"],
        date.fromisoformat(row["date"]),
        date.fromisoformat(row["event_date"]),
        row["skip_reason"],
        tuple(row["skipped_emails"]),
    )
