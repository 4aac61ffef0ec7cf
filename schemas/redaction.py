"""Secrets are recognised at the door and never go further."""

import hashlib
import re
from typing import Final

_SHAPES = (
    # OpenAI, Anthropic, OpenRouter, LiteLLM; behind letters (risk-, task-) only what is no word.
    rb"(?<![A-Za-z]{2})sk-[A-Za-z0-9_\-]{6,}"
    rb"|sk-(?=[A-Za-z_\-]*[0-9])[A-Za-z0-9_\-]{20,}"
    rb"|AIza[A-Za-z0-9_\-]{16,}"  # Google
    rb"|(?:AKIA|ASIA)[A-Z0-9]{12,}"  # AWS
    rb"|gsk_[A-Za-z0-9]{16,}"  # Groq
    rb"|xai-[A-Za-z0-9]{16,}"  # xAI
    rb"|hf_[A-Za-z0-9]{16,}"  # Hugging Face
    rb"|xox[abposr]-[A-Za-z0-9\-]{8,}"  # Slack
    rb"|whsec_[A-Za-z0-9+/=]{16,}"  # Standard Webhooks
    rb"|Bearer\s+[A-Za-z0-9._\-+/=]{8,}"
)
_SECRET = re.compile(_SHAPES)
_SECRET_TEXT = re.compile(_SHAPES.decode())
_KEY_PREFIXES = ("sk-", "AIza", "AKIA", "ASIA", "gsk_", "xai-", "hf_", "Bearer ")
MARK = "<secret>"


_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\u00([2-7][0-9A-Fa-f])")


_HINTS: Final = {
    b"sk-": b"k-",
    b"AIza": b"Iz",
    b"AKIA": b"IA",
    b"ASIA": b"IA",
    b"gsk_": b"k_",
    b"xai-": b"xa",
    b"hf_": b"hf",
    b"xox": b"xo",
    b"whsec_": b"hs",
    b"Bearer": b"Be",
}
"""The beginnings of the shapes, and two neighbours in each that ordinary events seldom have.

No letter is the first of one pair and the second of another.
"""
_FIRSTS: Final = sorted({first for first, _ in _HINTS.values()})
_STEP: Final = 32
_OTHER: Final = 200
_LONG: Final = 16_384
"""Bytes from which one pass over all pairs is quicker than a search for each hint."""


def _codes() -> bytes:
    """For each byte a number: of a pair, the second letter's is the first one's and `_STEP`."""
    codes = bytearray([_OTHER]) * 256
    for first, second in _HINTS.values():
        codes[first] = _FIRSTS.index(first)
        codes[second] = codes[first] + _STEP
    return bytes(codes)


_CODES: Final = _codes()


def may_hold_secret(raw: bytes) -> bool:
    """Whether bytes hold the beginning of a known secret's shape: a cheap test before a scrub."""
    if len(raw) < _LONG:
        return any(hint in raw for hint in _HINTS)
    import numpy as np  # noqa: PLC0415 - `leakline --help` has no use for it

    codes = np.frombuffer(raw.translate(_CODES), dtype=np.uint8)
    met = codes[1:] - codes[:-1] == _STEP
    if not met.any():
        return False
    firsts = {_FIRSTS[code] for code in set(codes[:-1][met].tolist())}
    return any(pair[0] in firsts and hint in raw for hint, pair in _HINTS.items())


def scrub(raw: bytes) -> bytes:
    """Bytes with everything that looks like a secret replaced by a mark, escaped or not."""
    if b"\\u00" in raw:
        raw = _ESCAPE.sub(_unescape, raw)
    return _SECRET.sub(MARK.encode(), raw) if may_hold_secret(raw) else raw


def _unescape(escape: re.Match[bytes]) -> bytes:
    letter = bytes([int(escape[2], 16)])
    return escape[0] if letter in b'"\\\x7f' else escape[1] + letter


def scrub_text(text: str) -> str:
    """Text with everything that looks like a secret replaced by a mark."""
    return _SECRET_TEXT.sub(MARK, text)


def public_key_id(key_id: str) -> str:
    """The id itself, or `sha256:` and the hash of it when it is a raw secret, or holds one."""
    if key_id.startswith(_KEY_PREFIXES) or _SECRET_TEXT.search(key_id):
        return "sha256:" + hashlib.sha256(key_id.encode()).hexdigest()
    return key_id
