"""What became of the messages of a period, by channel, template, day, hour and domain; counted once, then shown for an hour.

The portal's own mails and what other programs logged are counted alike. Successful are those that were sent and did not come back; the
rate is their share of all messages of the period. A test mail went to the office itself: it is counted where `test` says so.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from messaging.models import ErrorGroup, Snapshot

VALID_FOR = timedelta(hours=1)
EVERYBODY = "everybody"
MOST_SHOWN = 20  # templates, domains, companies, recipients
FEW_MESSAGES = 20  # below that, a rate says nothing
WEAK_RATE = 90.0  # percent
SAID_OFTEN = 5  # times
LONGEST_DAYS = 3_650

LINES = """
    lines AS MATERIALIZED (
        SELECT 'email'::text AS channel, coalesce(t.title, m.kind) AS template, lower(split_part(m.intended_for, '@', 2)) AS domain,
            lower(m.intended_for) AS recipient, coalesce(c.firm, '') AS company, m.created_at AT TIME ZONE %(zone)s AS local,
            CASE WHEN m.bounced_at IS NOT NULL AND m.delivered_at IS NULL THEN 'bounced' ELSE m.status END AS status,
            extract(epoch FROM m.sent_at - m.created_at) AS seconds, extract(epoch FROM m.delivered_at - m.sent_at) AS arrival,
            m.read_at IS NOT NULL AS opened
        FROM messaging_message m LEFT JOIN messaging_case c ON c.id = m.case_id
            LEFT JOIN messaging_templateversion v ON v.id = m.template_version_id
            LEFT JOIN messaging_emailtemplate t ON t.id = v.template_id
        WHERE m.created_at >= %(start)s AND m.created_at < %(until)s AND m.is_test = %(test)s
        UNION ALL
        SELECT channel, coalesce(nullif(template_name, ''), 'none'), lower(split_part(recipient_email, '@', 2)), lower(recipient_email),
            recipient_company, logged_at AT TIME ZONE %(zone)s,
            CASE WHEN status IN ('sent', 'delivered', 'read') THEN 'sent' ELSE status END,
            extract(epoch FROM sent_at - logged_at), extract(epoch FROM delivered_at - sent_at), read_at IS NOT NULL
        FROM messaging_loggedmessage WHERE logged_at >= %(start)s AND logged_at < %(until)s AND NOT %(test)s
    )"""
COUNTS = """count(*), count(*) FILTER (WHERE status = 'sent'), count(*) FILTER (WHERE status IN ('failed', 'bounced')),
        count(*) FILTER (WHERE opened)"""
GROUPS = ("channel", "template", "day", "hour", "domain", "company", "status")
BY_GROUP = f"""
    WITH {LINES}, dated AS (SELECT *, local::date::text AS day, extract(hour FROM local)::int::text AS hour FROM lines)
    SELECT grouping({", ".join(GROUPS)}), coalesce({", ".join(GROUPS)}, ''), {COUNTS},
        percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds), percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds),
        percentile_disc(0.5) WITHIN GROUP (ORDER BY arrival)
    FROM dated GROUP BY GROUPING SETS ({", ".join(f"({name})" for name in GROUPS)}, ())"""
REPEATED = f"""
    WITH {LINES} SELECT recipient, count(*) FROM lines WHERE recipient <> '' GROUP BY 1 HAVING count(*) > 1
    ORDER BY 2 DESC, 1 LIMIT {MOST_SHOWN}"""


def report(*, days: int, at: datetime, zone: str, test: bool = False, fresh: bool = False) -> dict[str, Any]:
    """The figures of the last `days`, at most an hour old; counted now if `fresh`, or where there are none so young."""
    kept = None if fresh else newest(days=days, test=test)
    if kept and kept.made_at > at - VALID_FOR:
        return as_told(kept)
    return as_told(rebuild(days=days, at=at, zone=zone, test=test))


def newest(*, days: int, test: bool = False) -> Snapshot | None:
    """The last figures that were counted, however old."""
    return Snapshot.objects.filter(name=name_of(days, test)).first()


def rebuild(*, days: int, at: datetime, zone: str, test: bool = False) -> Snapshot:
    """The figures are counted and kept."""
    start = at - timedelta(days=days)
    facts = {"period_from": start, "period_until": at, "made_at": at, "figures": count(start=start, until=at, zone=zone, test=test)}
    return Snapshot.objects.update_or_create(name=name_of(days, test), defaults=facts)[0]


def as_told(kept: Snapshot) -> dict[str, Any]:
    return {"made_at": kept.made_at, "period_from": kept.period_from, "period_until": kept.period_until, **kept.figures}


def name_of(days: int, test: bool) -> str:
    return f"{EVERYBODY}:{days}d{':test' if test else ''}"


def count(*, start: datetime, until: datetime, zone: str, test: bool) -> dict[str, Any]:
    """The figures themselves, from one reading of the record."""
    told: dict[str, Any] = {"start": start, "until": until, "zone": zone, "test": test}
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', false)")
        try:
            cursor.execute(BY_GROUP, told)
            rows = cursor.fetchall()
            cursor.execute(REPEATED, told)
            repeated = [{"recipient": recipient, "messages": number} for recipient, number in cursor.fetchall()]
        finally:
            cursor.execute("RESET statement_timeout")
    return arranged(rows, repeated=repeated, errors=common_errors(since=start))


def arranged(rows: list[tuple[Any, ...]], *, repeated: list[dict[str, Any]], errors: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer of the grouping, as figures people know."""
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in GROUPS}
    whole = entry("", 0, 0, 0, 0, None)
    arrival: tuple[Any, Any] = (None, None)
    for mask, key, *numbers, slow, median_arrival in rows:
        line = entry(key, *numbers)
        if mask == 2 ** len(GROUPS) - 1:
            whole, arrival = line, (slow, median_arrival)
        else:
            groups[GROUPS[len(GROUPS) - 1 - absent_bit(mask)]].append(line)
    return {
        "messages_in_period": whole["messages"],
        "success_rate": whole["success_rate"],
        "successful": whole["successful"],
        "failed": whole["failed"],
        "opened": whole["opened"],
        "by_status": {line["name"]: line["messages"] for line in by_count(groups["status"])},
        "by_channel": by_count(groups["channel"]),
        "by_template": by_count(groups["template"])[:MOST_SHOWN],
        "by_day": by_name(groups["day"]),
        "by_hour": sorted(groups["hour"], key=lambda line: int(line["name"])),
        "by_domain": by_count(groups["domain"])[:MOST_SHOWN],
        "busiest_days": by_count(groups["day"])[:5],
        "peak_hours": by_count(groups["hour"])[:5],
        "top_companies": [line for line in by_count(groups["company"]) if line["name"]][:MOST_SHOWN],
        "repeat_recipients": repeated,
        "common_errors": errors,
        "response_times": {"median_seconds": whole["median_seconds"], "slow_seconds": rounded(arrival[0]), "arrival": rounded(arrival[1])},
        "recommendations": recommendations(whole, groups, errors),
    }


def absent_bit(mask: int) -> int:
    """Which group a line belongs to: the one bit that is not set, counted from the right."""
    return next(bit for bit in range(len(GROUPS)) if not mask >> bit & 1)


def entry(name: str, messages: int, successful: int, failed: int, opened: int, median: Any) -> dict[str, Any]:
    rate = round(100 * successful / messages, 1) if messages else 0.0
    facts = {"messages": messages, "successful": successful, "failed": failed, "opened": opened}
    return {"name": name, **facts, "success_rate": rate, "median_seconds": rounded(median)}


def common_errors(*, since: datetime) -> list[dict[str, Any]]:
    groups = ErrorGroup.objects.filter(last_at__gte=since).order_by("-count", "pk")[:MOST_SHOWN]
    return [{"id": group.pk, "component": group.component, "error": group.shape, "times": group.count} for group in groups]


def recommendations(whole: dict[str, Any], groups: dict[str, list[dict[str, Any]]], errors: list[dict[str, Any]]) -> list[str]:
    """What a person could do about it, in sentences."""
    found = [
        f"{weak['success_rate']} % of the mails to {weak['name']} succeeded: look at the addresses there, and at what their server says."
        for weak in by_count(groups["domain"])
        if is_weak(weak)
    ]
    found += [
        f"{weak['success_rate']} % of '{weak['name']}' succeeded, of all messages {whole['success_rate']} %: look at that template."
        for weak in by_count(groups["template"])
        if is_weak(weak) and weak["success_rate"] < whole["success_rate"]
    ]
    found += [f"This was said {one['times']} times: {one['error']}" for one in errors[:3] if one["times"] >= SAID_OFTEN]
    return found[:10]


def is_weak(line: dict[str, Any]) -> bool:
    return bool(line["name"]) and line["messages"] >= FEW_MESSAGES and line["success_rate"] < WEAK_RATE


def by_count(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: (-line["messages"], line["name"]))


def by_name(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(lines, key=lambda line: str(line["name"]))


def rounded(seconds: Any) -> float | None:
    return None if seconds is None else round(float(seconds), 1)
