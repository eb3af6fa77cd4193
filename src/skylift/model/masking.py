"""Secrets in words that come from elsewhere: what a host's program prints may hold one, and is told on.

Programs of OpenStack print what they were configured with when they fail: SQLAlchemy quotes a whole URL of
a database that it cannot read, with its password. What is told on to a screen, a journal or a person goes
through here. A secret that nothing marks as one cannot be seen; ours are in no words at all.
"""

from __future__ import annotations

import re

MASK = "***"

_NAMED = r"pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
_VALUE = r"(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s'\",;&)}]+)"
_PATTERNS = (
    # A key of any kind, from its first line to its last, or to the end of what there is of it.
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", MASK),
    # mysql+pymysql://nova:PASSWORD@vip/nova; a password may hold what a URL should have quoted.
    (r"(://[^\s:/@'\"]*:)[^\s'\"]*(?=@)", rf"\1{MASK}"),
    # Authorization: Bearer TOKEN
    (r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", rf"\1 {MASK}"),
    # password = SECRET, "admin_token": "SECRET", --os-password=SECRET
    (rf"((?:{_NAMED})[\w-]*['\"]?\s*=\s*){_VALUE}", rf"\1{MASK}"),
    # The same with a colon, but for a place in a record, after which words of ours say what is wrong there:
    # notify.chat.token: it would go over plain http
    (rf"((?<![\w.-])[\w-]*(?:{_NAMED})[\w-]*['\"]?\s*:\s*){_VALUE}", rf"\1{MASK}"),
    # --os-password SECRET
    (rf"(--[\w-]*(?:{_NAMED})[\w-]*\s+)(?!-)\S+", rf"\1{MASK}"),
    # A token of keystone, as Fernet writes it.
    (r"\bgAAAAA[\w-]{20,}=*", MASK),
)
_MASKS = tuple((re.compile(wrong, re.IGNORECASE | re.DOTALL), right) for wrong, right in _PATTERNS)
_MARKS = re.compile(rf"PRIVATE KEY|://|bearer|basic|gAAAAA|{_NAMED}", re.IGNORECASE)
"""Without one of these there is nothing to mask: most words have none."""


def masked(text: str) -> str:
    """``text`` with ``***`` for each secret that something in it marks as one."""
    if _MARKS.search(text):
        for wrong, right in _MASKS:
            text = wrong.sub(right, text)
    return text
