// Holds a film's pictures for the films of this tab (film.js); it shows nothing itself.

const KEPT = 8 // films; a tab forgets the oldest

export default function ({ data }) {
  const strips = (globalThis.ambientStrips ??= new Map())
  strips.set(data.film, data.strip)
  for (const old of [...strips.keys()].slice(0, -KEPT)) strips.delete(old)
  dispatchEvent(new CustomEvent("ambient-strip"))
}
