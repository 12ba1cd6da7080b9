"""Puts real cursors and days where schemathesis makes up some that would be right by their letters.

No schema can say which texts are cursors: they are the `next` of a page before. So a request that is meant to be taken gets the one
of its own first page, or none where that page is the last. Nor can a pattern tell which months have 31 days, or which of two days
comes first. Requests that are meant to be refused keep what was made up.
"""

import requests
import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta.generation.mode.is_positive:
        return
    for name in ("created", "last_used", "expires"):
        if str((case.query or {}).get(name, "")).startswith(("2", ".")):
            case.query[name] = "2026-12-01..2026-12-31"
    if "cursor" not in (case.query or {}):
        return
    del case.query["cursor"]
    page = requests.request(**case.as_transport_kwargs(base_url=case.operation.base_url), timeout=60)
    following = page.json().get("next") if page.status_code == 200 else None
    if following is not None:
        case.query["cursor"] = following
