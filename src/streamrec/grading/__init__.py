"""Criteria shared by self-check and grader, and (later) the grader itself."""
