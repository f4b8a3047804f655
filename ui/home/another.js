// One more picture of each network from the same new noise, as it forms; drawn in this browser.

const drawers = new WeakMap()

function make(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props)
  node.append(...children)
  return node
}

class Drawer {
  constructor(root) {
    Object.assign(this, { root, seed: 0, turn: 0, remotes: [] })
    this.button = root.querySelector("button")
    this.button.onclick = () => this.draw()
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
  }

  update(data) {
    if (JSON.stringify(this.data?.networks) === JSON.stringify(data.networks)) return
    this.end()
    this.data = data
    const square = (name) => make("canvas", { role: "img", ariaLabel: name, width: data.side, height: data.side })
    this.rows = data.titles.map((title) => ({
      made: square(`${title}: drawn now`), near: square(`${title}: nearest training picture`), name: make("small", {}, "nearest"),
      title,
    }))
    const places = this.rows.map(({ title, made, near, name }) => make("figure", {},
      make("figcaption", {}, title), make("div", {}, made, near), name))
    this.root.querySelector(".made").replaceChildren(...places)
    this.root.querySelector(".made").hidden = true
  }

  async draw() {
    const { networks, side, channels } = this.data
    const turn = ++this.turn, stopped = () => turn !== this.turn
    this.root.querySelector(".made").hidden = false
    try {
      if (!this.remotes.length) this.remotes = networks.map((network) => new Remote(network))
      this.pool ??= await Trained.of(this.data)
      const { high } = networks[0].sampler
      const x = normals(++this.seed, channels * side * side).map((v) => high * v)
      await Promise.all(this.remotes.map(async (remote, i) => {
        const { made, near, name } = this.rows[i]
        const came = (image) => { paint(made, image, this.data); this.pool.beside(image, near, name) }
        await remote.ready
        const found = await remote.descend(x, high, (guess) => { if (!this.still.matches) came(guess) }, stopped)
        if (found && !stopped()) came(found)
      }))
    } catch {
      if (!stopped()) this.root.replaceChildren("This browser cannot draw; the page Evidence does, on the server.")
    }
  }

  end() {
    this.turn += 1
    for (const { worker } of this.remotes) worker.terminate()
    Object.assign(this, { remotes: [], pool: undefined })
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".another")
  if (!drawers.has(root)) drawers.set(root, new Drawer(root))
  const drawer = drawers.get(root)
  drawer.update(data)
  return () => {
    drawer.end()
    drawers.delete(root)
  }
}
