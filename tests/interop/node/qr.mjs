// QR codes read by zxing-wasm, whose program lies beside it and is not fetched.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import { fromBase64 } from './keys.mjs'

const wasm = readFileSync(fileURLToPath(import.meta.resolve('zxing-wasm/reader/zxing_reader.wasm')))
const ready = prepareZXingModule({
  overrides: { wasmBinary: wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength) },
  fireImmediately: true,
})

export async function read({ picture }) {
  await ready
  const found = await readBarcodes(fromBase64(picture), { formats: ['QRCode'], tryHarder: true })
  return found.map(({ text, error, format }) => ({ text, error, format }))
}
