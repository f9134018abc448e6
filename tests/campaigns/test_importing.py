import pytest
from campaigns.models import Contact
from tests.campaigns.files import *

pytestmark = pytest.mark.django_db(transaction=True)


def test_a(tmp_path):
    path = written(
        tmp_path,
        table(
            [
                ada(),
                ada(email="Bob@X.example", state="KS", birth_date="x"),
                ada(email="c@x.example", zip_code="2139"),
                ada(email="b@y.example"),
                ada(email="B@y.example"),
            ]
        ),
    )
    job = brought_in(path)
    print(counts(job), reasons(job), contacts())
    j2 = brought_in(
        written(tmp_path, table([ada(), ada(email="bob@x.example", state="KS", birth_date="1950-01-01"), ada(email="b@y.example")]))
    )
    print(counts(j2), reasons(j2), contacts())
    from campaigns.importing.refusals import refused_file

    print(b"".join(refused_file(job)).decode())
    print(jobs.dry_run(written(tmp_path, table([ada(), ada(email="n@x.example")])), kind="contacts", terms=TERMS))
    assert 0
