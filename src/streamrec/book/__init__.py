"""What the pages of the book use: checks, claims, figures and exercise feedback."""

from streamrec.book.checks import CheckError, ClaimError, check, claim
from streamrec.book.selfcheck import chapter_exercises, selfcheck

__all__ = [
    "CheckError",
    "ClaimError",
    "chapter_exercises",
    "check",
    "claim",
    "selfcheck",
]
