"""When two class names are one."""

import unicodedata

MAX_KEY_CHARACTERS = 256
"""Longest key of a label: one character may become eighteen when names are compared."""


def tidied(name: str) -> str:
    r"""A name as it is kept: composed characters (NFC), white space joined and none at the ends.

    >>> tidied("  ankle \t boot ")
    'ankle boot'
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


def label_key(name: str) -> str:
    """What is equal for names that are one: NFKC, case folding, white space joined.

    Case folding undoes NFKC for some characters, hence the second time: Unicode 15, section 3.13, D146.

    >>> label_key("Ankle  BOOT") == label_key("ankle boot")
    True
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
