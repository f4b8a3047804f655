// A run's network in a thread of this browser (worker.js, whose text is WORKER), and Heun's sampler.

// Where this app is served, which only the address of Streamlit's own script tells behind a proxy.
function served(path) {
  const own = document.querySelector('script[src*="static/js/"]')?.src ?? `${location.origin}/static/js/`
  return new URL(path.replace(/^\//, ""), own.slice(0, own.indexOf("static/js/"))).href
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
