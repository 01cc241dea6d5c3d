"""Sizes and constants of the streaming world, each with its meaning and unit."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

FORMATS = ("article", "video", "podcast")
SURFACES = ("carousel", "search", "browse")
LANGUAGES = ("en", "es", "hi", "pt", "fr", "ar", "de", "sw")
COUNTRIES = ("US", "MX", "IN", "BR", "FR", "EG", "DE", "KE")
AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55+")
TIERS = ("free", "basic", "premium")
SIZES = {
    "tiny": (500, 300),
    "small": (5_000, 2_000),
    "medium": (50_000, 20_000),
    "full": (5_000_000, 200_000),
}
MODES = ("bernoulli", "plackett-luce", "deterministic")
INTERFERENCE = ("budget", "popularity", "creators", "training")


@dataclass(frozen=True)
class Settings:
    """Every constant of the world. Overrides of ``StreamingWorld`` are these names.

    Units: minutes, days, weeks; utilities are in logits of the static choice; affinity
    is in standard deviations of the affinity over candidate cells.
    """

    # population
    n_users: int = 5_000  # registered users, arrivals included
    n_items: int = 2_000
    dims: int = 4  # taste dimensions
    topics: int = 12
    segments: int = 4
    items_per_creator: float = 7.9  # average catalogue of a creator
    new_share: float = 0.25  # users who sign up during the first arrival_days
    arrival_days: int = 70
    fresh_items: float = 0.12  # items published during the first fresh_days
    fresh_days: int = 84
    community_size: int = 100  # users in an observed community
    item_language_zipf: float = 1.07
    user_language_zipf: float = 2.52
    second_language: float = 0.25  # users who also read another language

    # static choice (taste and popularity; measured against MovieLens 100k)
    pull_scale: float = 2.74  # popularity pull p_i = scale (z - bend max(z - knee, 0))
    pull_bend: float = 0.48
    pull_knee: float = 0.79
    taste_scale: float = 1.54  # weight of a_u . b_i
    taste_decay: float = 0.68  # weights of the dimensions: rank ** -decay
    segment_weight: float = 0.75
    own_weight: float = 0.78
    fan_share: float = 0.135  # users who follow a given creator
    fan_boost: float = 1.57  # utility of a followed creator
    language_boost: float = 1.05  # utility of a language the user reads
    conformity_sd: float = 0.06  # w_u = 1 + sd N: weight of the pull
    temperature_sd: float = 0.07  # tau_u = exp(sd N): scale of the Gumbel noise
    history_floor: float = 19.0  # ratings a user: floor + lognormal(mu, sigma), capped
    history_mu: float = 3.778
    history_sigma: float = 1.23
    history_cap: float = 740.0

    # affinity of a candidate cell, s_uit
    pull_weight: float = 0.25  # weight of the pull in affinity (utility units)
    quality_weight: float = 0.5
    mood_weight: float = 0.15  # private part, in SD of affinity, drawn a (u, i, week)
    season_weight: float = 0.15  # day of week x format, in SD of affinity
    recency_weight: float = 0.25  # at birth; halves every half-life of the item
    fatigue_weight: float = 0.35  # for each average daily share of a topic, decayed
    fatigue_memory: float = 3.0  # days
    rotation: float = 0.004  # slow taste rotation, radians a day
    drift: float = 1.0  # dial on rotation and shocks (0 switches both off)

    adaptation: float = 1.0  # share of a user's mean affinity that has become habit

    spread: float = 0.7  # share of a user's own spread of affinity that is normalised

    # retrieval and incumbent score
    language_filter: float = 2.0  # language weighs more in a week than in a year
    candidates: int = 60  # items a user can meet in a week
    pool: int = 2_000  # items of the catalogue a request is served from
    pool_head: int = 400  # the most popular items stand in every pool
    refresh_weeks: int = 4  # an item's retrieval noise is redrawn every so many weeks
    stale_days: float = 10.0  # age of the incumbent's picture of taste
    score_noise: float = 0.25  # noise of the score (utility units), drawn (u, i, month)
    taste_error: float = 0.15  # error of the estimated taste, established users
    taste_error_new: float = 0.7  # the same at sign-up; fades over taste_error_days
    taste_error_days: float = 14.0
    alpha: float = -1.5236  # e = sigma(alpha + gamma score), clipped
    gamma: float = 1.0
    clip_low: float = 0.01
    clip_high: float = 0.95
    slate_sharpness: float = 1.0908  # Plackett-Luce logits = sharpness * score
    hidden_confounding: float = 0.0  # weight of the mood in the choice (dial)

    # exposure and choice
    slate: int = 10  # carousel slots
    session_items: int = 46  # 10 in the carousel and 36 organic
    examination: float = 0.5  # mean slope eta: theta_k = k ** -eta_u
    examination_sd: float = 0.12
    kappa_rec: float = -3.1412  # logit of a play, recommended and examined, s = 0
    kappa_org: float = -5.047  # organic
    lam: float = 2.4291  # slope in affinity
    organic_slope: float = 0.7586  # organic slope relative to lam: search needs a name
    lift_new: float = 0.35  # extra lift of a recommendation for a new user (logits)
    lift_niche: float = 0.20  # for each SD of obscurity of the item
    lift_sd: float = 0.25  # between users
    find_popular: float = 0.25  # organic logit for each SD of the item's pull
    completion_mu: float = -0.35  # log completion of a play at s = 0
    completion_slope: float = 0.08
    completion_sd: float = 0.30
    minutes_per_play: float = 15.13  # durations are scaled to this mean play
    rating_share: float = 0.08  # plays that are rated

    # time: sessions, satisfaction, leaving
    sessions: float = 0.925  # mean sessions a user-day
    activity_sd: float = 0.2982  # log SD of sessions between users
    wander_sd: float = 0.3166  # log SD of slow swings of activity (weekly, AR .8)
    satisfaction_memory: float = 0.9
    expected_plays: float = 2.0  # plays a session at which satisfaction stays put
    return_slope: float = 0.05  # log sessions for each unit of satisfaction
    leave_base: float = -6.2  # complementary log-log hazard a day
    leave_new: float = 3.3  # extra during the first seven days
    leave_slope: float = 0.35  # hazard falls with satisfaction

    # interference (all off unless switched on)
    # median daily time budget of a user of mean activity
    budget_minutes: float = 39.2
    budget_sd: float = 0.45
    popularity_strength: float = 0.35  # local trend: logits for each log play ratio
    training_strength: float = 0.5
    creator_floor: float = 0.3  # share of fair exposure below which a creator leaves

    # the capstone's challenger adds this much of an up-to-date score to the ranking
    challenger: float = 0.189


def settings_for(size: str, overrides: dict[str, Any]) -> Settings:
    """Settings of a size with overrides; unknown names get the nearest known one."""
    if not isinstance(size, str) or size not in SIZES:
        raise ValueError(f"unknown size {size!r}; choose one of {', '.join(SIZES)}")
    names = [f.name for f in fields(Settings)]
    for name in overrides:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TypeError(f"StreamingWorld has no setting {name!r}{hint}")
    n_users, n_items = SIZES[size]
    given = {"n_users": n_users, "n_items": n_items, **overrides}
    return check(replace(Settings(), **given))


LEAST = {  # smallest whole number allowed
    "n_users": 1, "n_items": 1, "candidates": 1, "slate": 1, "session_items": 1,
    "pool": 1, "dims": 2, "topics": 2, "segments": 1, "arrival_days": 1,
    "fresh_days": 1, "community_size": 1, "pool_head": 0, "refresh_weeks": 1,
}  # fmt: skip
MOST = {"n_users": 2**26, "n_items": 2**20, "topics": 12, "slate": 64}
SHARES = ("new_share", "fresh_items", "second_language", "rating_share", "spread",
          "satisfaction_memory", "clip_low", "clip_high", "creator_floor")  # fmt: skip
POSITIVE = ("items_per_creator", "sessions", "minutes_per_play", "budget_minutes",
            "fatigue_memory", "taste_error_days", "completion_sd", "pull_scale",
            "taste_scale")  # fmt: skip


def check(c: Settings) -> Settings:
    """Reject settings that cannot be simulated, with one clear sentence."""
    for f in fields(Settings):
        value = getattr(c, f.name)
        kind = (int, np.integer) if f.type == "int" else (int, float, np.number)
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
            what = "a whole number" if f.type == "int" else "a number"
            raise TypeError(f"{f.name} must be {what}, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{f.name} must be finite, got {value!r}")
        low, high = LEAST.get(f.name), MOST.get(f.name)
        if low is not None and value < low:
            raise ValueError(f"{f.name} must be a whole number of at least {low}")
        if high is not None and value > high:
            raise ValueError(f"{f.name} must be at most {high}")
        if f.name.endswith("_sd") and value < 0:
            raise ValueError(f"{f.name} is a standard deviation: 0 or more")
    for name in SHARES:
        if not 0 <= getattr(c, name) <= 1:
            raise ValueError(f"{name} must lie in [0, 1]")
    for name in POSITIVE:
        if getattr(c, name) <= 0:
            raise ValueError(f"{name} must be greater than 0")
    if not 0 < c.fan_share < 1:
        raise ValueError("fan_share must lie strictly between 0 and 1")
    if c.history_cap < 1:
        raise ValueError("history_cap must be at least 1")
    if c.pool_head >= c.pool:
        raise ValueError("pool_head < pool must hold")
    if c.n_items < c.candidates:
        raise ValueError(
            f"n_items ({c.n_items}) must be at least candidates ({c.candidates})"
        )
    if not c.slate < c.session_items <= c.candidates:
        raise ValueError("slate < session_items <= candidates must hold")
    if c.clip_low >= c.clip_high:
        raise ValueError("0 <= clip_low < clip_high <= 1 must hold")
    return c
