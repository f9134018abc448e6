"""Where the test database is, said so that another process finds it: over TCP, or by the folder of its socket."""

from urllib.parse import quote

from django.db import connection


def database_url() -> str:
    """DATABASE_URL for a process that shall work on this test's database."""
    there = {name: quote(str(value or ""), safe="") for name, value in connection.settings_dict.items() if isinstance(value, str | int)}
    host, port = str(connection.settings_dict["HOST"]), there["PORT"] or "5432"
    login = there["USER"] + (f":{there['PASSWORD']}" if there["PASSWORD"] else "")
    if host.startswith("/"):
        return f"postgres://{login}@/{there['NAME']}?host={host}&port={port}"
    return f"postgres://{login}@{host or 'localhost'}:{port}/{there['NAME']}"
