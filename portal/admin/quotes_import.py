"""Import of quotes with a preview, and export: every row read by portal.quotes.importing, all of the file or none of it."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from import_export import resources
from import_export.fields import Field
from import_export.formats.base_formats import Format
from import_export.results import Result
from import_export.widgets import DateTimeWidget, DateWidget

from messaging.sheets import Row
from portal import tasks, wiring
from portal.admin.case_files import ROW, SHAPE, Csv, CsvOrXlsx, Xlsx, guarded
from portal.admin.file_import import FileImport
from portal.quotes import importing
from portal.quotes.importing import COLUMNS, FIELDS, Read
from portal.quotes.models import Quote, Status

TOLD = {  # what an export says beside; an import passes over it
    "Received": "created_at",
    "Source": "source",
    "Amount CAD": "quote_amount",
    "Customer Mail": "customer_email_state",
    "Customer Tries": "customer_email_attempts",
    "Admin Mail": "admin_email_state",
    "Admin Tries": "admin_email_attempts",
    "Answer": "customer_response",
    "Answered": "customer_response_date",
    "Notes": "admin_notes",
}
WIDGETS = {
    "Preferred Date": DateWidget("%Y-%m-%d"),
    "Received": DateTimeWidget("%Y-%m-%d %H:%M"),
    "Answered": DateTimeWidget("%Y-%m-%d %H:%M"),
}
UNUSED = ["ai_analysis", "waste_assessment", "generated_quote", "fingerprint"]


class QuoteFile(CsvOrXlsx):
    columns = COLUMNS
    names = tuple(FIELDS)
    larger = "Split it."


class QuoteSheet(Xlsx):
    page = "Quotes"


class QuoteResource(resources.ModelResource):
    class Meta:
        model = Quote
        import_id_fields = ["number"]
        fields = [*FIELDS.values(), *TOLD.values()]
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read: dict[int, Read] = {}

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """The whole file at once: its rows are compared with each other too."""
        rows = [Row(number=int(row[ROW]), values=values_of(row), cells=[], problem=row[SHAPE]) for row in dataset.dict]
        self.read = {one.row.number: one for one in importing.read(rows, on=wiring.today())}

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        one = self.read[int(row[ROW])]
        if one.problems:
            places = dict.fromkeys(place for place, _ in one.problems)
            raise ValidationError({place or "Row": [said for at, said in one.problems if at == place] for place in places})
        row["Number"] = one.fields["number"]

    def get_instance(self, instance_loader: Any, row: Any) -> Quote | None:
        return self.read[int(row[ROW])].quote

    def import_instance(self, instance: Quote, row: Any, **kwargs: Any) -> None:
        one = self.read[int(row[ROW])]
        for name, value in one.fields.items():
            setattr(instance, name, value)
        if one.quote is None:
            instance.source = "import"
            instance.fingerprint = importing.mark(one.fields)

    def do_instance_save(self, instance: Quote, is_create: bool) -> None:
        """Of a quote that is here only what its customer said is written, and only while it is pending."""
        if is_create:
            instance.save(force_insert=True)
            return
        facts = {name: getattr(instance, name) for name in importing.SAID_BY_CUSTOMERS}
        facts["fingerprint"] = importing.mark(facts)
        if not Quote.objects.filter(pk=instance.pk, status=Status.PENDING).update(**facts):
            raise ValidationError(f"{instance} is not pending any more: a file changes only what is still pending.")

    def after_import(self, dataset: Any, result: Result, **kwargs: Any) -> None:
        if not kwargs.get("dry_run"):
            tasks.ring_quotes()

    def export_resource(self, instance: Quote, selected_fields: Any = None, **kwargs: Any) -> list[str]:
        return [guarded(cell) for cell in super().export_resource(instance, selected_fields, **kwargs)]


for column, name in {**FIELDS, **TOLD}.items():
    how = {"widget": WIDGETS[column]} if column in WIDGETS else {}
    QuoteResource.fields[name] = Field(attribute=name, column_name=column, readonly=column in TOLD, **how)


def values_of(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items() if name in FIELDS}


class QuoteImport(FileImport):
    resource_classes: Sequence[type] = [QuoteResource]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("portal.add_quote")

    def get_import_formats(self) -> list[type[Format]]:
        return [QuoteFile]

    def get_export_formats(self) -> list[type[Format]]:
        return [Csv, QuoteSheet]

    def get_export_queryset(self, request: HttpRequest) -> QuerySet:
        """All that is exported, in one query; the list leaves some of it out."""
        return super().get_export_queryset(request).defer(None).defer(*UNUSED)
