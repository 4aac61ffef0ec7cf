"""Why a request failed, in the words of an event, whatever the gateway calls it."""

import re
from collections.abc import Mapping
from typing import Final

Failure = tuple[int, str]
"""HTTP status and error type."""
FAILED: Final[Failure] = (500, "server_error")
"""Of which nothing else is known."""
_KINDS: Final = {
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    429: "rate_limit",
    504: "timeout",
}
_WORDS: Final = {
    "invalid_request": 400,
    "expired_key": 401,
    "provider_auth": 401,
    "revoked_key": 401,
    "budget_exceeded": 429,
    "server_error": 500,
} | {kind: status for status, kind in _KINDS.items()}
"""Every `error_type`, with the status of a failure that names no other."""
_NAMES: Final[Mapping[str, Failure]] = {
    "responsevalidation": FAILED,  # what the provider answered made no sense to a library
    "budgetexceeded": (429, "budget_exceeded"),
    "servicequotaexceeded": (400, "rate_limit"),  # so AWS answers
    "ratelimit|toomanyrequests|throttl|resourceexhausted|quota|notready": (429, "rate_limit"),
    "authentication|unauthorized|unauthenticated|invalidapikey": (401, "invalid_api_key"),
    "permissiondenied|forbidden|accessdenied": (403, "permission_denied"),
    "notfound": (404, "not_found"),
    "timeout|timedout|deadlineexceeded": (504, "timeout"),  # 408 would put the blame on the caller
    "badrequest|invalidrequest|invalidargument|validation|unprocessable": (400, "invalid_request"),
    "contextwindow|contextlength|contentpolicy|contentfilter": (400, "invalid_request"),
}
"""By what is in the names of errors and exceptions of providers and their libraries."""
_NO_LETTERS: Final = re.compile(r"[\W\d_]+")


def kind_of(status: int) -> str:
    """The `error_type` of an HTTP status that says that a request failed."""
    return _KINDS.get(status) or ("invalid_request" if status < 500 else "server_error")


def known_failure(name: str) -> Failure | None:
    """What failed, when the name that a gateway or a library gives it says so."""
    if name in _WORDS:
        return _WORDS[name], name
    plain = _NO_LETTERS.sub("", name).lower()
    return next((failed for words, failed in _NAMES.items() if re.search(words, plain)), None)
