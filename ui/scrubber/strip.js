// Holds a film's strip for the scrubbers of this tab (scrubber.js); it shows nothing itself.

const KEPT = 8 // films; a tab forgets the oldest

export default function ({ data }) {
  const strips = (globalThis.ambientStrips ??= new Map())
  strips.set(data.film, data.strip)
  for (const old of [...strips.keys()].slice(0, -KEPT)) strips.delete(old)
  dispatchEvent(new CustomEvent("ambient-strip"))
}
