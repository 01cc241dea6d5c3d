"""What the pages of the book use: checks, claims, figures and exercise feedback."""

from streamrec.book.checks import CheckError, ClaimError, check, claim
from streamrec.book.selfcheck import chapter_exercises, marks, selfcheck

__all__ = [
    "CheckError",
    "ClaimError",
    "chapter_exercises",
    "check",
    "claim",
    "marks",
    "selfcheck",
]
