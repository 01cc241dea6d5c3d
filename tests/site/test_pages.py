"""The built site in a browser that has no network: what a reader would trip over."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamrec import syllabus

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


def _pages() -> list[str]:
    """Cover, front matter, an API page, an outline and every written chapter."""
    root = Path(__file__).resolve().parents[2]
    chapters = syllabus.load().chapters
    written = [c for c in chapters if (root / f"chapters/{c.name}.ipynb").exists()]
    planned = [c for c in chapters if c not in written]
    pages = ["book/index", "book/notation", "book/glossary", "book/status",
             "book/generated/api/evaluation"]  # fmt: skip
    pages += [f"book/generated/outline/{c.name}" for c in planned[:1]]
    return pages + [f"chapters/{c.name}" for c in written]


@dataclass
class Visit:
    """An open page and what went wrong while it loaded."""

    page: object
    outside: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def visit(browser, site):
    """Open a page from the file system, as a reader without a server does.

    A page once opened with the same screen and theme is used again by later tests.
    """
    contexts, known = [], {}

    def open_page(name: str, viewport: dict[str, int] = DESK, theme: str = "light"):
        key = (name, viewport["width"], theme)
        if key in known:
            return known[key]
        context = browser.new_context(viewport=viewport, color_scheme=theme)
        contexts.append(context)
        seen = Visit(context.new_page())

        def request(r) -> None:
            if not r.url.startswith(("file://", "data:", "blob:", "about:")):
                seen.outside.append(r.url)

        if theme == "dark":  # formulas were seen in the light theme; this one is quick
            seen.page.route("**/mathjax/**", lambda route: route.abort())
        seen.page.on("request", request)
        seen.page.on("requestfailed", lambda r: seen.missing.append(r.url))
        seen.page.on("pageerror", lambda e: seen.errors.append(str(e)))
        seen.page.on(
            "console",
            lambda m: seen.errors.append(m.text) if m.type == "error" else None,
        )
        target = site / f"{name}.html"
        assert target.exists(), f"{name} is not in the site"
        seen.page.goto(target.as_uri(), wait_until="load")
        seen.page.evaluate(
            "async () => { if (window.MathJax && MathJax.startup?.promise)"
            " await MathJax.startup.promise; await document.fonts.ready; }"
        )
        known[key] = seen
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", _pages())
def test_page_is_complete_without_a_network(visit, name):
    """Nothing asked of another server, nothing missing, no script error."""
    seen = visit(name)
    assert not seen.outside, f"asks other servers: {seen.outside}"
    assert not seen.missing, f"missing: {seen.missing}"
    assert not seen.errors, seen.errors


@pytest.mark.parametrize("name", _pages())
def test_every_formula_is_typeset(visit, name):
    """As many typeset formulas as formulas, none in error, no TeX left over."""
    page = visit(name).page
    formulas = page.locator("span.math, div.math").count()
    typeset = page.locator("span.math mjx-container, div.math mjx-container").count()
    assert typeset >= formulas, f"{typeset} of {formulas} formulas typeset"
    wrong = page.locator("mjx-merror").all_text_contents()
    assert not wrong, f"MathJax reports {wrong}"
    unknown = page.locator("mjx-mtext[style*='red'], mjx-mstyle[style*='red']").count()
    assert unknown == 0, f"{unknown} unknown TeX commands"
    text = page.locator("article").inner_text()
    left = re.findall(r"\\(?:frac|mathbb|sum|begin|hat|norm)\b.{0,30}", _prose(text))
    assert not left, f"TeX not typeset: {left[:5]}"


def _prose(text: str) -> str:
    """The text of a page without lines of code (which may hold TeX in strings)."""
    return "\n".join(x for x in text.splitlines() if not re.search(r"[=(\"']", x))


@pytest.mark.parametrize("name", _pages())
def test_phone_does_not_scroll_sideways(visit, name):
    """On a phone the page is as wide as the screen."""
    page = visit(name, PHONE).page
    width = page.evaluate("document.documentElement.scrollWidth")
    wide = page.evaluate(
        """() => [...document.querySelectorAll('article *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .filter(e => { for (let p = e.parentElement; p; p = p.parentElement)
            if (['auto', 'scroll', 'hidden', 'clip']
                .includes(getComputedStyle(p).overflowX)) return false; return true; })
        .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert width <= PHONE["width"], f"{width} px wide because of {wide}"


@pytest.mark.parametrize("name", _pages())
def test_wide_formulas_can_be_read_from_their_start(visit, name):
    """No formula begins left of the block that scrolls it, where nobody can go."""
    page = visit(name, PHONE).page
    cut = page.evaluate(
        """() => [...document.querySelectorAll('div.math mjx-math')].filter(e => {
            const box = e.closest('div.math'); box.scrollLeft = 0;
            return e.getBoundingClientRect().left
                < box.getBoundingClientRect().left - 1; })
        .map(e => e.closest('div.math').id)"""
    )
    assert not cut, f"the start of {cut[:5]} cannot be reached"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", _pages())
def test_page_is_accessible(visit, name, theme):
    """No serious or critical finding of axe-core, contrast included.

    The insides of formulas are MathJax's; the dark theme differs in colours only.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(name, theme=theme).page
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.wait_for_timeout(300)  # colour transitions of the theme
    options = {"runOnly": ["color-contrast"]} if theme == "dark" else {}
    options["resultTypes"] = ["violations"]
    where = {"exclude": [["mjx-container > *"]]}
    found = axe.Axe().run(page, where, options).response["violations"]
    serious = [
        f"{v['id']} ({v['impact']}, {len(v['nodes'])}x): {v['help']}; first: "
        f"{v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary'][:300]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert not serious, "\n".join(serious)


@pytest.mark.parametrize("name", [p for p in _pages() if p.startswith("chapters/")])
def test_figures_follow_the_theme(visit, name):
    """Figures are inline, named for a screen reader, and change with the theme."""
    page = visit(name, theme="dark").page
    figures = page.locator(".book-figure > svg")
    root = Path(__file__).resolve().parents[2]
    cells = json.loads((root / f"{name}.ipynb").read_text("utf-8"))["cells"]
    outputs = [o for c in cells for o in c.get("outputs", [])]
    shown = [o for o in outputs if "streamrec" in o.get("metadata", {})]
    assert figures.count() == len(shown)
    for i in range(figures.count()):
        assert len(figures.nth(i).get_attribute("aria-label") or "") >= 20
    assert page.locator("figure .caption-number").count() >= figures.count()
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--fig-ink')"
    dark = page.evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(colour) != dark
    page.evaluate("document.documentElement.dataset.theme = 'dark'")


@pytest.mark.parametrize(
    ("term", "page"), [("propensity", "glossary"), ("singular", "notation")]
)
def test_search_finds_a_term(visit, site, term, page):
    """Search works from the file system."""
    seen = visit("search")
    seen.page.goto((site / "search.html").as_uri() + f"?q={term}")
    hit = seen.page.locator(f"#search-results li a[href*='book/{page}.html']")
    hit.first.wait_for(timeout=15_000)  # results arrive one by one
    assert not seen.outside


def test_theme_button_changes_the_theme(visit):
    """The half-moon works, and the page stays readable without reloading."""
    page = visit("book/paths").page
    seen = set()
    for _ in range(3):  # automatic, light, dark
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
        page.locator("button.theme-switch-button").first.click()
    assert seen == {"light", "dark"}
