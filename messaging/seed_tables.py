"""The four tables that older programs know the log by, as views that are only ever read: nothing is kept twice.

`promises.py` installs them with the migration.
"""

NAMES = ["message_logs", "session_summaries", "analytics_cache", "system_logs"]

OWN_STATUS = """CASE
            WHEN m.status = 'sent' AND m.bounced_at IS NOT NULL AND m.delivered_at IS NULL THEN 'failed'
            WHEN m.status = 'sent' AND m.read_at IS NOT NULL THEN 'read'
            WHEN m.status = 'sent' AND m.delivered_at IS NOT NULL THEN 'delivered'
            WHEN m.status IN ('queued', 'held') THEN 'pending'
            WHEN m.status IN ('claimed', 'transmitting', 'in_doubt') THEN 'sending'
            ELSE m.status END"""

MESSAGE_LOGS = f"""
    CREATE VIEW message_logs AS
    SELECT m.key AS id, m.created_at AS timestamp, coalesce(u.username, 'portal') AS user_id,
        coalesce(m.session_id::text, '') AS session_id,
        'email' AS channel, coalesce(t.name, '') AS template_id, coalesce(t.title, '') AS template_name,
        m.recipient AS recipient_email, coalesce(c.patient_name, '') AS recipient_name, ''::text AS recipient_phone,
        coalesce(c.firm, '') AS recipient_company, {OWN_STATUS} AS message_status, m.message_id AS message_id,
        m.status AS delivery_status, m.error AS error_message, m.sent_at, m.delivered_at, m.read_at, NULL::timestamptz AS response_received,
        left(m.text, 100) AS content_preview, jsonb_build_object('subject', m.subject, 'test', m.is_test) AS metadata, m.created_at,
        greatest(m.created_at, m.sent_at, m.delivered_at, m.read_at, m.bounced_at) AS updated_at
    FROM messaging_message m LEFT JOIN auth_user u ON u.id = m.queued_by_id LEFT JOIN messaging_case c ON c.id = m.case_id
        LEFT JOIN messaging_templateversion v ON v.id = m.template_version_id LEFT JOIN messaging_emailtemplate t ON t.id = v.template_id
    UNION ALL
    SELECT log_id, logged_at, user_id, session_id, channel, template_id, template_name, recipient_email, recipient_name, recipient_phone,
        recipient_company, status, provider_id, status, error, sent_at, delivered_at, read_at, NULL, preview, detail, created_at, updated_at
    FROM messaging_loggedmessage;
"""

COUNTED = """
        count(l.id) AS total_messages, count(l.id) FILTER (WHERE l.good) AS successful_messages,
        count(l.id) FILTER (WHERE l.status IN ('failed')) AS failed_messages,
        count(l.id) FILTER (WHERE l.status IN ('pending', 'sending', 'queued', 'claimed', 'transmitting', 'in_doubt', 'held'))
            AS pending_messages,
        count(l.id) FILTER (WHERE l.status = 'cancelled') AS cancelled_messages,
        coalesce(round(100.0 * count(l.id) FILTER (WHERE l.good) / nullif(count(l.id), 0), 1), 0) AS success_rate"""

SESSION_SUMMARIES = f"""
    CREATE VIEW session_summaries AS
    SELECT s.id::text AS session_id, coalesce(u.username, 'portal') AS user_id, s.started_at AS start_time, s.ended_at AS end_time,
        s.channel, coalesce(t.title, '') AS template_used, {COUNTED},
        jsonb_build_array(s.channel) AS channels_used, jsonb_build_array(t.title) AS templates_used,
        jsonb_build_object('name', s.name, 'mode', s.mode) AS session_metadata, s.started_at AS created_at,
        coalesce(s.ended_at, s.started_at) AS updated_at
    FROM messaging_messagesession s LEFT JOIN auth_user u ON u.id = s.started_by_id
        LEFT JOIN messaging_templateversion v ON v.id = s.template_version_id LEFT JOIN messaging_emailtemplate t ON t.id = v.template_id
        LEFT JOIN (SELECT id, session_id, status, status = 'sent' AND (bounced_at IS NULL OR delivered_at IS NOT NULL) AS good
            FROM messaging_message) l ON l.session_id = s.id
    GROUP BY s.id, u.username, t.title
    UNION ALL
    SELECT s.session_id, s.user_id, s.started_at, s.ended_at, s.channel, s.template, {COUNTED},
        coalesce(jsonb_agg(DISTINCT l.channel) FILTER (WHERE l.id IS NOT NULL), '[]'),
        coalesce(jsonb_agg(DISTINCT l.template_name) FILTER (WHERE l.template_name <> ''), '[]'), s.detail, s.started_at, s.updated_at
    FROM messaging_loggedsession s
        LEFT JOIN (SELECT *, status IN ('sent', 'delivered', 'read') AS good FROM messaging_loggedmessage) l ON l.session_id = s.session_id
    GROUP BY s.id;
"""

OTHERS = """
    CREATE VIEW analytics_cache AS
    SELECT name AS report_id, split_part(name, ':', 1) AS user_id, made_at AS generated_at, period_from AS date_range_start,
        period_until AS date_range_end, figures AS report_data
    FROM messaging_snapshot OFFSET 0;  -- without the OFFSET, PostgreSQL would let it be written through
    CREATE VIEW system_logs AS
    SELECT e.event_id::text AS id, e.at AS timestamp, e.level, e.component, e.text AS message, e.detail AS details,
        coalesce(u.username, '') AS user_id, ''::text AS session_id
    FROM messaging_systemevent e LEFT JOIN auth_user u ON u.id = e.by_id;
"""

SQL = MESSAGE_LOGS + SESSION_SUMMARIES + OTHERS
REVERSE = f"""
    DROP VIEW {", ".join(reversed(NAMES))};
"""
