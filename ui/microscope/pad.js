// A square to draw on, and under its slider what the run's network makes of it, in this browser.
// Where that cannot be, what is drawn goes to the server as the pen is lifted.

const SIDE = 256 // pixels of the drawing
const REST = 250 // milliseconds that nothing moves before the picture is sampled down
const benches = new WeakMap()

class Bench {
  constructor(root) {
    const find = (name) => root.querySelector(name)
    Object.assign(this, { root, seed: 0, turn: 0, ink: find("[type=color]"), range: find("[type=range]") })
    ;[this.pad, ...this.made] = root.querySelectorAll("canvas")
    ;[this.noisy, this.guess, this.back, this.near] = this.made
    Object.assign(this, { output: find("output"), name: find(".name"), said: find(".said"), send: find(".send") })
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
    this.pen = this.pad.getContext("2d", { willReadFrequently: true })
    this.pad.width = this.pad.height = SIDE
    this.pad.onpointerdown = (event) => this.press(event)
    this.pad.onpointerup = this.pad.onpointercancel = () => this.lift()
    this.range.oninput = () => this.show()
    this.send.onclick = () => this.give(this.pad.toDataURL("image/png"))
    find(".clear").onclick = () => { this.wipe(); this.show(); if (this.handed) this.give("") }
    find(".another").onclick = () => { this.range.value = 1000; this.seed += 1; this.show() }
    find(".again").onclick = () => { this.seed += 1; this.show() }
    find(".file").onchange = (event) => { this.open(event.target.files[0]); event.target.value = "" }
    const over = (event) => { event.preventDefault(); this.pad.classList.toggle("over", event.type === "dragover") }
    this.pad.ondragover = this.pad.ondragleave = over
    this.pad.ondrop = (event) => { over(event); this.open(event.dataTransfer.files[0]) }
    // The library comes once the visitor is here, and the page has nothing better to do.
    this.seen = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting) (globalThis.requestIdleCallback ?? setTimeout)(() => this.wake())
    })
    this.seen.observe(root)
    for (const kind of ["pointerenter", "focusin"]) root.addEventListener(kind, () => this.wake())
  }

  update(data, hand) {
    const before = this.data
    Object.assign(this, { data, hand })
    for (const canvas of this.made) {
      if (canvas.width !== data.side) canvas.width = canvas.height = data.side
    }
    this.root.querySelector(".ink").hidden = data.channels === 1
    if (before?.start === data.start && before.network?.weights === data.network?.weights) return
    if (!before) this.ink.value = data.ink
    if (!before) this.range.value = 1000 * this.place(data.sigma)
    const other = before && before.network?.weights !== data.network?.weights
    if (other) this.sleep()
    if (before?.start !== data.start) {
      const image = Object.assign(new Image(), { src: data.start })
      image.decode().then(() => { this.put(image, false) })
    }
    this.offer(data.network !== null)
    this.show()
    if (other) this.wake()
  }

  place(sigma) { return Math.log(sigma / this.data.low) / Math.log(this.data.high / this.data.low) }

  get sigma() { return this.data.low * (this.data.high / this.data.low) ** (this.range.value / 1000) }

  give(drawn) {
    this.handed = drawn
    this.hand(drawn)
  }

  // Whether the network answers here: else the server does.
  offer(here) {
    this.here = here
    for (const part of this.made) part.parentElement.hidden = !here || (part === this.near && !this.data.pool)
    for (const part of [this.range.parentElement, ...this.root.querySelectorAll(".again, .another, .send")]) part.hidden = !here
    this.said.textContent = here ? "" : "Not in this browser: the server answers, in the pictures above."
  }

  async wake() {
    if (this.remote || !this.here) return
    let remote
    try {
      remote = this.remote = new Remote(this.data.network)
      this.pool = undefined
      const [pool] = await Promise.all([this.data.pool && Trained.of(this.data), remote.ready])
      if (this.remote !== remote) return
      this.pool = pool
      remote.awake = true
      this.show()
    } catch {
      if (this.remote === remote) this.offer(false)
    }
  }

  sleep() {
    this.remote?.worker.terminate()
    this.remote = undefined
    this.asking = false
    this.turn += 1
  }

  wipe() {
    this.pen.fillStyle = this.data.paper
    this.pen.fillRect(0, 0, SIDE, SIDE)
  }

  // The middle square of an image.
  put(image, smooth) {
    const side = Math.min(image.width, image.height)
    this.wipe()
    this.pen.imageSmoothingEnabled = smooth
    this.pen.imageSmoothingQuality = "high"
    this.pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, SIDE, SIDE)
    this.show()
  }

  async open(file) {
    if (!file) return
    try {
      this.put(await createImageBitmap(file), true)
      this.said.textContent = ""
      if (!this.here) this.send.onclick()
    } catch {
      this.said.textContent = `${file.name} is no picture that this browser reads; open a PNG, JPEG or WebP.`
    }
  }

  press(event) {
    const at = (e) => {
      const box = this.pad.getBoundingClientRect()
      return [e.clientX - box.left, e.clientY - box.top].map((v) => (v * SIDE) / box.width)
    }
    const draw = (e) => { this.pen.lineTo(...at(e)); this.pen.stroke(); this.show() }
    this.pad.setPointerCapture(event.pointerId)
    Object.assign(this.pen, { strokeStyle: this.ink.value, lineWidth: SIDE / 12, lineCap: "round", lineJoin: "round" })
    this.pen.beginPath()
    this.pen.moveTo(...at(event))
    draw(event)
    this.pad.onpointermove = draw
  }

  lift() {
    this.pad.onpointermove = null
    if (!this.here) this.send.onclick()
  }

  // The drawing at the run's size, (c, h, w) in [-1, 1].
  picture() {
    const { side, channels } = this.data
    const pixels = this.pen.getImageData(0, 0, SIDE, SIDE).data
    const x = new Float32Array(channels * side * side), count = new Float32Array(side * side)
    for (let i = 0; i < SIDE * SIDE; i++) {
      const at = Math.floor((Math.floor(i / SIDE) * side) / SIDE) * side + Math.floor(((i % SIDE) * side) / SIDE)
      const [r, g, b] = pixels.subarray(4 * i, 4 * i + 3)
      const values = channels === 1 ? [0.299 * r + 0.587 * g + 0.114 * b] : [r, g, b]
      values.forEach((v, c) => { x[c * side * side + at] += v })
      count[at] += 1
    }
    return x.map((v, i) => v / count[i % (side * side)] / 127.5 - 1)
  }

  // What comes back, and the training picture nearest to it.
  came(x) {
    this.paint(this.back, x)
    this.pool?.beside(x, this.near, this.name)
  }

  paint(canvas, x) { paint(canvas, x, this.data) }

  // Everything that follows from the picture, the noise and its level, as they are now.
  show() {
    if (!this.here) return
    const { sigma } = this, turn = ++this.turn, said = sigma.toPrecision(2)
    this.output.textContent = said
    this.range.setAttribute("aria-valuetext", `noise level ${said}`)
    const clean = this.picture(), noise = normals(this.seed, clean.length)
    this.x = clean.map((v, i) => v + sigma * noise[i])
    this.paint(this.noisy, this.x)
    clearTimeout(this.rest)
    if (!this.remote?.awake) return
    this.look()
    this.rest = setTimeout(() => this.descend(turn), REST)
  }

  // One guess at a time; what came meanwhile is guessed next, and only the newest of it.
  async look() {
    if (this.asking) { this.missed = true; return }
    const { remote } = this
    this.asking = true
    do {
      this.missed = false
      const found = await remote.denoise(this.x, [this.sigma]).catch(() => this.offer(false))
      if (remote !== this.remote || !this.here) return
      this.paint(this.guess, found)
    } while (this.missed)
    this.asking = false
  }

  async descend(turn) {
    const stopped = () => turn !== this.turn
    const tell = (guess) => { if (!this.still.matches) this.came(guess) }
    const found = await this.remote.descend(this.x, this.sigma, tell, stopped).catch(() => null)
    if (found && !stopped()) this.came(found)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".drawing")
  if (!benches.has(root)) benches.set(root, new Bench(root))
  const bench = benches.get(root)
  bench.update(data, (drawn) => setTriggerValue("drawn", drawn))
  return () => {
    bench.seen.disconnect()
    bench.sleep()
    benches.delete(root)
  }
}
