// The TUF client tuf-js. `home` holds the root that is pinned, as root.json.
import { readFileSync, mkdirSync } from 'node:fs'
import { Updater } from 'tuf-js'

export async function download({ home, url, names }) {
  mkdirSync(`${home}/targets`, { recursive: true })
  const updater = new Updater({
    metadataDir: home,
    metadataBaseUrl: `${url}metadata`,
    targetDir: `${home}/targets`,
    targetBaseUrl: `${url}targets`,
    config: { fetchRetries: 0 },
  })
  await updater.refresh()
  const found = {}
  for (const name of names) {
    const info = await updater.getTargetInfo(name)
    found[name] = info ? readFileSync(await updater.downloadTarget(info)).toString('base64') : null
  }
  return found
}
