"""Who is there: items, creators and users, drawn from addressed numbers.

Every array is in the order of the id (user 0.., item 0..). Latent columns stay in
these objects; what an analyst may see is built in :mod:`.views`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming.settings import FORMATS, LANGUAGES, Settings

F32 = NDArray[np.float32]
G = len(LANGUAGES)


def zipf(n: int, exponent: float) -> NDArray[np.float64]:
    """Shares proportional to rank ** -exponent, summing to one: (n,)."""
    w = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return w / w.sum()


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns with mean 0 and variance 1."""
    return (x - x.mean(axis=0)) / x.std(axis=0)


@dataclass(frozen=True)
class Items:
    """Items, N of them. Observable unless marked latent."""

    topic: NDArray[np.int8]  # (N,) main topic
    second_topic: NDArray[np.int8]
    mixture: F32  # (N, topics) latent topic mixture
    creator: NDArray[np.int32]
    language: NDArray[np.int8]  # of the creator
    format: NDArray[np.int8]
    duration: F32  # minutes
    birth: NDArray[np.int32]  # day of publication; negative: before day 0
    half_life: F32  # days, latent
    b: F32  # (N, dims) latent taste vector
    quality: F32  # latent
    pull: F32  # latent popularity pull p_i
    niche: F32  # latent: minus the standardised pull
    T: F32  # (topics, dims) latent concept vectors of the topics
    n_creators: int


@dataclass(frozen=True)
class Users:
    """Users, n of them. Observable unless marked latent."""

    a: F32  # (n, dims) latent taste at day 0
    segment: NDArray[np.int8]  # latent
    plane: NDArray[np.int8]  # (n, 2) latent: dimensions the taste rotates in
    primary: NDArray[np.int8]  # language
    second: NDArray[np.int8]  # second language, -1 if none
    country: NDArray[np.int8]
    age_band: NDArray[np.int8]
    tier: NDArray[np.int8]
    signup: NDArray[np.int32]  # day; negative: before day 0
    community: NDArray[np.int32]
    activity: F32  # latent z-score
    habit: F32  # latent mean sessions a day
    conformity: F32  # latent w_u
    temperature: F32  # latent tau_u
    eta: F32  # latent examination slope
    sensitivity: F32  # latent extra lift of recommendations, logits


def draw_items(r: Addressed, c: Settings) -> Items:
    """Items from creators, topics and noise; language is independent of quality."""
    N, D, K = c.n_items, c.dims, c.topics
    i = np.arange(N)
    d = np.arange(D)
    n_creators = max(8, round(N / c.items_per_creator))
    creator = (n_creators * r.uniform("creator", i) ** 1.35).astype(np.int32)
    home = r.choice("creator topic", zipf(K, 0.4), np.arange(n_creators))
    loyal = r.uniform("loyal", i) < 0.6
    topic = np.where(loyal, home[creator], r.choice("topic", zipf(K, 0.4), i))
    second = (topic + 1 + r.choice("second topic", np.ones(K - 1), i)) % K
    share = 0.55 + 0.4 * r.uniform("topic share", i)
    mixture = np.zeros((N, K))
    mixture[i, topic] = share
    mixture[i, second] = 1 - share
    T = r.normal("concept", np.arange(K)[:, None], d)
    own = r.normal("item taste", i[:, None], d)
    made = r.normal("creator taste", np.arange(n_creators)[:, None], d)[creator]
    b = _unit(0.72 * _unit(mixture @ T) + 0.35 * made + 0.60 * own)
    language = r.choice(
        "creator language", zipf(G, c.item_language_zipf), np.arange(n_creators)
    )
    q = r.normal("quality", i)
    z = 0.4 * q + np.sqrt(1 - 0.16) * r.normal("pull", i)
    pull = c.pull_scale * (z - c.pull_bend * np.maximum(z - c.pull_knee, 0))
    fmt = r.choice("format", (0.35, 0.45, 0.20), i)
    typical = np.array([9.0, 21.0, 38.0])[fmt]  # minutes
    duration = typical * np.exp(0.35 * r.normal("duration", i))
    age = -1 - np.floor(720 * r.uniform("age", i) ** 1.5)
    fresh = r.uniform("fresh", i) < c.fresh_items
    birth = np.where(fresh, np.floor(c.fresh_days * r.uniform("birth", i)), age)
    return Items(
        topic=topic.astype(np.int8),
        second_topic=second.astype(np.int8),
        mixture=mixture.astype(np.float32),
        creator=creator,
        language=language[creator].astype(np.int8),
        format=fmt.astype(np.int8),
        duration=duration.astype(np.float32),
        birth=birth.astype(np.int32),
        half_life=np.array([5.0, 15.0, 30.0], dtype=np.float32)[fmt],
        b=b.astype(np.float32),
        quality=q.astype(np.float32),
        pull=pull.astype(np.float32),
        niche=((pull.mean() - pull) / pull.std()).astype(np.float32),
        T=T.astype(np.float32),
        n_creators=n_creators,
    )


def draw_users(r: Addressed, c: Settings) -> Users:
    """Users around segment centres; languages, habits and sensitivities."""
    n, D = c.n_users, c.dims
    u = np.arange(n)
    d = np.arange(D)
    segment = r.choice("segment", np.ones(c.segments), u)
    centre = r.normal("centre", np.arange(c.segments)[:, None], d)
    a = c.segment_weight * centre[segment]
    for k in range(D):
        a[:, k] += c.own_weight * r.normal("own taste", u, k)
    primary = r.choice("language", zipf(G, c.user_language_zipf), u)
    other = r.choice("other language", zipf(G, 1.0), u)
    other = np.where(other == primary, (primary + 1) % G, other)
    other = np.where((primary > 0) & (r.uniform("english", u) < 0.7), 0, other)
    second = np.where(r.uniform("bilingual", u) < c.second_language, other, -1)
    abroad = r.uniform("abroad", u) < 0.15
    country = np.where(abroad, r.choice("country", np.ones(G), u), primary)
    tilt = np.array([0.7, 0.3, 0.0, -0.3])[segment % 4]
    band = np.clip(np.floor(2.3 + tilt * 1.5 + 1.2 * r.normal("age band", u)), 0, 4)
    activity = r.normal("activity", u)
    paid = activity + 1.2 * r.normal("tier", u)
    tier = (paid > 0.3).astype(int) + (paid > 1.6)
    fresh = r.uniform("arrives", u) < c.new_share
    tenure = -8 - np.floor(900 * r.uniform("tenure", u) ** 1.6)
    arrival = np.floor(c.arrival_days * r.uniform("arrival", u))
    plane = np.stack([u % D, (u + 1 + u // D % (D - 1)) % D], axis=1)
    communities = max(8, n // c.community_size)
    sd = c.activity_sd
    return Users(
        a=a.astype(np.float32),
        segment=segment.astype(np.int8),
        plane=plane.astype(np.int8),
        primary=primary.astype(np.int8),
        second=second.astype(np.int8),
        country=country.astype(np.int8),
        age_band=band.astype(np.int8),
        tier=tier.astype(np.int8),
        signup=np.where(fresh, arrival, tenure).astype(np.int32),
        community=r.choice("community", np.ones(communities), u).astype(np.int32),
        activity=activity.astype(np.float32),
        habit=(c.sessions * np.exp(sd * activity - sd * sd / 2)).astype(np.float32),
        conformity=(1 + c.conformity_sd * r.normal("conformity", u)).astype(np.float32),
        temperature=np.exp(c.temperature_sd * r.normal("tau", u)).astype(np.float32),
        eta=np.clip(
            c.examination + c.examination_sd * r.normal("eta", u), 0.05, 1.5
        ).astype(np.float32),
        sensitivity=(c.lift_sd * r.normal("sensitivity", u)).astype(np.float32),
    )


def taste_weights(c: Settings) -> F32:
    """Weights of the taste dimensions, rank ** -decay scaled to unit length: (D,)."""
    w = np.arange(1, c.dims + 1, dtype=np.float64) ** -c.taste_decay
    return (c.taste_scale * w / np.linalg.norm(w)).astype(np.float32)


def rotate(a: F32, plane: NDArray[np.int8], angle: NDArray[np.float64] | float) -> F32:
    """Taste after rotating in each user's own plane by an angle (radians): (B, D)."""
    rows = np.arange(len(a))
    p, q = plane[:, 0], plane[:, 1]
    out = a.copy()
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    out[rows, p] = cos * a[rows, p] - sin * a[rows, q]
    out[rows, q] = sin * a[rows, p] + cos * a[rows, q]
    return out


__all__ = [
    "FORMATS",
    "Items",
    "Users",
    "draw_items",
    "draw_users",
    "rotate",
    "taste_weights",
    "zipf",
]
