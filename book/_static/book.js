// Regions that scroll sideways (wide formulas, code, tables) can be reached and moved by
// the keyboard, and say what they are.
(function () {
  function mark(element, label) {
    const slides = element.classList.contains("wide") || element.scrollWidth > element.clientWidth + 1;
    if (slides && !element.hasAttribute("tabindex")) {
      element.setAttribute("tabindex", "0");
      element.setAttribute("role", "region");
      element.setAttribute("aria-label", label);
    }
  }
  function widen() {
    document.querySelectorAll("p > span.math, li > span.math, dd > span.math").forEach((e) => {
      const line = e.closest("p, li, dd");
      e.classList.toggle("wide", e.scrollWidth > line.clientWidth || e.offsetWidth > line.clientWidth);
    });
  }
  function all() {
    widen();
    document.querySelectorAll("div.math, span.math").forEach((e) => mark(e, "Formula"));
    document.querySelectorAll("pre").forEach((e) => mark(e, "Code"));
    document
      .querySelectorAll(".pst-scrollable-table-container, .cell_output .output, div.highlight")
      .forEach((e) => mark(e, "Wide content"));
  }
  document.querySelectorAll(".bd-sidebar summary, .bd-links summary").forEach((e) => {
    const entry = e.closest("li") && e.closest("li").querySelector("a");
    const name = entry ? entry.textContent.trim() : "this entry";
    e.setAttribute("aria-label", "Pages under " + name);
  });
  window.addEventListener("load", function () {
    all();
    if (window.MathJax && window.MathJax.startup && window.MathJax.startup.promise) {
      window.MathJax.startup.promise.then(all);
    }
  });
  window.addEventListener("resize", all);
})();
