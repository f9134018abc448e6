"""The proof on a button: every promise of the record, asked of the database while staff look on."""

import time
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from messaging import invariants
from messaging.journal import record
from messaging.models import Level
from portal import wiring


@require_http_methods(["GET", "POST"])
@permission_required("messaging.view_systemevent", raise_exception=True)
def proof(request: HttpRequest) -> HttpResponse:
    """GET lists what is promised; POST asks the database, which reads every row and may take a minute on a large record."""
    told: dict[str, Any] = {"promises": [(one, None) for one in invariants.chosen(*wiring.invariants())]}
    if request.method == "POST":
        told = asked(request)
    return render(request, "dashboard/proof.html", {**admin.site.each_context(request), "title": "Proof", **told})


def asked(request: HttpRequest) -> dict[str, Any]:
    started = time.monotonic()
    broken = {one.name: one for one in invariants.verify(*wiring.invariants())}
    if broken:
        record(Level.ALARM, "proof", f"Promises broken: {', '.join(broken)}.", by_id=request.user.pk)
    promises = [(one, broken.get(one.name)) for one in invariants.chosen(*wiring.invariants())]
    return {"promises": promises, "broken": broken, "was_asked": True, "seconds": round(time.monotonic() - started, 1)}
