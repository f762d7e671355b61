// Independent implementations behind a pipe: a JSON object a line in, one a line out.
// `{"call": "dcql.match", "with": {...}}` is answered by `{"value": ...}`, or `{"error": "..."}` for what it threw.
// `{"call": "dcql.match", "each": [{...}, ...]}` calls it for each and answers with microseconds of CPU for one call.
import { createInterface } from 'node:readline'

// Standard output is the pipe: nothing that a library says may get into it.
console.log = console.info = console.debug = console.error

async function timed(work, each) {
  const before = process.cpuUsage()
  for (const given of each) await work(given)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / each.length
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, with: given, each } = JSON.parse(line)
  const [family, name] = call.split('.')
  let answer
  try {
    const peer = await import(`./${family}.mjs`)
    answer = { value: (each ? await timed(peer[name], each) : await peer[name](given)) ?? null }
  } catch (error) {
    answer = { error: `${error?.name}: ${error?.message}` }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
