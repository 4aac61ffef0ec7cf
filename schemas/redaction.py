"""Secrets are recognised at the door and never go further."""

import hashlib
import json
import re
from typing import Final

_TOKEN = rb"[A-Za-z0-9_\-]"
_NEAR = _TOKEN + rb"{0,80}?"
"""How far a shape looks ahead. Without an end, a long text of near misses would take forever."""
_SLASH = rb"(?:\\?/|%2[Ff])"
_GAP = rb":?(?:\s|%20)++"
_BEARER = rb"[A-Za-z0-9._\-+/=]"
_ENDS_A_WORD = (
    rb"\\[bfnrt]",  # escapes of JSON, Python and URLs, which can end in a letter
    rb"\\x[0-9A-Fa-f]{2}",
    rb"\\u[0-9A-Fa-f]{4}",
    rb"%[0-9A-Fa-f]{2}",
    rb"[Kk]ey",  # what somebody calls a secret, and forgets the space
    rb"[Tt]oken",
    rb"[Ss]ecret",
    rb"[Bb]earer",
)
"""Letters behind which a secret can begin: others make a word of it (task-, risk-, helpdesk-)."""
_BEGINS = rb"|".join([rb"(?<![A-Za-z]sk-)", *(rb"(?<=%bsk-)" % end for end in _ENDS_A_WORD)])
_SHAPES = (
    # OpenAI, Anthropic, OpenRouter, LiteLLM ...
    rb"sk-(?:%b)%b{6,}" % (_BEGINS, _TOKEN)
    # ... and within a word only what no name looks like.
    + rb"|sk-(?=%b[a-z][A-Z])(?=%b[0-9][A-Za-z])%b{20,}" % (_NEAR, _NEAR, _TOKEN)
    + rb"|sk-(?:ant|proj|svcacct|admin)-(?=%b[A-Z])(?=%b[0-9])%b{40,}" % (_NEAR, _NEAR, _TOKEN)
    + rb"|sk-or-v1-[0-9a-f]{32,}"
    rb"|AIza[A-Za-z0-9_\-]{16,}"  # Google
    rb"|(?:AKIA|ASIA)[A-Z0-9]{16,}"  # AWS
    rb"|ABSK[A-Za-z0-9+/=]{32,}|bedrock-api-key-[A-Za-z0-9+/=]{16,}"  # AWS Bedrock
    rb"|gsk_[A-Za-z0-9]{16,}"  # Groq
    rb"|xai-[A-Za-z0-9]{16,}"  # xAI
    rb"|hf_[A-Za-z0-9]{16,}"  # Hugging Face
    rb"|xox[abeposr]-[A-Za-z0-9\-]{8,}|xapp-[A-Za-z0-9\-]{8,}"  # Slack
    # ... and the addresses of its webhooks, in which a slash may be escaped.
    + rb"|hooks\.slack\.com%b(?:services|triggers|workflows)" % _SLASH
    + rb"(?:%b|%b){16,}" % (_SLASH, _TOKEN)
    + rb"|whsec_[A-Za-z0-9+/=]{16,}|whsk_[A-Za-z0-9+/=]{16,}"  # Standard Webhooks
    + rb"|Bearer%b%b{8,}" % (_GAP, _BEARER)
    # Within a sentence a bearer may be one of anything: only what has a digit is a token.
    + rb"|bearer%b(?=%b{0,80}?[0-9])%b{8,}" % (_GAP, _BEARER, _BEARER)
)
_SECRET = re.compile(_SHAPES)
_SECRET_TEXT = re.compile(_SHAPES.decode())
_KEY_PREFIXES = ("sk-", "AIza", "AKIA", "Bearer ")
MARK = "<secret>"
HASHED = "sha256:"
"""Before the hash that stands for an id."""
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
TEXT_LENGTH_MAX: Final = 256
"""Characters kept of a text that somebody else chose."""
_LOOKED_AT: Final = 16 * TEXT_LENGTH_MAX
"""Characters of a text in which secrets are looked for before it is cut: of one that the cut goes
through nobody could tell any more what is left of it."""


_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\u00([2-7][0-9A-Fa-f])")
_ID = re.compile(rb'("(?:event_id|key_id|provider_key_id)"\s*:\s*)("(?:[^"\\]++|\\.)*+")')


_HINTS: Final = {
    b"sk-": b"k-",
    b"AIza": b"Iz",
    b"AKIA": b"IA",
    b"ASIA": b"IA",
    b"gsk_": b"k_",
    b"xai-": b"xa",
    b"hf_": b"hf",
    b"xox": b"xo",
    b"xapp-": b"xa",
    b"hooks.slack.com": b"k.",
    b"whs": b"hs",
    b"ABSK": b"SK",
    b"bedrock-api-key-": b"k-",
    b"earer": b"r :%\t\n\v\f\r",
}
"""The beginnings of the shapes, and two neighbours in each that ordinary events seldom have: a
letter, and any of those that come behind it.

None is the first of some and the second of others, or the second of two.
"""
_HINT: Final = re.compile(b"|".join(map(re.escape, _HINTS)))
_FIRSTS: Final = sorted({first for first, *_ in _HINTS.values()})
_STEP: Final = 32
_OTHER: Final = 200
_LONG: Final = 16_384
"""Bytes from which one pass over all neighbours is quicker than a search for the hints."""


def _codes() -> bytes:
    """For each byte a number: of neighbours, the second one's is the first one's and `_STEP`."""
    codes = bytearray([_OTHER]) * 256
    for first, *seconds in _HINTS.values():
        codes[first] = _FIRSTS.index(first)
        for second in seconds:
            codes[second] = codes[first] + _STEP
    return bytes(codes)


_CODES: Final = _codes()


def may_hold_secret(raw: bytes) -> bool:
    """Whether bytes hold the beginning of a known secret's shape: a cheap test before a scrub."""
    if len(raw) < _LONG:
        return _HINT.search(raw) is not None
    import numpy as np  # noqa: PLC0415 - `leakline --help` has no use for it

    codes = np.frombuffer(raw.translate(_CODES), dtype=np.uint8)
    met = codes[1:] - codes[:-1] == _STEP
    if not met.any():
        return False
    firsts = {_FIRSTS[code] for code in set(codes[:-1][met].tolist())}
    return any(near[0] in firsts and hint in raw for hint, near in _HINTS.items())


def scrub(raw: bytes) -> bytes:
    """Bytes with everything that looks like a secret replaced by a mark, escaped or not.

    An id becomes what it becomes at the door, `public_key_id`: different ones stay different.
    """
    if b"\\u00" in raw:
        raw = _ESCAPE.sub(_unescape, raw)
    return _SECRET.sub(MARK.encode(), _ID.sub(_public, raw)) if may_hold_secret(raw) else raw


def _unescape(escape: re.Match[bytes]) -> bytes:
    letter = bytes([int(escape[2], 16)])
    return escape[0] if letter in b'"\\\x7f' else escape[1] + letter


def _public(field: re.Match[bytes]) -> bytes:
    try:
        value = json.loads(field[2])
        public = public_key_id(value)
    except ValueError:  # cut short, or no Unicode
        return field[0]
    return field[0] if public == value else field[1] + b'"%b"' % public.encode()


def scrub_text(text: str) -> str:
    """Text with everything that looks like a secret replaced by a mark."""
    return _SECRET_TEXT.sub(MARK, text)


def beginning(text: str) -> str:
    """The first `TEXT_LENGTH_MAX` characters of a text, without secrets if it is longer."""
    return text if len(text) <= TEXT_LENGTH_MAX else scrub_text(text[:_LOOKED_AT])[:TEXT_LENGTH_MAX]


def end(text: str) -> str:
    """The last `TEXT_LENGTH_MAX` characters of a text, without secrets if it is longer."""
    if len(text) <= TEXT_LENGTH_MAX:
        return text
    return scrub_text(text[-_LOOKED_AT:])[-TEXT_LENGTH_MAX:]


def public_key_id(key_id: str) -> str:
    """The id itself, or `sha256:` and the hash of it when it is a raw secret, or holds one."""
    if key_id.startswith(_KEY_PREFIXES) or _SECRET_TEXT.search(key_id):
        return hashed_key_id(key_id)
    return key_id


def hashed_key_id(key_id: str) -> str:
    """What stands for a key id that cannot be used as it is."""
    return HASHED + hashlib.sha256(key_id.encode()).hexdigest()


def other_form(key_id: str) -> str | None:
    """The id that a hashed key has elsewhere: LiteLLM's payloads have the hash alone."""
    if not (match := _HASH.fullmatch(key_id)):
        return None
    return match[1] if key_id.startswith(HASHED) else HASHED + key_id
