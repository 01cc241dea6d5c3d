"""The reference project: each part of a learner's package, done with streamrec."""
