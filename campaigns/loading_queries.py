"""What the scheduler asks of PostgreSQL for a chunk's contacts, as SQL. `{some}` is where its contacts are named."""

from campaigns.models.schedule import PROGRESS, SkipReason, Status
from campaigns.rules.shapes import NO_INSTANCE, STATUS_WORDS

NOTHING = -(2**31)  # stands for NULL
NO_MESSAGE = -1
RECENT = "(mail.send_on >= %(since)s OR coalesce(mail.event_on, 'infinity') >= %(since)s)"  # without an event it is never over

CONTACTS = """
    SELECT id, (coalesce(array_position(%(states)s::text[], state::text), %(other)s) - 1)::int4,
        coalesce(birth_date - date '1970-01-01', %(nothing)s), coalesce(effective_date - date '1970-01-01', %(nothing)s)
    FROM campaigns_contact WHERE {some} AND zip_code <> '' AND email LIKE '%%_@_%%' ORDER BY id
"""
TARGETS = """
    SELECT target.contact_id, target.instance_id, (array_position(%(names)s::text[], 'campaign_' || type.name) - 1)::int4,
        coalesce(target.trigger_on - date '1970-01-01', %(nothing)s), coalesce(instance.active_from - date '1970-01-01', %(nothing)s),
        coalesce(instance.active_until - date '1970-01-01', %(nothing)s)
    FROM campaigns_contactcampaign AS target
    JOIN campaigns_campaigninstance AS instance ON instance.id = target.instance_id
    JOIN campaigns_campaigntype AS type ON type.id = instance.campaign_type_id
    WHERE {some} AND (instance.active_until IS NULL OR instance.active_until >= %(since)s)
        AND coalesce(target.trigger_on, 'infinity') >= %(since)s AND 'campaign_' || type.name = ANY(%(names)s)
    ORDER BY target.contact_id, target.id
"""
FOR_ALL = """
    SELECT instance.id, (array_position(%(names)s::text[], 'campaign_' || type.name) - 1)::int4,
        coalesce(instance.active_from - date '1970-01-01', %(nothing)s), coalesce(instance.active_until - date '1970-01-01', %(nothing)s)
    FROM campaigns_campaigninstance AS instance JOIN campaigns_campaigntype AS type ON type.id = instance.campaign_type_id
    WHERE 'campaign_' || type.name = ANY(%(for_all)s) AND (instance.active_until IS NULL OR instance.active_until >= %(day)s)
    ORDER BY instance.id
"""
OWN_STATUS = " ".join(f"WHEN '{state}' THEN {STATUS_WORDS.index(state)}" for state in Status.values)
MAILS = f"""
    SELECT mail.contact_id, mail.id, {{kind}}, mail.send_on - date '1970-01-01',
        coalesce(mail.event_on - date '1970-01-01', %(nothing)s), (CASE mail.status {OWN_STATUS} END)::int4,
        coalesce(mail.campaign_instance_id, {NO_INSTANCE}), coalesce(mail.moved_from - date '1970-01-01', %(nothing)s),
        coalesce(mail.parent_id, {NO_INSTANCE}), coalesce(mail.message_id, {NO_MESSAGE})
    FROM campaigns_emailschedule AS mail
    WHERE {{some}} AND {RECENT} AND mail.email_type = ANY(%(names)s)
"""
HOW_FAR = " ".join(f"WHEN '{state}' THEN {STATUS_WORDS.index(word)}" for state, word in PROGRESS.items())
MESSAGES = f"""
    SELECT id, coalesce((sent_at AT TIME ZONE %(zone)s)::date - date '1970-01-01', %(nothing)s), (CASE status {HOW_FAR} END)::int4
    FROM messaging_message WHERE id = ANY(%(messages)s) ORDER BY id
"""  # asked apart from the mails: joined, they are looked up one by one, or all there are are read
SENDABLE = f"{MAILS} AND mail.status <> '{Status.SKIPPED}'"  # it and the next one have each their index by contact
WITHHELD = f"""
    {MAILS} AND (mail.status = '{Status.SKIPPED}') IS TRUE AND mail.skip_reason = '{SkipReason.EXCLUSION_WINDOW}' AND mail.parent_id IS NULL
"""  # skipped follow-ups concern no rule
# No index answers `(...) IS TRUE`. When a first run begins, PostgreSQL believes that next to nothing is planned: asked by status or day, it
# would read for each chunk what the run has planned so far for everybody, instead of the rows of the chunk's contacts.
AHEAD = f"""
    mail.status = '{Status.PRE_SCHEDULED}' AND mail.send_on >= %(day)s
        AND coalesce(mail.event_on >= %(day)s::date + %(longest_lead)s, false)
"""  # planned, and its own day is ahead too: the rules find it again without being told
HISTORIES = f"{SENDABLE} UNION ALL {WITHHELD} ORDER BY 1, 2"
WITHHELD_SO_FAR = f"{WITHHELD} AND (mail.send_on <= %(day)s) IS TRUE"  # on its last day too
OF_CONCERN = f"{SENDABLE} AND NOT ({AHEAD}) UNION ALL {WITHHELD_SO_FAR} ORDER BY 1, 2"
HELD = f"{SENDABLE} AND (mail.status <> '{Status.PRE_SCHEDULED}' OR mail.send_on < %(day)s) ORDER BY 1, 2"
EVENTS = """
    SELECT contact_id, (kind = 'eligibility_answered')::int4, coalesce(has_conditions, false)::int4,
        (at AT TIME ZONE %(zone)s)::date - date '1970-01-01'
    FROM campaigns_engagementevent WHERE {some} AND at >= %(since)s ORDER BY contact_id, id
"""
