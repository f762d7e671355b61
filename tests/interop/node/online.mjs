// What the online peers share: HTTPS that trusts one test authority, and the callbacks of the @openid4vc libraries, which
// leave keys, hashes and requests to their caller: here to node:crypto, node:https and jose.
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { calculateJwkThumbprint, CompactEncrypt, compactDecrypt, importJWK } from 'jose'
import * as keys from './keys.mjs'

const LIMIT_MS = 20_000
const text = value => Buffer.from(value).toString('base64url')
const HASHES = { 'sha-256': 'sha256', 'sha-384': 'sha384', 'sha-512': 'sha512' }

// `fetch` without redirects: where one leads to is for the caller to decide.
export function fetcher(authority) {
  return (url, { method = 'GET', headers, body } = {}) =>
    new Promise((resolve, reject) => {
      const sent = Object.fromEntries(new Headers(headers).entries())
      const options = { method, headers: sent, ca: authority, timeout: LIMIT_MS, agent: false }
      const asked = request(url, options, answer => {
        const chunks = []
        answer.on('data', chunk => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const whole = Buffer.concat(chunks)
          const bare = whole.length === 0 || [204, 304].includes(answer.statusCode)
          const pairs = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
          resolve(new Response(bare ? null : whole, { status: answer.statusCode, headers: pairs }))
        })
      })
      asked.on('error', reject)
      asked.on('timeout', () => asked.destroy(new Error('the server is too slow')))
      asked.end(body === undefined ? undefined : String(body))
    })
}

const leafOf = x5c => new X509Certificate(Buffer.from(x5c[0], 'base64'))

// `own` are private JWKs; `roots` are certificates (DER, base64) that end the chains of others.
export function callbacks({ fetch, own = [], roots = [], decryptWith = [] }) {
  const anchors = roots.map(der => new X509Certificate(Buffer.from(der, 'base64')))
  const privateOf = ({ x }) => own.find(one => one.x === x) ?? Promise.reject(new Error('not a key of ours'))
  const publicOf = signer => (signer.method === 'x5c' ? leafOf(signer.x5c).publicKey.export({ format: 'jwk' }) : signer.publicJwk)
  return {
    fetch,
    hash: (bytes, name) => new Uint8Array(createHash(HASHES[name]).update(bytes).digest()),
    generateRandom: length => new Uint8Array(randomBytes(length)),
    signJwt: async (signer, { header, payload }) => {
      const signerJwk = publicOf(signer)
      const signed = `${text(JSON.stringify(header))}.${text(JSON.stringify(payload))}`
      return { jwt: `${signed}.${text(keys.sign(await privateOf(signerJwk), Buffer.from(signed)))}`, signerJwk }
    },
    verifyJwt: async (signer, { compact }) => {
      const [header, payload, signature] = compact.split('.')
      const signerJwk = publicOf(signer)
      const chained = signer.method !== 'x5c' || anchors.some(root => leafOf(signer.x5c).verify(root.publicKey))
      const verified = keys.verify(signerJwk, Buffer.from(`${header}.${payload}`), Buffer.from(signature, 'base64url'))
      return chained && verified ? { verified, signerJwk } : { verified: false }
    },
    encryptJwe: async ({ publicJwk, alg, enc, apu, apv }, payload) => {
      const encryption = new CompactEncrypt(Buffer.from(payload)).setProtectedHeader({
        alg,
        enc,
        ...(publicJwk.kid && { kid: publicJwk.kid }),
      })
      const bytes = value => new Uint8Array(Buffer.from(value, 'base64url'))
      const parties = { ...(apu && { apu: bytes(apu) }), ...(apv && { apv: bytes(apv) }) }
      encryption.setKeyManagementParameters(parties)
      return { encryptionJwk: publicJwk, jwe: await encryption.encrypt(await importJWK(publicJwk, alg)) }
    },
    decryptJwe: async jwe => {
      const { kid } = JSON.parse(Buffer.from(jwe.split('.')[0], 'base64url'))
      const decryptionJwk = decryptWith.find(one => one.kid === kid)
      if (!decryptionJwk) return { decrypted: false, payload: undefined, encryptionJwk: undefined }
      const { plaintext } = await compactDecrypt(jwe, await importJWK(decryptionJwk, 'ECDH-ES'))
      return { decrypted: true, decryptionJwk, payload: Buffer.from(plaintext).toString() }
    },
    getX509CertificateMetadata: der => {
      const names = (new X509Certificate(Buffer.from(der, 'base64')).subjectAltName ?? '').split(', ')
      const of = kind => names.flatMap(one => (one.startsWith(kind) ? [one.slice(kind.length)] : []))
      return { sanDnsNames: of('DNS:'), sanUriNames: of('URI:') }
    },
  }
}

export const open = ({ d, ...rest }) => rest
export const signerOf = jwk => ({ method: 'jwk', alg: keys.jose(jwk), publicJwk: open(jwk) })

// RFC 7638, as the mdoc handover wants it.
export const thumbprint = async jwk => Buffer.from(await calculateJwkThumbprint(jwk), 'base64url').toString('base64')
