"""Import of files with a preview, and export: what every desk that has them shares."""

import re
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import Format
from import_export.tmp_storages import BaseStorage
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from messaging.sheets import SheetRefused
from messaging.text_input import TextRefused
from portal.admin.case_files import MOST_BYTES, MOST_ROWS, Csv, CsvOrXlsx, Xlsx
from portal.admin.listing import as_listed

KEPT_SECONDS = 24 * 60 * 60  # an upload nobody confirmed


class UploadLost(OSError):
    """The uploaded file is not here any more: it was imported, or a day has passed."""


class PrivateFiles(BaseStorage):
    """Uploads between preview and confirmation: a folder of our own, names nobody can guess, gone after a day."""

    def save(self, data: bytes) -> None:
        self.name = uuid.uuid4().hex
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder().iterdir():
            if old.stat().st_mtime < time.time() - KEPT_SECONDS:
                old.unlink(missing_ok=True)
        self.path().touch(mode=0o600)
        self.path().write_bytes(data)

    def read(self) -> bytes:
        if not self.path().is_file():
            raise UploadLost("That upload is gone: it was imported already, or a day has passed. Choose the file again.")
        return self.path().read_bytes()

    def remove(self) -> None:
        self.path().unlink(missing_ok=True)

    def path(self) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", self.name or ""):
            raise UploadLost("That upload is not known. Choose the file again.")
        return folder() / self.name


def folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "imports"


class FileForm(ImportForm):
    hint = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].help_text = (
            f"CSV (UTF-8, comma-separated) or XLSX, at most {MOST_ROWS:,} rows and {MOST_BYTES // 1024**2} MB. Nothing is changed before "
            f"you have seen a preview and confirmed it. {self.hint}"
        )

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError(f"The file has {file.size:,} bytes; in the browser at most {MOST_BYTES:,}. Split it.")
        if not file.name.lower().endswith((".csv", ".xlsx")):
            raise forms.ValidationError("Only .csv or .xlsx files.")
        return file


class FileImport(ImportExportMixin):
    """The two doors on a list: Import and Export, each with its own permission. All of a file is imported, or none of it."""

    resource_classes: Sequence[type] = []
    import_form_class = FileForm
    export_form_class = ExportForm
    tmp_storage_class = PrivateFiles

    def get_import_formats(self) -> list[type[Format]]:
        return [CsvOrXlsx]

    def get_export_formats(self) -> list[type[Format]]:
        return [Csv, Xlsx]

    @as_listed
    def export_action(self, request: HttpRequest) -> Any:
        return super().export_action(request)

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        if not isinstance(e, SheetRefused | TextRefused):
            raise e
        form.add_error("import_file", getattr(e, "sentence", None) or str(e))

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Import what was previewed; a file that has changed or gone meanwhile changes nothing."""
        try:
            return super().process_import(request, **kwargs)
        except (UploadLost, SheetRefused, TextRefused) as lost:
            messages.error(request, str(lost))
        except (ValueError, IndexError):
            messages.error(request, "That confirmation cannot be read. Choose the file again.")
        return HttpResponseRedirect("../import/")

    def process_dataset(self, dataset: Any, form: Any, request: HttpRequest, **kwargs: Any) -> Any:
        result = super().process_dataset(dataset, form, request, rollback_on_validation_errors=True, **kwargs)
        if result.has_errors() or result.has_validation_errors():
            changed = f"The {self.opts.verbose_name_plural} have changed since the preview: some rows no longer fit."
            raise SheetRefused(f"{changed} Nothing was imported; preview again.")
        return result
