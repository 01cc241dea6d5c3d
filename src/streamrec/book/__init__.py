"""What the pages of the book use: checks, claims, figures and exercise feedback."""

from streamrec.book.checks import CheckError, ClaimError, check, claim

__all__ = ["CheckError", "ClaimError", "check", "claim"]
