"""streamrec: a recommender that grows with the book into a production system.

Import from the file that holds what you need, for example
``from streamrec.models.ease import EASE``; importing the package itself is light.
"""

__version__ = "0.1.0"
