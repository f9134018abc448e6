"""Files of contacts come in from the shell."""

from campaigns.models import ImportKind
from portal.management.importing import ImportCommand


class Command(ImportCommand):
    kind = ImportKind.CONTACTS
    help = (
        "Takes contacts in from a CSV file of any size: new ones are added, known ones brought up to date, all in one transaction. A row "
        "is about the contact of its id where the file has that column, else about the one of its e-mail. "
        "Rows with a mistake are written to a file of their own, to be corrected and imported again; exit code 3 then. "
        "The same file again changes nothing."
    )
