// Rows of pictures over one slider: a drag draws from memory, only a release goes to the server.

const PLAY = "M8 5v14l11-7z"
const PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z"
const NEXT = "M6 5l9 7-9 7zM16 5h3v14h-3z"
const SMALLEST = 46 // CSS pixels a picture is wide before its row breaks
const AROUND = 4 // CSS pixels around each picture, for its frame
const PAUSE_AFTER_KEYS = 300 // milliseconds: several presses are one move
const NAMED = 64 // CSS pixels a picture is wide before the name of its nearest fits under it
const WIDE = 900 // CSS pixels that two rows side by side need
const OPENING = 2500 // milliseconds that a film takes to where it stands, once a page load
const A_DRAG = 6 // CSS pixels a finger moves before it is no tap

const films = new WeakMap()
const strips = (globalThis.ambientStrips ??= new Map()) // filled by strip.js

// What a list says at a frame; a list of one holds for all frames.
const at = (list, i) => list?.[Math.min(i, list.length - 1)]

const named = (row, c) => row.labels[c] ?? `picture ${c + 1}`

function make(tag, props = {}, ...children) {
  const { data, ...rest } = props
  const node = Object.assign(document.createElement(tag), rest)
  Object.assign(node.dataset, data)
  node.append(...children)
  return node
}

class Film {
  constructor(root) {
    this.root = root
    for (const part of ["rows", "control", "play", "ticks", "said", "near", "legend"]) {
      this[part] = root.querySelector(`.${part}`)
    }
    this.chart = new Chart(root.querySelector(".chart"))
    this.input = root.querySelector("input")
    this.label = root.querySelector("label")
    this.output = root.querySelector("output")
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
    this.parts = []
    this.resized = new ResizeObserver(() => { this.fit(); this.draw() })
    this.resized.observe(root)
    this.still.onchange = () => this.face()
    this.arrived = () => this.load()
    addEventListener("ambient-strip", this.arrived)
    this.input.onpointerdown = () => { this.held = true; this.stop() }
    this.input.onpointerup = this.input.onpointercancel = () => { this.held = false }
    this.input.onkeydown = () => { this.keys = true; this.stop() }
    this.input.oninput = () => this.draw()
    this.input.onchange = () => this.release(this.keys ? PAUSE_AFTER_KEYS : 0)
    this.play.onclick = () => this.press()
    this.rows.onkeydown = (event) => this.walk(event)
    this.drags(this.chart.svg, (event) => this.chart.frameAt(event), 0)
    const moved = (event, from) => (this.last * (event.clientX - from.x)) / this.rows.clientWidth
    this.drags(this.rows, (event, from) => from.index + moved(event, from), A_DRAG)
  }

  get index() { return Number(this.input.value) }
  get last() { return this.data.frames.length - 1 }
  get playing() { return this.clock !== undefined }

  update(data, send) {
    this.send = send
    const fresh = this.data?.version !== data.version
    const moved = fresh || this.data.index !== data.index
    this.data = data
    this.label.textContent = data.label
    this.control.hidden = !this.last
    this.root.classList.toggle("beside", data.pool.length > 0 && this.last > 0)
    this.input.max = this.last
    if (fresh) { this.stop(); this.build() }
    // What Python says holds, unless the visitor is just moving on.
    if (moved && (fresh || !(this.held || this.playing || this.waiting))) this.input.value = data.index
    if (!this.waiting) this.cell = data.cell
    this.face()
    this.fit()
    this.draw()
    this.load()
  }

  // The pictures come once, on their own: a release sends only what changes.
  load() {
    const address = strips.get(this.data.film)
    if (!address || this.shown === this.data.film) return
    const strip = Object.assign(new Image(), { src: address })
    const { film } = this.data
    strip.decode().then(() => {
      if (this.data.film !== film) return
      ;[this.strip, this.shown] = [strip, film]
      this.open()
      this.draw()
    })
  }

  // Once a page load a film runs up to where it stands, so that something moves before anybody does.
  open() {
    const goal = this.data.index
    if (!this.data.opens || !goal || this.still.matches || this.held || this.playing) return
    if (globalThis.ambientOpened) return
    globalThis.ambientOpened = true
    this.input.value = 0
    this.run(goal, Math.min(this.data.period, OPENING / goal))
  }

  build() {
    this.parts = this.data.rows.map((row, r) => this.row(row, r))
    this.rows.replaceChildren(...this.parts.map((part) => part.figure))
    this.ticks.replaceChildren(...this.data.ticks.map(([i, text]) => {
      const tick = make("span", { textContent: text })
      tick.style.setProperty("--at", this.last ? i / this.last : 0)
      return tick
    }))
    const marks = this.data.legend ? Object.keys(this.data.verdicts) : []
    this.legend.replaceChildren(...marks.map((mark) => make("span", {}, make("i", { data: { mark } }), mark)))
    this.view = undefined
  }

  row(row, r) {
    const number = make("b"), caption = make("span")
    const head = make("figcaption", { hidden: !row.title },
      make("span", { className: "title", textContent: row.title }),
      make("span", { className: "caption" }, number, " ", caption))
    const cells = at(row.tiles, 0).map((_, c) => {
      const canvas = make("canvas")
      const box = this.data.taps
        ? make("button", { type: "button", className: "cell", role: "radio", onclick: () => this.choose(r, c) }, canvas)
        : make("span", { className: "cell" }, canvas)
      const whole = make("span", { className: "place" }, box)
      if (row.labels.length) whole.append(make("small", { textContent: row.labels[c] }))
      const nearest = this.data.beneath ? { canvas: make("canvas"), name: make("small") } : null
      if (nearest) whole.append(make("span", { className: "nearest" }, nearest.canvas, nearest.name))
      return { whole, box, canvas, nearest }
    })
    const grid = make("div", { className: "cells" }, ...cells.map((cell) => cell.whole))
    grid.setAttribute("role", this.data.taps ? "radiogroup" : "img")
    if (this.data.taps) grid.setAttribute("aria-label", `Pictures ${row.title}`)
    const figure = make("figure", { data: { tone: row.tone } }, head, grid)
    return { ...row, figure, head, number, caption, grid, cells }
  }

  // As many columns as stay large enough to see; a picture's pixels become whole ones where they can.
  fit() {
    const whole = this.rows.clientWidth
    if (!this.data || !whole) return
    const abreast = this.data.abreast && whole > WIDE
    const room = abreast ? whole / 2 : whole
    this.rows.classList.toggle("abreast", abreast)
    const side = this.data.side
    const ratio = devicePixelRatio
    for (const part of this.parts) {
      const fitting = Math.max(1, Math.floor(room / (SMALLEST + 2 * AROUND)))
      const n = this.data.one_line ? Math.min(part.cells.length, fitting) : part.cells.length
      part.cells.forEach((cell, c) => { cell.whole.hidden = c >= n })
      const columns = Math.ceil(n / Math.ceil(n / fitting))
      const most = Math.min(room / columns - 2 * AROUND, this.data.largest)
      const crisp = (Math.floor((most * ratio) / side) * side) / ratio
      part.size = crisp > 0.84 * most ? crisp : most
      part.grid.style.setProperty("--columns", columns)
      part.grid.style.setProperty("--size", `${part.size}px`)
    }
    this.chart.lay(this.data.chart, this.last, this.input.clientWidth)
  }

  draw() {
    if (!this.data) return
    const i = this.index
    this.output.textContent = this.data.frames[i]
    this.said.textContent = at(this.data.said, i) ?? ""
    const words = []
    for (const part of this.parts) {
      const [number, caption] = [at(part.numbers, i) ?? "", at(part.captions, i) ?? ""]
      part.number.textContent = number
      part.caption.textContent = caption
      if (caption) words.push(`${part.title}: ${number} ${caption}`)
      if (!this.data.taps) part.grid.setAttribute("aria-label", at(part.alts, i) ?? part.title)
      part.cells.forEach((cell, c) => this.show(part, cell, c, i))
    }
    this.input.setAttribute("aria-valuetext", [this.data.frames[i], ...words].join(", "))
    this.input.style.setProperty("--share", `${(100 * i) / Math.max(this.last, 1)}%`)
    this.chart.point(i)
    this.inspect(i)
  }

  mark(part, c, i) {
    if (!part.scores.length) return { "=": "copy", "~": "resembles", ".": "new" }[at(part.marks, i)?.[c]] ?? ""
    const score = part.scores[c]
    if (score === null) return "new"
    return score < this.data.lines[i] ? "copy" : score < (this.data.resembles ?? 0) ? "resembles" : "new"
  }

  show(part, { box, canvas, nearest }, c, i) {
    const mark = this.mark(part, c, i)
    box.dataset.mark = mark
    this.paint(canvas, at(part.tiles, i)[c], part.size)
    if (nearest) {
      const [tile, name] = this.data.pool[at(part.near, i)[c][0]]
      this.paint(nearest.canvas, tile, part.size / 2)
      nearest.name.textContent = part.size < NAMED ? "" : name
    }
    if (!this.data.taps) return
    const chosen = this.cell?.[0] === this.parts.indexOf(part) && this.cell[1] === c
    box.setAttribute("aria-checked", chosen)
    box.tabIndex = chosen || (!this.cell && part === this.parts[0] && c === 0) ? 0 : -1
    box.setAttribute("aria-label", [part.title, named(part, c), mark].filter(Boolean).join(", "))
  }

  paint(canvas, tile, size) {
    const { side, columns, film } = this.data
    canvas.style.width = canvas.style.height = `${size}px`
    if (this.shown !== film || !size || tile < 0) return
    const whole = side * Math.max(1, Math.ceil((size * devicePixelRatio) / side - 0.01))
    if (canvas.width !== whole || canvas.height !== whole) canvas.width = canvas.height = whole
    const pen = canvas.getContext("2d")
    pen.imageSmoothingEnabled = false
    pen.clearRect(0, 0, whole, whole)
    pen.drawImage(this.strip, (tile % columns) * side, Math.floor(tile / columns) * side, side, side, 0, 0, whole, whole)
  }

  // The chosen picture, larger, beside the training images nearest to it at this frame.
  inspect(i) {
    this.near.hidden = !this.data.pool.length || !this.cell
    if (this.near.hidden) return
    const [r, c] = this.cell
    const part = this.parts[r]
    if (!part) return
    const found = at(part.near, i)?.[c] ?? []
    if (this.view?.others.length !== found.length) this.view = this.lens(found.length)
    const { title, verdict, big, box, others } = this.view
    const mark = this.mark(part, c, i)
    this.near.dataset.tone = part.tone
    title.textContent = [part.title, named(part, c)].filter(Boolean).join(", ")
    verdict.textContent = this.data.verdicts[mark] ?? ""
    box.dataset.mark = mark
    const large = this.near.clientWidth < 400 ? 96 : 128
    this.paint(big, at(part.tiles, i)[c], large)
    others.forEach((other, k) => {
      const [tile, name] = this.data.pool[found[k]]
      this.paint(other.canvas, tile, k ? 64 : large)
      other.name.textContent = name
    })
  }

  lens(count) {
    const [title, verdict, big] = [make("b"), make("span", { className: "verdict" }), make("canvas")]
    const box = make("span", { className: "cell" }, big)
    const others = Array.from({ length: count }, () => ({ canvas: make("canvas"), name: make("small") }))
    const place = ({ canvas, name }) => make("span", { className: "place" }, canvas, name)
    const pictures = make("div", { className: "pictures" },
      make("span", { className: "place" }, box, make("small", { textContent: "generated" })),
      ...others.map(place))
    this.near.replaceChildren(make("p", {}, title, " ", verdict), pictures)
    return { title, verdict, big, box, others }
  }

  // Arrows move among pictures, which are one stop of the keyboard.
  walk(event) {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
    const cells = [...this.rows.querySelectorAll("button.cell")]
    const now = cells.indexOf(event.target)
    if (!by || now < 0) return
    event.preventDefault()
    cells[(now + by + cells.length) % cells.length].focus()
  }

  choose(r, c) {
    if (this.dragged) return
    this.cell = [r, c]
    this.draw()
    this.tell(this.cell)
  }

  // A finger on the chart or on the pictures moves the slider too.
  drags(node, frame, least) {
    node.onpointerdown = (event) => {
      const from = { x: event.clientX, index: this.index }
      this.dragged = false
      const move = (e) => {
        if (!this.dragged && Math.abs(e.clientX - from.x) < least) return
        if (!this.dragged) { this.stop(); node.setPointerCapture(e.pointerId) }
        this.dragged = this.held = true
        this.input.value = Math.round(frame(e, from))
        this.draw()
      }
      const end = () => {
        this.held = node.onpointermove = node.onpointerup = node.onpointercancel = null
        if (this.dragged) this.release(0)
      }
      Object.assign(node, { onpointermove: move, onpointerup: end, onpointercancel: end })
      if (!least) move(event)
    }
  }

  release(after) {
    clearTimeout(this.waiting)
    this.waiting = setTimeout(() => {
      this.waiting = undefined
      this.keys = false
      if (this.index !== this.data.index) this.tell()
    }, after)
  }

  tell(cell = null) { this.send("moved", { frame: this.index, cell }) }

  press() {
    if (this.playing) {
      this.stop()
      this.release(0)
      return
    }
    if (this.still.matches) { // no motion: one frame a press
      this.input.value = this.index === this.last ? 0 : this.index + 1
      this.draw()
      this.release(PAUSE_AFTER_KEYS)
      return
    }
    this.input.value = this.index === this.last ? 0 : this.index
    this.draw()
    this.run(this.last, this.data.period)
  }

  run(to, period) {
    this.clock = setInterval(() => this.tick(to), period)
    this.face()
  }

  tick(to) {
    if (this.index < to) {
      this.input.value = this.index + 1
      this.draw()
    }
    if (this.index >= to) {
      this.stop()
      this.release(0)
    }
  }

  stop() {
    clearInterval(this.clock)
    this.clock = undefined
    if (this.data) this.face()
  }

  face() {
    const [shape, name] = this.playing ? [PAUSE, "Pause"]
      : this.still.matches ? [NEXT, "Next"] : [PLAY, "Play"]
    this.play.querySelector("path").setAttribute("d", shape)
    this.play.setAttribute("aria-label", name)
    this.play.title = name
  }

  end() {
    this.stop()
    clearTimeout(this.waiting)
    this.resized.disconnect()
    removeEventListener("ambient-strip", this.arrived)
    this.still.onchange = null
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".film")
  const film = films.get(root) ?? new Film(root)
  films.set(root, film)
  film.update(data, setTriggerValue)
  return () => {
    film.end()
    films.delete(root)
  }
}
