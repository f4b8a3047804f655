"""How much each page asks of a visitor before anything is opened: `make pages`.

Opens every page in Chromium at both sizes and prints its words and controls (stops of the
keyboard), and how far down, in CSS pixels, its first picture and the first control that moves or
begins something end. A line that misses a limit ends in what it misses.
"""

import sys

from scripts.screenshots import SIZES, browsing, opened
from ui.pages import PAGES

WORDS, CONTROLS = 250, 30  # at most, a page
FOLD = {"desktop": 600, "phone": 844}  # where the first screen ends
COUNT = """() => {
  const words = [], pictures = [], moved = []
  let controls = 0
  const seen = node => {
    const { display, visibility } = getComputedStyle(node)
    return display !== "none" && visibility !== "hidden"
  }
  const end = node => Math.round(node.getBoundingClientRect().bottom)
  const acts = "input[type=range], [role=slider], [data-testid=stFileUploaderDropzone], " +
    "[data-testid=stButtonGroup] button, [data-testid=stButton] button"
  const stops = "a, button, input, select, textarea, [tabindex]"
  const walk = node => {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) {
        words.push(...child.textContent.split(/\\s+/).filter(word => /\\p{L}/u.test(word)))
      } else if (child.nodeType === Node.ELEMENT_NODE && seen(child)
                 && !child.matches("style, script, [data-testid=stIconMaterial]")) {
        const wide = child.getBoundingClientRect().width >= 40
        if (child.tabIndex >= 0 && child.matches(stops)) controls++
        if (child.matches("img, canvas, .js-plotly-plot") && wide) pictures.push(end(child))
        if (child.matches(acts)) moved.push(end(child))
        walk(child)
      }
    }
    if (node.shadowRoot) walk(node.shadowRoot)
  }
  walk(document.querySelector("[data-testid=stMain]"))
  const first = ends => Math.min(...ends, 9999)
  return { words: words.length, controls, picture: first(pictures), control: first(moved) }
}"""


def misses(found: dict[str, int], size: str) -> list[str]:
    limits = {"words": WORDS, "controls": CONTROLS, "picture": FOLD[size], "control": FOLD[size]}
    return [name for name, most in limits.items() if found[name] > most]


def main() -> int:
    bad = 0
    print(f"{'page':10} {'size':8} {'words':>6} {'controls':>9} {'picture':>8} {'control':>8}")
    with browsing() as (browser, address):
        for name, *_ in PAGES:
            for size in SIZES:
                with opened(browser, f"{address}/{name}", size) as page:
                    found: dict[str, int] = page.evaluate(COUNT)
                numbers = [found[k] for k in ("words", "controls", "picture", "control")]
                wrong = misses(found, size)
                bad += bool(wrong)
                line = "{:>6} {:>9} {:>8} {:>8}".format(*numbers)
                print(f"{name:10} {size:8} {line}  {', '.join(wrong)}".rstrip(), flush=True)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
