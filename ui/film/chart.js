// Lines over the slider, one value a frame, and a cursor that stands above its thumb.

const THUMB = 11 // CSS pixels from a slider's end to the middle of its thumb there
const APART = 17 // CSS pixels between two labels at least

function draw(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  if (text) node.textContent = text
  return node
}

class Chart {
  constructor(svg) { this.svg = svg }

  // Draw all that stays while the slider moves.
  lay(chart, last, width) {
    this.svg.toggleAttribute("hidden", !chart)
    this.chart = chart
    if (!chart || !width) return
    Object.assign(this, { last: Math.max(last, 1), width })
    this.svg.setAttribute("viewBox", `0 0 ${width} ${chart.height}`)
    this.svg.setAttribute("aria-label", chart.alt)
    this.svg.style.height = `${chart.height}px`
    this.cursor = draw("g")
    this.svg.replaceChildren(...this.scale(), ...this.uprights(), ...this.curves(), ...this.names(), this.cursor)
  }

  x(i) { return THUMB + ((this.width - 2 * THUMB) * i) / this.last }

  y(value) {
    const { low, high, log, height } = this.chart
    const f = log ? (v) => Math.log(Math.max(v, low)) : (v) => v
    return height - 8 - ((height - 26) * (f(value) - f(low))) / (f(high) - f(low))
  }

  frameAt(event) {
    const box = this.svg.getBoundingClientRect()
    return ((event.clientX - box.left - THUMB) / (box.width - 2 * THUMB)) * this.last
  }

  scale() {
    return this.chart.ticks.flatMap(([value, text]) => [
      draw("line", { class: "grid", x1: 0, x2: this.width, y1: this.y(value), y2: this.y(value) }),
      draw("text", { class: "tick", x: -8, y: this.y(value) + 4 }, text),
    ])
  }

  uprights() {
    return this.chart.uprights.flatMap(([i, text, tone]) => {
      const [x, right] = [this.x(i), i > 0.7 * this.last]
      return [
        draw("line", { class: "upright", "data-tone": tone, x1: x, x2: x, y1: 0, y2: this.chart.height }),
        draw("text", { class: `name ${right ? "before" : ""}`, "data-tone": tone, x: x + (right ? -6 : 6), y: 12 }, text),
      ]
    })
  }

  curves() {
    return this.chart.lines.flatMap(({ tone, values, ends, fill }) => {
      const path = (list) => list.map(([i, v], k) => `${k ? "L" : "M"}${this.x(i)} ${this.y(v)}`).join("")
      const known = values.map((v, i) => [i, v]).filter(([, v]) => v !== null)
      const line = path(known)
      const shapes = [draw("path", { class: "line", "data-tone": tone, d: line })]
      if (fill && known.length) {
        const floor = this.y(this.chart.low)
        const d = `${line}L${this.x(known.at(-1)[0])} ${floor}L${this.x(known[0][0])} ${floor}Z`
        shapes.unshift(draw("path", { class: "area", "data-tone": tone, d }))
      }
      const band = ends.map((pair, i) => [i, pair]).filter(([, pair]) => pair)
      if (band.length) {
        const edge = (k, list) => list.map(([i, pair]) => [i, pair[k]])
        const d = `${path(edge(1, band))}${path(edge(0, band.toReversed())).replace("M", "L")}Z`
        shapes.unshift(draw("path", { class: "area", "data-tone": tone, d }))
      }
      return shapes
    })
  }

  // Lines whose values are not said are named at their peaks.
  names() {
    return this.chart.lines.filter((line) => !line.value).map(({ name, tone, values }) => {
      const peak = values.indexOf(Math.max(...values)), right = peak > 0.6 * this.last
      const [x, y] = [this.x(peak) + (right ? -14 : 0), this.y(values[peak]) + (right ? 10 : -6)]
      return draw("text", { class: `name ${right ? "before" : ""}`, "data-tone": tone, x, y }, name)
    })
  }

  // The cursor: a dot on every line, its name and value beside it.
  point(i) {
    if (!this.chart || !this.cursor) return
    const x = this.x(i), right = i > 0.6 * this.last
    const found = this.chart.lines
      .filter(({ value, values }) => value && values[i] !== null)
      .map((line) => ({ ...line, dot: this.y(line.values[i]) }))
      .sort((a, b) => a.dot - b.dot)
    let lowest = 0
    const marks = found.flatMap(({ name, tone, texts, dot }) => {
      const y = Math.max(dot - 6, lowest + APART)
      lowest = y
      return [
        draw("circle", { class: "dot", "data-tone": tone, cx: x, cy: dot, r: 5 }),
        draw("text", { class: `name ${right ? "before" : ""}`, "data-tone": tone, x: x + (right ? -10 : 10), y },
          `${name} ${texts[i]}`),
      ]
    })
    this.cursor.replaceChildren(draw("line", { class: "cursor", x1: x, x2: x, y1: 0, y2: this.chart.height }), ...marks)
  }
}

