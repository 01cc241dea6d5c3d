"""Every recommender of the package through the shared conformance tests."""

from recommender_conformance import RecommenderConformance

from streamrec.models.als import ALS
from streamrec.models.bpr import BPR
from streamrec.models.ease import EASE
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.item_knn import ItemKNN
from streamrec.models.popularity import Popularity
from streamrec.models.svd import PureSVD


class TestPopularity(RecommenderConformance):
    def make(self):
        return Popularity()


class TestItemKNN(RecommenderConformance):
    def make(self):
        return ItemKNN(k=5, shrink=1.0)


class TestEASE(RecommenderConformance):
    def make(self):
        return EASE(lam=5.0)


class TestPureSVD(RecommenderConformance):
    def make(self):
        return PureSVD(factors=4)


class TestALS(RecommenderConformance):
    seeded = True

    def make(self):
        return ALS(factors=3, iterations=4)


class TestImplicitALSUnweighted(RecommenderConformance):
    seeded = True

    def make(self):
        return ImplicitALS(factors=3, lam=0.5, iterations=4)


class TestImplicitALSConjugateGradient(RecommenderConformance):
    seeded = True

    def make(self):
        return ImplicitALS(factors=3, lam=0.5, alpha=4.0, iterations=4)


class TestImplicitALSExact(RecommenderConformance):
    seeded = True

    def make(self):
        return ImplicitALS(
            factors=3, lam=0.5, alpha=2.0, iterations=4, solver="exact", values=True
        )


class TestBPR(RecommenderConformance):
    seeded = True

    def make(self):
        return BPR(factors=3, epochs=4)

    # Items used alike meet different draws: their scores are near, never equal.
    test_items_used_alike_rank_in_catalogue_order = None
