"""Files of targets come in: which contact, which campaign, about which day."""

import pytest

from campaigns.importing.refusals import AlreadyImported
from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, ImportKind
from tests.campaigns.files import brought_in, counts, reasons, written

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaigns() -> list[CampaignInstance]:
    made = []
    for kind, name in [("rate_increase", "Spring"), ("seasonal_promo", "Spring"), ("rate_increase", "Autumn")]:
        campaign_type, _ = CampaignType.objects.get_or_create(name=kind)
        made.append(CampaignInstance.objects.create(campaign_type=campaign_type, name=name))
    return made


@pytest.fixture
def people() -> list[Contact]:
    addresses = ["ada@x.example", "Bob@x.example", "twin@x.example", "TWIN@x.example"]
    return [Contact.objects.create(email=address, zip_code="90210", state="CA") for address in addresses]


def targets(folder, *lines: str, header: str = "contact,campaign,trigger_date"):
    return brought_in(written(folder, "\n".join([header, *lines, ""]), name="targets.csv"), kind=ImportKind.TARGETS)


def test_contacts_by_id_or_address_and_campaigns_by_id_name_or_type_and_name(tmp_path, campaigns, people):
    job = targets(
        tmp_path,
        f"{people[0].pk},autumn,2026-09-01",
        "BOB@x.example,seasonal_promo:Spring,09/02/2026",
        f"bob@x.example,{campaigns[0].pk},",
    )

    assert counts(job) == {"rows": 3, "new": 3, "changed": 0, "unchanged": 0, "refused": 0}
    assert [
        (row.contact, row.instance, str(row.trigger_on), row.targeted)
        for row in ContactCampaign.objects.order_by("pk").select_related("contact", "instance")
    ] == [
        (people[0], campaigns[2], "2026-09-01", "file"),
        (people[1], campaigns[1], "2026-09-02", "file"),
        (people[1], campaigns[0], "None", "file"),
    ]


WRONG = [  # a line, the column, what is said, and a line like it that is taken
    ("nobody@x.example,Autumn,", "contact", "there is no contact with the address nobody@x.example.", "ada@x.example,Autumn,"),
    ("999999,Autumn,", "contact", "there is no contact with the id 999999.", "ada@x.example,Autumn,"),
    (
        "twin@x.example,Autumn,",
        "contact",
        "several contacts have the address twin@x.example. Write the id instead.",
        "bob@x.example,Autumn,",
    ),
    (",Autumn,", "contact", "is required", "bob@x.example,Autumn,"),
    ("ada@x.example,,", "campaign", "column 'campaign' is required.", "ada@x.example,autumn,"),
    ("ada@x.example,Winter,", "campaign", "there is no campaign 'Winter'. Give its name, its id, or type:name.", "ada@x.example,Autumn,"),
    ("ada@x.example,Spring,", "campaign", "Write rate_increase:Spring or seasonal_promo:Spring.", "ada@x.example,rate_increase:Spring,"),
    ("ada@x.example,Autumn,2026-02-30", "trigger_date", "'2026-02-30' is not a date", "ada@x.example,Autumn,2026-02-28"),
    ("ada@x.example,Autumn,1/2/26", "trigger_date", "write the year with 4 digits", "ada@x.example,Autumn,1/2/2026"),
]


@pytest.mark.parametrize(("line", "column", "sentence", "twin"), WRONG, ids=[line for line, *_ in WRONG])
def test_a_target_that_cannot_be_meant_says_why_and_its_twin_is_taken(tmp_path, campaigns, people, line, column, sentence, twin):
    job = targets(tmp_path, line)
    other = targets(tmp_path, twin)

    ((row, place, reason),) = reasons(job)
    assert (row, place) == (2, column)
    assert sentence in reason
    assert (counts(job)["new"], counts(other)["new"]) == (0, 1)


def test_the_same_target_twice_in_a_file_is_refused_and_one_that_is_there_already_stays(tmp_path, campaigns, people):
    ContactCampaign.objects.create(contact=people[0], instance=campaigns[2], trigger_on=None)

    job = targets(tmp_path, "ada@x.example,Autumn,", f"bob@x.example,{campaigns[2].pk},2026-01-01", f"{people[1].pk},Autumn,01/01/2026")

    assert counts(job) == {"rows": 3, "new": 0, "changed": 0, "unchanged": 1, "refused": 2}
    said = [reason for _, _, reason in reasons(job)]
    assert said[0] == "Rows 3 and 4 both mean the address bob@x.example in the same campaign on the same day."
    with pytest.raises(AlreadyImported):
        targets(tmp_path, "ada@x.example,Autumn,", f"bob@x.example,{campaigns[2].pk},2026-01-01", f"{people[1].pk},Autumn,01/01/2026")
