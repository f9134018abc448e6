"""A file of targets: which contact is meant by which campaign, about which trigger date. What a file says is added; it removes nobody."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from campaigns.importing.columns import Column
from campaigns.importing.contacts import ID_DIGITS, PLAIN_ADDRESS, PLAIN_ID, SAME
from campaigns.importing.kinds import Sort, Texts, Written
from campaigns.models import CampaignInstance, Targeted
from messaging import text_input
from messaging.text_input import TextRefused, shown

PLAIN = re.compile(f"(?:{PLAIN_ID.pattern}|{PLAIN_ADDRESS.pattern})")
PLAN = """
    WITH matched AS (
        SELECT s.row, c.id AS contact_id, 1 AS contacts FROM {staged} s JOIN campaigns_contact c ON c.id = s.contact_id
        UNION ALL
        SELECT s.row, min(c.id), count(*) FROM {staged} s JOIN campaigns_contact c ON lower(c.email) = s.email GROUP BY s.row
    ), repeated AS (
        SELECT m.contact_id, instance_id, trigger_on, min(m.row) AS first_row, max(m.row) AS last_row
        FROM {staged} s JOIN matched m ON m.row = s.row WHERE contacts = 1 GROUP BY 1, 2, 3 HAVING count(*) > 1
    )
    SELECT s.row, m.contact_id, r.first_row, r.last_row, CASE
        WHEN m.row IS NULL THEN 'unknown' WHEN m.contacts > 1 THEN 'ambiguous' WHEN r.first_row IS NOT NULL THEN 'repeated'
        WHEN t.id IS NULL THEN 'new' ELSE 'unchanged' END AS kind
    FROM {staged} s LEFT JOIN matched m ON m.row = s.row
    LEFT JOIN repeated r ON r.contact_id = m.contact_id AND r.instance_id = s.instance_id
        AND r.trigger_on IS NOT DISTINCT FROM s.trigger_on
    LEFT JOIN campaigns_contactcampaign t ON t.contact_id = m.contact_id AND t.instance_id = s.instance_id
        AND t.trigger_on IS NOT DISTINCT FROM s.trigger_on
"""
MERGE = f"""
    INSERT INTO campaigns_contactcampaign (contact_id, instance_id, trigger_on, targeted)
    SELECT p.contact_id, s.instance_id, s.trigger_on, '{Targeted.FILE.value}' FROM {{staged}} s JOIN import_plan p ON p.row = s.row
    WHERE p.kind = 'new' AND p.row BETWEEN %(low)s AND %(high)s ORDER BY p.row
"""
WHO = "coalesce('the id ' || s.contact_id, 'the address ' || s.email)"


def columns(on: date) -> Sequence[Column]:
    """The columns of a file; the campaigns are those there are now."""
    return [
        Column(
            name="contact", synonyms=("contact id", "id", "email", "e-mail", "email address"), clean=as_contact, plain=PLAIN, needed=True
        ),
        Column(
            name="campaign",
            synonyms=("campaign instance", "instance", "campaign name", "campaign id"),
            clean=partial(as_campaign, find=finder()),
            needed=True,
        ),
        Column(name="trigger_date", synonyms=("trigger", "trigger on", "event date"), clean=as_trigger),
    ]


def as_contact(text: str) -> str:
    if "@" in text:
        return text_input.email_address(text, field="column 'contact'")
    return str(int(text_input.digits(text, field="column 'contact' is an id or an e-mail address, and an id", limit=ID_DIGITS)))


def as_campaign(text: str, *, find: Callable[[str], list[tuple[int, str]]]) -> int:
    """The id of the one campaign of that id, that name, or that type and name."""
    name = text_input.one_line(text, field="column 'campaign'", limit=200)
    found = find(name)
    if not found:
        raise TextRefused(f"column 'campaign': there is no campaign {shown(name)}. Give its name, its id, or type:name.")
    if len(found) > 1:
        named = " or ".join(full for _, full in found[:3])
        raise TextRefused(f"column 'campaign': {len(found)} campaigns are called {shown(name)}. Write {named}.")
    return found[0][0]


def finder() -> Callable[[str], list[tuple[int, str]]]:
    """The campaigns that a text may mean: those of that name or full name, else the one of that id."""
    by_name: dict[str, list[tuple[int, str]]] = defaultdict(list)
    by_id: dict[str, list[tuple[int, str]]] = {}
    for pk, kind, name in CampaignInstance.objects.order_by("pk").values_list("pk", "campaign_type__name", "name"):
        one = (pk, f"{kind}:{name}")
        by_id[str(pk)] = [one]
        for spelling in {name.lower(), f"{kind}:{name}".lower(), f"{kind}: {name}".lower()}:
            by_name[spelling].append(one)
    return lambda text: by_name.get(text.lower()) or by_id.get(text) or []


def as_trigger(text: str) -> str:
    return text_input.calendar_date(text, field="column 'trigger_date'").isoformat() if text.strip() else ""


def written(texts: Texts) -> Written:
    contacts = texts["contact"]
    ids = ["" if "@" in one else one for one in contacts]
    emails = [one.lower() if "@" in one else "" for one in contacts]
    return zip(ids, emails, texts["campaign"], texts.get("trigger_date") or [""] * len(contacts), strict=True)


def sort() -> Sort:
    return Sort(
        columns=columns,
        staged="contact_id bigint, email varchar(254), instance_id bigint NOT NULL, trigger_on date",
        texts=(),
        written=written,
        flagged="false",
        doubts=lambda texts: (),
        locked="campaigns_contactcampaign",
        plan=lambda present: PLAN,
        sentences={
            "repeated": ("'contact'", f"{SAME} || 'mean ' || {WHO} || ' in the same campaign on the same day.'"),
            "unknown": ("'contact'", f"'Row ' || s.row || ', column ''contact'': there is no contact with ' || {WHO} || '.'"),
            "ambiguous": (
                "'contact'",
                "'Row ' || s.row || ', column ''contact'': several contacts have the address ' || s.email || '. Write the id instead.'",
            ),
        },
        merge=lambda present: [MERGE],
    )
