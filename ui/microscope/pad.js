// A square to draw on; what is drawn goes to the server when the pen is lifted.

const SIDE = 256 // pixels of the drawing

export default function ({ data, parentElement, setTriggerValue }) {
  const canvas = parentElement.querySelector("canvas")
  const ink = parentElement.querySelector("input")
  const clear = parentElement.querySelector("button")
  const pen = canvas.getContext("2d")
  const wipe = () => {
    pen.fillStyle = data.paper
    pen.fillRect(0, 0, SIDE, SIDE)
  }
  if (!canvas.dataset.ready) {
    canvas.dataset.ready = "yes"
    canvas.width = canvas.height = SIDE
    ink.value = data.ink
    wipe()
  }
  ink.parentElement.hidden = !data.colored
  const place = (event) => {
    const box = canvas.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top].map((v) => (v * SIDE) / box.width)
  }
  const draw = (event) => {
    pen.lineTo(...place(event))
    pen.stroke()
  }
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId)
    Object.assign(pen, { strokeStyle: ink.value, lineWidth: SIDE / 12, lineCap: "round", lineJoin: "round" })
    pen.beginPath()
    pen.moveTo(...place(event))
    draw(event)
    canvas.onpointermove = draw
  }
  canvas.onpointerup = canvas.onpointercancel = () => {
    canvas.onpointermove = null
    setTriggerValue("drawn", canvas.toDataURL("image/png"))
  }
  clear.onclick = () => {
    wipe()
    setTriggerValue("drawn", "")
  }
}
