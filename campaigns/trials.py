"""A mail that went out as a test is no mail to the customer: it settles no event (reliability §7).

While the portal is in test mode its schedules go on as real ones would. The first run in production plans their events anew.
"""

from django.db import connection

from campaigns.models import Status

RELEASE = f"""
    UPDATE campaigns_emailschedule AS mail SET status = '{Status.PRE_SCHEDULED}', message_id = NULL, updated_at = now()
    FROM messaging_message AS message WHERE message.id = mail.message_id AND message.is_test AND mail.status = '{Status.SCHEDULED}'
"""
FOLLOWED_NOTHING = f"""
    DELETE FROM campaigns_emailschedule AS mail USING campaigns_emailschedule AS parent
    WHERE parent.id = mail.parent_id AND parent.status <> '{Status.SCHEDULED}'
        AND mail.status IN ('{Status.PRE_SCHEDULED}', '{Status.SKIPPED}')
"""


def release() -> int:
    """Schedules whose message was a test are planned again; how many. Follow-ups of such mails are gone. In the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE)
        released = cursor.rowcount
        if released:
            cursor.execute(FOLLOWED_NOTHING)
        return released
