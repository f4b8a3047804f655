// The denoisers of ambient/diffusion in a thread of the browser: unet.py in denoiser.py's frame,
// on the bands of bands.py. Tensors of the network are (b, h, w, c); images come as (b, c, h, w).

const GROUP = 16 // channels in one GroupNorm group
const HEAD = 32 // channels of one attention head
const EPS = 1e-5

// The numbers a float16 can be, by its bits.
const halves = () => Float32Array.from({ length: 65536 }, (_, bits) => {
  const [sign, power, part] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (power === 31) return part ? NaN : sign * Infinity
  return sign * (power ? (1 + part / 1024) * 2 ** (power - 15) : part * 2 ** -24)
})

const READERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes, table) => Float32Array.from(new Uint16Array(bytes), (bits) => table[bits]),
  BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (b) => b << 16).buffer),
}

// A safetensors file by the names of its tensors.
function read(file) {
  const start = 8 + Number(new DataView(file).getBigUint64(0, true))
  const { __metadata__, ...head } = JSON.parse(new TextDecoder().decode(file.slice(8, start)))
  const table = halves()
  return Object.fromEntries(Object.entries(head).map(([name, { dtype, shape, data_offsets: [a, b] }]) =>
    [name, { shape, values: READERS[dtype](file.slice(start + a, start + b), table) }]))
}

// What patches of p x p pixels are seen as: their cosines, or each pixel by itself (a U-Net that
// unshuffles). `basis` is orthonormal, (bands, pixels); `ratios` are the bands' deviations.
function bands(p, cosines) {
  const each = [...Array(p).keys()]
  if (!cosines) {
    const basis = Array.from({ length: p * p }, (_, k) => Array.from({ length: p * p }, (_, q) => +(k === q)))
    return { basis, ratios: Array(p * p).fill(1) }
  }
  const rows = each.map((k) => {
    const row = each.map((i) => Math.cos((Math.PI * (i + 0.5) * k) / p))
    return row.map((v) => v / Math.hypot(...row))
  })
  const spread = rows.map((row) =>
    row.reduce((sum, a, i) => sum + row.reduce((s, b, j) => s + a * b * 0.9 ** Math.abs(i - j), 0), 0))
  const pairs = each.flatMap((k) => each.map((l) => [k, l]))
  return {
    basis: pairs.map(([k, l]) => pairs.map(([i, j]) => rows[k][i] * rows[l][j])),
    ratios: pairs.map(([k, l]) => Math.sqrt(spread[k] * spread[l])),
  }
}

class Network {
  constructor(tensors, about) {
    Object.assign(this, { tensors, about, kept: new Map() })
    Object.assign(this, bands(about.patch, about.cosines))
    this.width = tensors["stem.weight"].shape[0]
  }

  // A tensor made of weights, once.
  keep(name, make) {
    if (!this.kept.has(name)) this.kept.set(name, tf.keep(make()))
    return this.kept.get(name)
  }

  weight(name, ...order) {
    const { shape, values } = this.tensors[name]
    return this.keep(name, () => tf.transpose(tf.tensor(values, shape), order))
  }

  bias(name, times = 1) {
    const found = this.tensors[`${name}.bias`]
    return found && this.keep(`${name}.bias`, () => tf.tile(tf.tensor1d(found.values), [times]))
  }

  conv(name, x, stride = 1) {
    const filter = this.weight(`${name}.weight`, 2, 3, 1, 0)
    return tf.fused.conv2d({ x, filter, strides: stride, pad: stride > 1 ? "valid" : "same", bias: this.bias(name) })
  }

  // A transposed convolution of 2x2 whose strides do not overlap.
  enlarge(name, x) {
    const [from, to] = this.tensors[`${name}.weight`].shape
    const filter = this.keep(`${name}.flat`, () =>
      tf.reshape(this.weight(`${name}.weight`, 0, 2, 3, 1), [1, 1, from, 4 * to]))
    const four = tf.fused.conv2d({ x, filter, strides: 1, pad: "same", bias: this.bias(name, 4) })
    return tf.depthToSpace(four, 2)
  }

  linear(name, x) {
    return tf.fused.matMul({ a: x, b: this.weight(`${name}.weight`, 1, 0), bias: this.bias(name) })
  }

  // GroupNorm, its result scaled by 1 + scale and shifted, (b, 1, c), where given.
  norm(name, x, scale, shift) {
    const [b, h, w, c] = x.shape
    const within = this.keep(`groups ${c}`, () => tf.tensor2d(
      Float32Array.from({ length: c * c }, (_, i) => +(Math.floor(i / c / GROUP) === Math.floor((i % c) / GROUP)) / GROUP), [c, c]))
    const over = this.keep(`positions ${b} ${h * w}`, () => tf.fill([b, 1, h * w], 1 / (h * w)))
    const mean = (v) => tf.reshape(tf.matMul(tf.reshape(tf.matMul(over, v), [b, c]), within), [b, 1, c])
    const flat = tf.reshape(x, [b, h * w, c])
    const apart = tf.sub(flat, mean(flat))
    let times = tf.mul(tf.rsqrt(tf.add(mean(tf.square(apart)), EPS)), this.weight(`${name}.weight`, 0))
    let plus = this.bias(name)
    if (scale) {
      times = tf.mul(times, tf.add(scale, 1))
      plus = tf.add(tf.mul(plus, tf.add(scale, 1)), shift)
    }
    return tf.reshape(tf.add(tf.mul(apart, times), plus), x.shape)
  }

  silu(x) { return tf.mul(x, tf.sigmoid(x)) }

  block(name, x, level) {
    const film = this.linear(`${name}.film`, level)
    const [scale, shift] = tf.split(tf.reshape(film, [x.shape[0], 1, film.shape[1]]), 2, 2)
    const first = this.conv(`${name}.conv1`, this.silu(this.norm(`${name}.norm1`, x)))
    const second = this.conv(`${name}.conv2`, this.silu(this.norm(`${name}.norm2`, first, scale, shift)))
    return tf.add(this.tensors[`${name}.skip.weight`] ? this.conv(`${name}.skip`, x) : x, second)
  }

  attend(name, x) {
    const [b, h, w, c] = x.shape
    const [n, heads] = [h * w, c / HEAD]
    const parts = tf.reshape(this.conv(`${name}.qkv`, this.norm(`${name}.norm`, x)), [b, n, 3, heads, HEAD])
    const [q, k, v] = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4])).map((t) => tf.reshape(t, [b * heads, n, HEAD]))
    const seen = tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), HEAD ** -0.5)), v)
    const joined = tf.reshape(tf.transpose(tf.reshape(seen, [b, heads, n, HEAD]), [0, 2, 1, 3]), x.shape)
    return tf.add(x, this.conv(`${name}.out`, joined))
  }

  // F(x, ln(sigma) / 4): FourierFeatures and UNet.
  forward(x, sigmas) {
    const half = this.width / 2
    const angles = [...sigmas].map((s) => Array.from({ length: half }, (_, i) =>
      (Math.log(s) / 4) * 2 * Math.PI * 2 ** (-1 + (5 * i) / (half - 1))))
    const waves = tf.tensor2d(angles.map((row) => [...row.map(Math.cos), ...row.map(Math.sin)]))
    const level = this.silu(this.linear("embed.3", this.silu(this.linear("embed.1", waves))))
    let h = this.conv("stem", x)
    const skips = []
    for (const i of [0, 1]) {
      h = this.block(`encode.${i}`, h, level)
      skips.push(h)
      h = this.conv(`down.${i}`, h, 2)
    }
    h = this.block("middle", this.attend("attention", this.block("encode.2", h, level)), level)
    for (const i of [1, 0]) {
      h = this.enlarge(`up.${i}`, h)
      h = this.about.cosines ? tf.add(h, skips[i]) : tf.concat([h, skips[i]], 3)
      h = this.block(`decode.${i}`, h, level)
    }
    return this.conv("head", this.silu(this.norm("norm", h)))
  }

  // Calls `visit(pixel, band)`, places in (b, c, h, w) and (b, h / p, w / p, c p p), with what band
  // `k` has of that pixel.
  everywhere(b, visit) {
    const { channels, side, patch: p } = this.about
    const [n, all] = [side / p, channels * p * p]
    for (let i = 0; i < b * channels * side * side; i++) {
      const [x, y] = [i % side, Math.floor(i / side) % side]
      const [c, image] = [Math.floor(i / side ** 2) % channels, Math.floor(i / side ** 2 / channels)]
      const pixel = (y % p) * p + (x % p)
      const first = ((image * n + Math.floor(y / p)) * n + Math.floor(x / p)) * all + c * p * p
      for (let k = 0; k < p * p; k++) visit(i, first + k, this.basis[k][pixel])
    }
  }

  // D(x, sigma), equation 7 of EDM, for (b, c, h, w) and b noise levels.
  async denoise(x, sigmas) {
    const { channels, side, patch: p, sigma_data } = this.about
    const [b, n, all] = [sigmas.length, side / p, channels * p * p]
    const split = new Float32Array(x.length)
    this.everywhere(b, (pixel, band, share) => { split[band] += share * x[pixel] })
    const sizes = Float32Array.from({ length: b * all }, (_, i) => sigma_data * this.ratios[i % (p * p)])
    const norms = sizes.map((sd, i) => Math.hypot(sigmas[Math.floor(i / all)], sd))
    const at = (i) => Math.floor(i / (n * n * all)) * all + (i % all) // its image and band
    const input = tf.tensor4d(split.map((v, i) => v / norms[at(i)]), [b, n, n, all])
    const output = tf.tidy(() => this.forward(input, sigmas))
    const found = await output.data()
    tf.dispose([input, output])
    const joined = new Float32Array(x.length)
    const mixed = split.map((v, i) => {
      const [sd, norm, sigma] = [sizes[at(i)], norms[at(i)], sigmas[Math.floor(i / (n * n * all))]]
      return (sd / norm) ** 2 * v + ((sigma * sd) / norm) * found[i]
    })
    this.everywhere(b, (pixel, band, share) => { joined[pixel] += share * mixed[band] })
    return joined
  }
}

let network

const ANSWERS = {
  async load({ library, weights, about }) {
    importScripts(...["tf-core.es2017.min.js", "tf-backend-wasm.es2017.min.js"].map((name) => library + name))
    const fetched = fetch(weights)
    tf.wasm.setWasmPaths(library)
    if (!(await tf.setBackend("wasm"))) throw new Error("no WebAssembly with SIMD")
    const answer = await fetched
    if (!answer.ok) throw new Error(`weights: ${answer.status}`)
    network = new Network(read(await answer.arrayBuffer()), about)
  },
  denoise: ({ x, sigmas }) => network.denoise(x, sigmas),
}

onmessage = async ({ data: { id, what, ...rest } }) => {
  try {
    postMessage({ id, found: await ANSWERS[what](rest) })
  } catch (error) {
    postMessage({ id, error: String(error) })
  }
}
