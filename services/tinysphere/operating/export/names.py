"""Names of files and folders from what devices and people wrote. Pure.

A label is any text of 64 characters: "../..", "CON", two that differ by case only. A name made here never leaves its
folder, and two labels never share one.
"""

import hashlib
from urllib.parse import quote

MAX_CHARACTERS = 120
_DIGEST_CHARACTERS = 16


def folder_name(label: str) -> str:
    """The name of a class's folder.

    >>> folder_name("ankle boot"), folder_name("../etc"), folder_name(".")
    ('ankle boot', '%2E.%2Fetc', '%2E')
    >>> folder_name("Tasche für Äpfel")
    'Tasche f%C3%BCr %C3%84pfel'
    """
    name = quote(label, safe=" -_.").replace("~", "%7E")
    for place in (0, -1):
        if name[place] in " .":
            name = _encoded_at(name, place % len(name))
    if len(name) <= MAX_CHARACTERS:
        return name
    digest = hashlib.sha256(label.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{name[: MAX_CHARACTERS - _DIGEST_CHARACTERS - 1]}~{digest}"


def _encoded_at(name: str, place: int) -> str:
    return f"{name[:place]}%{ord(name[place]):02X}{name[place + 1 :]}"
