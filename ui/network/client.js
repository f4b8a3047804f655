// A run's network in a thread of this browser (worker.js, whose text is WORKER), and Heun's sampler.

// Where this app is served, which only the address of Streamlit's own script tells behind a proxy.
function served(path) {
  const own = document.querySelector('script[src*="static/js/"]')?.src ?? `${location.origin}/static/js/`
  return new URL(path.replace(/^\//, ""), own.slice(0, own.indexOf("static/js/"))).href
}

// Standard normal numbers of a seed: mulberry32, then Box and Muller.
function normals(seed, count) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return Float32Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()))
}

// An image (c, h, w) in [-1, 1] on a canvas of its size.
function paint(canvas, x, { side, channels }) {
  const image = new ImageData(side, side), n = side * side
  for (let i = 0; i < n; i++) {
    for (const c of [0, 1, 2]) image.data[4 * i + c] = Math.round(127.5 * (x[(channels === 1 ? 0 : c) * n + i] + 1))
    image.data[4 * i + 3] = 255
  }
  canvas.getContext("2d").putImageData(image, 0, 0)
}

// The training pictures of a run, tile by tile in one picture.
class Trained {
  static async of({ pool, names, side }) {
    const image = await createImageBitmap(await (await fetch(served(pool))).blob())
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height })
    const pen = canvas.getContext("2d", { willReadFrequently: true })
    pen.drawImage(image, 0, 0)
    const { data: pixels } = pen.getImageData(0, 0, image.width, image.height)
    return Object.assign(new Trained(), { canvas, pixels, names, side })
  }

  corner(i) {
    const { width } = this.canvas
    return [(i * this.side) % width, this.side * Math.floor((i * this.side) / width)]
  }

  // The one whose pixels are nearest to x, on a canvas, and its name under it.
  beside(x, canvas, caption) {
    const { side, pixels } = this
    const far = this.names.map((_, i) => {
      const [left, top] = this.corner(i)
      let sum = 0
      for (let k = 0; k < x.length; k++) {
        const c = Math.floor(k / side ** 2), at = k % side ** 2
        const place = (top + Math.floor(at / side)) * this.canvas.width + left + (at % side)
        sum += (pixels[4 * place + c] / 127.5 - 1 - x[k]) ** 2
      }
      return sum
    })
    const best = far.indexOf(Math.min(...far))
    canvas.getContext("2d").drawImage(this.canvas, ...this.corner(best), side, side, 0, 0, side, side)
    caption.textContent = `nearest: ${this.names[best]}`
  }
}

class Remote {
  constructor({ weights, ...about }) {
    Object.assign(this, { about, asked: new Map(), count: 0 })
    const script = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }))
    this.worker = new Worker(script)
    this.worker.onmessage = ({ data: { id, found, error } }) => {
      const { resolve, reject } = this.asked.get(id)
      this.asked.delete(id)
      error ? reject(new Error(error)) : resolve(found)
    }
    this.worker.onerror = (event) => {
      event.preventDefault()
      for (const { reject } of this.asked.values()) reject(new Error(event.message))
    }
    this.ready = this.ask("load", { library: served("app/static/network/"), weights: served(weights), about })
  }

  ask(what, rest) {
    const id = this.count++
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject })
      this.worker.postMessage({ id, what, ...rest })
    })
  }

  // D(x, sigma) for images one after the other, each at its noise level.
  denoise(x, sigmas) { return this.ask("denoise", { x, sigmas }) }

  // The levels from `sigma` down to 0, as SamplerConfig.below has them; none where sampling ends above.
  levels(sigma) {
    const { low, high, steps, rho } = this.about.sampler
    if (sigma <= low) return []
    const root = (s) => s ** (1 / rho)
    const count = Math.max(2, Math.ceil((steps * (root(sigma) - root(low))) / (root(high) - root(low))))
    const level = (i) => (root(sigma) + (i / (count - 1)) * (root(low) - root(sigma))) ** rho
    return [...Array.from({ length: count }, (_, i) => level(i)), 0]
  }

  // Sample one noisy image down from `sigma`, telling each guess on the way; null once `stopped`.
  async descend(x, sigma, tell, stopped) {
    const levels = this.levels(sigma)
    if (!levels.length) return this.denoise(x, [sigma])
    const slope = async (at, s) => {
      const guess = await this.denoise(at, [s])
      if (!stopped()) tell(guess)
      return at.map((v, i) => (v - guess[i]) / s)
    }
    for (let i = 0; i + 1 < levels.length; i++) {
      if (stopped()) return null
      const [s, next] = [levels[i], levels[i + 1]]
      const first = await slope(x, s)
      const euler = x.map((v, k) => v + (next - s) * first[k])
      if (stopped()) return null
      const second = next > 0 ? await slope(euler, next) : first
      x = x.map((v, k) => v + ((next - s) * (first[k] + second[k])) / 2)
    }
    return x
  }
}
