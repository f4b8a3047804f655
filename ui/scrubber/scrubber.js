// One strip of cells, one slider: a drag draws from memory, only a release goes to the server.

const PLAY = "M8 5v14l11-7z"
const PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z"
const NEXT = "M6 5l9 7-9 7zM16 5h3v14h-3z"
const SMALLEST = 58 // CSS pixels a cell is wide before its row breaks
const LARGEST = 5 // times a cell is enlarged at most
const PAUSE_AFTER_KEYS = 300 // milliseconds: several presses are one move

const scrubbers = new WeakMap()
const strips = (globalThis.ambientStrips ??= new Map()) // filled by strip.js

class Scrubber {
  constructor(root) {
    this.input = root.querySelector("input")
    this.button = root.querySelector("button")
    this.bar = root.querySelector(".bar")
    this.label = root.querySelector("label")
    this.output = root.querySelector("output")
    this.panels = root.querySelector(".panels")
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
    this.parts = []
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.panels)
    this.still.onchange = () => this.face()
    this.arrived = () => this.load()
    addEventListener("ambient-strip", this.arrived)
    this.input.onpointerdown = () => { this.held = true; this.stop() }
    this.input.onpointerup = this.input.onpointercancel = () => { this.held = false }
    this.input.onkeydown = () => { this.keys = true; this.stop() }
    this.input.oninput = () => this.draw()
    this.input.onchange = () => this.release(this.keys ? PAUSE_AFTER_KEYS : 0)
    this.button.onclick = () => this.press()
  }

  get index() { return Number(this.input.value) }
  get last() { return this.data.labels.length - 1 }
  get playing() { return this.clock !== undefined }

  update(data, send) {
    this.send = send
    const fresh = this.data?.film !== data.film
    const moved = fresh || this.data.index !== data.index
    this.data = data
    this.label.textContent = data.label
    this.bar.hidden = !data.controls
    this.input.max = this.last
    if (fresh) { this.stop(); this.build() }
    // What Python says holds, unless the visitor is just moving on.
    if (moved && (fresh || !(this.held || this.playing || this.waiting))) this.input.value = data.index
    this.face()
    this.draw()
    this.load()
  }

  // The strip comes once, on its own: a release sends only what changes.
  load() {
    const address = strips.get(this.data.film)
    if (!address || this.shown === this.data.film) return
    this.shown = this.data.film
    this.strip = Object.assign(new Image(), { onload: () => this.draw(), src: address })
  }

  build() {
    let first = 0
    this.parts = this.data.panels.map((panel) => {
      const figure = document.createElement("figure")
      const caption = Object.assign(document.createElement("span"), { className: "caption" })
      const title = Object.assign(document.createElement("span"), { className: "title" })
      const canvas = document.createElement("canvas")
      title.textContent = panel.title
      title.dataset.tone = panel.tone
      canvas.setAttribute("role", "img")
      figure.append(caption, title, canvas)
      first += panel.cells
      return { ...panel, figure, caption, canvas, first: first - panel.cells }
    })
    this.panels.replaceChildren(...this.parts.map((part) => part.figure))
  }

  draw() {
    if (!this.data) return
    const i = this.index
    const text = this.data.labels[i]
    this.output.textContent = text
    this.input.setAttribute("aria-valuetext", text)
    this.input.style.setProperty("--share", `${(100 * i) / Math.max(this.last, 1)}%`)
    for (const part of this.parts) {
      part.caption.textContent = part.captions[i]
      part.canvas.setAttribute("aria-label", part.alts[i])
      this.paint(part, i)
    }
  }

  // Every pixel of a cell becomes a square of whole canvas pixels; the browser fits the canvas in.
  paint({ canvas, cells, first }, i) {
    const room = this.panels.clientWidth
    const [w, h] = this.data.cell
    if (!room || this.shown !== this.data.film || !this.strip.complete) return
    const columns = divisors(cells).findLast((c) => room / c >= SMALLEST) ?? 1
    const shown = Math.min(room / columns, LARGEST * w)
    const scale = Math.max(1, Math.ceil((shown * devicePixelRatio) / w))
    const size = [columns * w * scale, (cells / columns) * h * scale]
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size
    canvas.style.maxWidth = `${columns * shown}px`
    const pen = canvas.getContext("2d")
    pen.clearRect(0, 0, ...size)
    pen.imageSmoothingEnabled = false
    for (let k = 0; k < cells; k++) {
      const at = [(k % columns) * w * scale, Math.floor(k / columns) * h * scale]
      pen.drawImage(this.strip, (first + k) * w, i * h, w, h, ...at, w * scale, h * scale)
    }
  }

  release(after) {
    clearTimeout(this.waiting)
    this.waiting = setTimeout(() => {
      this.waiting = undefined
      this.keys = false
      if (this.index !== this.data.index) this.send("released", this.index)
    }, after)
  }

  press() {
    if (this.playing) {
      this.stop()
      this.release(0)
      return
    }
    const from = this.index === this.last ? 0 : this.index
    if (this.still.matches) { // no motion: one step a press
      this.input.value = this.index === this.last ? 0 : this.index + 1
      this.draw()
      this.release(PAUSE_AFTER_KEYS)
      return
    }
    this.input.value = from
    this.draw()
    this.clock = setInterval(() => this.tick(), this.data.period)
    this.face()
  }

  tick() {
    if (this.index < this.last) {
      this.input.value = this.index + 1
      this.draw()
    }
    if (this.index === this.last) {
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
      : this.still.matches ? [NEXT, "Next step"] : [PLAY, "Play"]
    this.button.querySelector("path").setAttribute("d", shape)
    this.button.setAttribute("aria-label", name)
    this.button.title = name
  }

  end() {
    this.stop()
    clearTimeout(this.waiting)
    this.resized.disconnect()
    removeEventListener("ambient-strip", this.arrived)
    this.still.onchange = null
  }
}

function divisors(n) {
  return Array.from({ length: n }, (_, k) => k + 1).filter((d) => n % d === 0)
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".scrubber")
  const scrubber = scrubbers.get(root) ?? new Scrubber(root)
  scrubbers.set(root, scrubber)
  scrubber.update(data, setTriggerValue)
  return () => {
    scrubber.end()
    scrubbers.delete(root)
  }
}
