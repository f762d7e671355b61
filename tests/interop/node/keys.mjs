// JWKs and node:crypto, for the libraries that leave signing to their caller.
import { createHash, createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes } from 'node:crypto'

const ALGS = { 'P-256': ['ES256', -7, 'sha256'], 'P-384': ['ES384', -35, 'sha384'], Ed25519: ['EdDSA', -8, null] }

export const jose = jwk => ALGS[jwk.crv][0]
export const cose = jwk => ALGS[jwk.crv][1]

// Key objects are kept: it is not our adapter that a benchmark is to measure.
const kept = new Map()
function once(make, jwk) {
  const name = `${make.name} ${jwk.x} ${jwk.y}`
  if (!kept.has(name)) kept.set(name, make({ key: jwk, format: 'jwk' }))
  return kept.get(name)
}

export function sign(jwk, bytes) {
  const key = once(createPrivateKey, jwk)
  return new Uint8Array(signBytes(ALGS[jwk.crv][2], bytes, { key, dsaEncoding: 'ieee-p1363' }))
}

export function verify(jwk, bytes, signature) {
  const { d, ...open } = jwk
  const key = once(createPublicKey, open)
  return verifyBytes(ALGS[jwk.crv][2], bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

export const digest = (name, bytes) => new Uint8Array(createHash(name.replace('-', '').toLowerCase()).update(bytes).digest())

export const fromBase64 = text => new Uint8Array(Buffer.from(text, 'base64'))
export const toBase64 = bytes => Buffer.from(bytes).toString('base64')

// What `CoseKey.create` of the @owf libraries takes; their own reader of JWKs knows P-256 only.
export function coseOptions({ crv, x, y, d }) {
  const bytes = text => (text === undefined ? undefined : new Uint8Array(Buffer.from(text, 'base64url')))
  const [keyType, curve] = { 'P-256': [2, 1], 'P-384': [2, 2], Ed25519: [1, 6] }[crv]
  return Object.fromEntries(
    Object.entries({ keyType, curve, x: bytes(x), y: bytes(y), d: bytes(d) }).filter(([, value]) => value !== undefined)
  )
}
