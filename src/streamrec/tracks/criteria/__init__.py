"""What the parts of a project must do, on worlds that they have not seen.

One file a milestone. Worlds are made here, on the trusted side: only logs and tables
reach the answer. ``streamrec.tracks.key`` puts the files of a track together into the
criteria of a key; ``streamrec project check`` runs them one by one.
"""
