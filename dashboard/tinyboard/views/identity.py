"""The name that a signed-in person's verdicts carry."""

from collections.abc import Mapping

MAX_NAME_CHARACTERS = 128
_CLAIMS = ("email", "preferred_username", "sub")
"""What names one person for good, the most readable first; a display name may be shared or changed."""


def name_of(claims: Mapping[str, object]) -> str:
    """The name of whoever signed in, "" for nobody.

    >>> name_of({"is_logged_in": True, "email": "ada@example.org"})
    'ada@example.org'
    >>> name_of({"is_logged_in": False})
    ''
    """
    if not claims.get("is_logged_in"):
        return ""
    found = next((str(claims[claim]).strip() for claim in _CLAIMS if claims.get(claim)), "")
    return found[:MAX_NAME_CHARACTERS]
